# SPDX-License-Identifier: LGPL-2.1-or-later
"""tests/try as a person uses it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import SOURCE, Process, build_directory, run_command, wait_for
from harness.loop import running

TRY = SOURCE / "tests" / "try"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """TMPDIR is also the mark by which processes are known that tests/try left behind."""
    (tmp_path / "tmp").mkdir()
    return dict(os.environ) | {
        "CORE2_BUILD_DIR": str(build_directory()),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path / "tmp"),
    }


def left_behind(env: dict[str, str]) -> list[str]:
    """Command lines of the processes, and names of the files, of runs with env."""
    mark = f"TMPDIR={env['TMPDIR']}".encode()
    found = os.listdir(env["TMPDIR"])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # A process that is about to end has no environment any more.
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def test_once_shows_both_chips(env: dict[str, str]) -> None:
    result = run_command([TRY, "--once"], env, timeout=180)
    assert result.status == 0, result
    for side in ("left", "right"):
        lines = [line for line in result.stdout.splitlines() if side in line]
        for value in ("steps", "battery", "orientation"):
            assert any(value in line for line in lines), (side, value, result)
    assert not left_behind(env)


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("false", 1), ("exit 42", 42)])
def test_status_is_that_of_the_command(env: dict[str, str], command: str, status: int) -> None:
    result = run_command([TRY, "--", "bash", "-c", command], env, timeout=180)
    assert result.status == status, result
    assert result.stdout == ""
    assert not left_behind(env)


def test_command_finds_connected_chips(env: dict[str, str]) -> None:
    script = """
        set -eu
        test -n "$DBUS_SYSTEM_BUS_ADDRESS"
        for chip in F1_4F_BB_6A_B5_79 F1_4F_BB_6A_B5_7A; do
          busctl get-property org.example.Core2 /org/example/Core2/chip/$chip org.example.Core2 State
        done
        core2ctl status
    """
    result = run_command([TRY, "--", "bash", "-c", script], env, timeout=180)
    assert result.status == 0, result
    assert result.stdout.startswith('s "ready"\ns "ready"\n'), result
    assert "left" in result.stdout and "right" in result.stdout


def test_command_reads_standard_input(env: dict[str, str]) -> None:
    result = run_command([TRY, "--", "cat"], env, stdin="text", timeout=180)
    assert (result.status, result.stdout) == (0, "text"), result


def test_wrong_usage(env: dict[str, str]) -> None:
    for arguments in (["--nonsense"], ["--"], ["word"]):
        result = run_command([TRY, *arguments], env)
        assert result.status == 2 and "Usage" in result.stderr, result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ending_it_leaves_nothing(
    env: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    # As a terminal does with Ctrl-C, the signal goes to the whole process group; setsid makes one.
    process = Process(["setsid", TRY], env, tmp_path)
    try:
        wait_for(lambda: process.stdout.count("steps") > 2, 180, "steps of both chips")
        process.expect_end()
        os.killpg(process.pid, number)
        assert process.wait() == 128 + number, process.stderr
        assert not left_behind(env)
        assert not process.complaints()
    finally:
        running.clear()
