# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl without a daemon: its table of verbs in help, man page and completion; wrong usage; exit codes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import Gio, GLib
from harness import SOURCE, Bus, Result, build_directory

Run = Callable[..., Result]

CLIENT_TOOL = SOURCE / "client-tool"
MAN_PAGE = CLIENT_TOOL / "core2ctl.1"

VERBS = [
    "status", "scan", "add", "remove", "connect", "disconnect", "today", "goal", "history", "export", "steps",
    "battery", "orientation", "watch", "info", "time", "pair", "key", "set", "metrics", "diagnose",
]  # fmt: skip


def complete(run_command: Run, *words: str) -> list[str]:
    result = run_command("core2ctl", "complete", "--", *words)
    assert result.status == 0, result.stderr
    return [line.split("\t")[0] for line in result.stdout.splitlines()]


def man_text() -> str:
    """The man page's text without its fonts."""
    page = MAN_PAGE.read_text()
    return re.sub(r"\\f[BRI]", "", page).replace("\\-", "-")


def test_table_of_verbs_is_complete(run_command: Run) -> None:
    assert complete(run_command, "") == VERBS


def test_help_lists_every_verb(run_command: Run) -> None:
    result = run_command("core2ctl", "--help")
    assert result.status == 0
    listed = re.findall(r"^  ([a-z]+)  +\S", result.stdout, re.MULTILINE)
    assert listed == VERBS
    assert run_command("core2ctl", "help").stdout == result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help(run_command: Run, verb: str) -> None:
    result = run_command("core2ctl", verb, "--help")
    assert result.status == 0
    assert f"core2ctl {verb}" in result.stdout
    for option in complete(run_command, verb, "-"):
        assert option in result.stdout
    assert run_command("core2ctl", "help", verb).stdout == result.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_man_page_has_each_verb_and_its_options(run_command: Run, verb: str) -> None:
    page = MAN_PAGE.read_text()
    # The verb's own entry, and behind it what belongs to it.
    assert re.search(rf"^\\fB{verb}\b", page, re.MULTILINE), f"no entry for {verb}"
    for option in complete(run_command, verb, "-"):
        assert option in man_text(), f"{verb} {option}"


def test_man_page_has_no_option_that_is_gone(run_command: Run) -> None:
    known = {"--version", "--help"}
    for verb in VERBS:
        known |= set(complete(run_command, verb, "-"))
    assert set(re.findall(r"--[a-z][a-z-]+", man_text())) == known


def test_man_page_is_clean(run_command: Run) -> None:
    result = run_command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", MAN_PAGE)
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout


def test_exit_codes_are_documented_alike(run_command: Run) -> None:
    help_text = run_command("core2ctl", "--help").stdout
    shown = {int(code) for code in re.findall(r"(\d+) [a-z]", help_text.split("Exit status:")[1])}
    section = MAN_PAGE.read_text().split(".SH EXIT STATUS")[1].split(".SH")[0]
    documented = {int(code) for code in re.findall(r"^\.B (\d+)$", section, re.MULTILINE)}
    assert shown == documented == {0, 1, 2, 3, 4, 5, 6, 7, 130}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["st"], ["status", "steps"]),
        (["nonsense", ""], []),
        (["scan", "--f"], ["--first"]),
        (["scan", "-"], ["--first", "--timeout", "--adapter", "--json", "--help"]),
        (["add", "F1:4F:BB:6A:B5:79", "--side", ""], ["left", "right", "unknown"]),
        (["add", "F1:4F:BB:6A:B5:79", "--side=l"], ["left"]),
        (["add", "--nonsense=l"], []),
        (["add", "--key-file", ""], [":files"]),
        (["add", "--key-file=k"], [":files"]),
        (["add", "--alias", ""], []),
        (["export", "--format", "j"], ["jsonl"]),
        (["history", "--svg", ""], [":files"]),
        (["key", ""], ["show", "import", "export"]),
        (["key", "export", ""], [":files"]),
        (["set", "a"], ["alias", "auto-connect"]),
        (["--json", "sc"], ["scan"]),
        (["--chip", "x", "sc"], ["scan"]),
        (["-c", "x", "key", "s"], ["show"]),
        ([], VERBS),
    ],
)
def test_completion(run_command: Run, words: list[str], offered: list[str]) -> None:
    assert complete(run_command, *words) == offered


def shell_env(bus: Bus) -> dict[str, str]:
    return {"PATH": f"{build_directory() / 'client-tool'}:{os.environ['PATH']}"}


def test_bash_completion(bus: Bus, run_command: Run) -> None:
    script = f"""
        source {CLIENT_TOOL / "completion/core2ctl.bash"}
        complete -p core2ctl
        COMP_WORDS=(core2ctl sc); COMP_CWORD=1
        _core2ctl; printf '%s\\n' "${{COMPREPLY[@]}}"
        COMP_WORDS=(core2ctl key export {SOURCE}/meson.b); COMP_CWORD=3
        compopt() {{ :; }}
        _core2ctl; printf '%s\\n' "${{COMPREPLY[@]}}"
        COMP_WORDS=(core2ctl add --key-file = {SOURCE}/meson.b); COMP_CWORD=4
        _core2ctl; printf '%s\\n' "${{COMPREPLY[@]}}"
        COMP_WORDS=(core2ctl add --side =); COMP_CWORD=3
        _core2ctl; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = run_command("bash", "--norc", "-c", script, env=shell_env(bus))
    assert result.stdout.splitlines() == [
        "complete -F _core2ctl core2ctl",
        "scan",
        f"{SOURCE}/meson.build",
        f"{SOURCE}/meson.build",
        "left",
        "right",
        "unknown",
    ]
    assert result.stderr == ""


def test_fish_completion(bus: Bus, run_command: Run, tmp_path: Path) -> None:
    script = f"""
        source {CLIENT_TOOL / "completion/core2ctl.fish"}
        complete -C 'core2ctl sc'
        complete -C 'core2ctl scan --fi'
        complete -C 'core2ctl add --side=l'
        complete -C 'core2ctl add --key-file={SOURCE}/meson.b'
    """
    env = shell_env(bus) | {"HOME": str(tmp_path)}
    result = run_command("fish", "--no-config", "-c", script, env=env)
    assert result.stdout.splitlines() == [
        "scan\tLook for chips nearby",
        "--first\tEnd at the first chip that is found",
        "--side=left",
        f"--key-file={SOURCE}/meson.build",
    ]


def test_zsh_completion(bus: Bus, run_command: Run) -> None:
    # zsh's own functions are replaced by ones that tell what they were given.
    script = f"""
        _describe() {{ print -rl -- "${{words_described[@]}}" }}
        _files() {{ print files }}
        words=(core2ctl sc) CURRENT=2
        () {{ source {CLIENT_TOOL / "completion/_core2ctl"} }}
        words=(core2ctl key import '') CURRENT=4
        () {{ source {CLIENT_TOOL / "completion/_core2ctl"} }}
    """
    result = run_command("zsh", "-f", "-c", script, env=shell_env(bus))
    assert result.stderr == ""
    assert result.stdout.splitlines() == ["scan:Look for chips nearby", "files"]


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["--nonsense"],
        ["scan", "--nonsense"],
        ["scan", "extra"],
        ["scan", "--chip", "left"],
        ["scan", "--timeout", "soon"],
        ["add"],
        ["today", "--chip", "left"],
        ["goal", "1", "2"],
        ["add", "F1:4F:BB:6A:B5:79", "extra"],
        ["key"],
        ["key", "show", "a", "b"],
        ["set", "alias"],
        ["steps", "left", "--chip", "right"],
        ["steps", "\udcff"],
        ["status", "--chip"],
    ],
)
def test_wrong_usage(run_command: Run, argv: list[str]) -> None:
    result = run_command("core2ctl", *argv)
    assert result.status == 2, result.stderr
    assert result.stderr.startswith("core2ctl: ")
    assert result.stdout == ""


def test_version(run_command: Run) -> None:
    result = run_command("core2ctl", "--version")
    assert re.fullmatch(r"core2ctl \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("verb", [[], ["status"], ["scan"], ["steps"], ["watch"], ["pair"]])
def test_without_daemon(run_command: Run, verb: list[str]) -> None:
    result = run_command("core2ctl", *verb)
    assert result.status == 6
    assert "core2d does not run" in result.stderr
    assert "systemctl start core2d" in result.stderr
    assert result.stdout == ""


def test_without_daemon_json(run_command: Run) -> None:
    result = run_command("core2ctl", "--json", "battery")
    assert result.status == 6
    error = json.loads(result.stdout)["error"]
    assert error["exit_code"] == 6
    assert error["message"] == "core2d does not run."
    assert "systemctl" in error["advice"]


def test_without_bus(run_command: Run, tmp_path: Path) -> None:
    env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/nothing"}
    result = run_command("core2ctl", "status", env=env)
    assert result.status == 6
    assert "system bus is not there" in result.stderr


def test_name_without_a_daemon_behind_it(bus: Bus, run_command: Run) -> None:
    """Something owns the name and knows none of the interfaces: said so, and no crash."""
    bus.connection.call_sync(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
        GLib.Variant("(su)", ("org.example.Core2", 0)), None, Gio.DBusCallFlags.NONE, -1, None,
    )  # fmt: skip
    result = run_command("core2ctl", "status")
    assert result.status == 6
    assert "core2d" in result.stderr
