# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk is full, fails, or shows what nobody wrote; core2d is killed while it writes.

What is on the disk is always the old or the new, never half of it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import Bus, BusError, Core2d, chip_address, chip_path
from harness.strace import Strace

ERROR = "org.example.Core2.Error."
ADDRESS = chip_address()
STEM = ADDRESS.replace(":", "_")
OLD_KEY = bytes(range(0x30, 0x40))
NEW_KEY = bytes(range(0xA0, 0xB0))
AWAY = {"connect": GLib.Variant("b", False)}

#: All that there may be in the state directory; an interrupted write leaves more, until the next start.
KEPT = re.compile(r"chips/(\w+\.conf|live)|keys/\w+\.(key|pending)|history\.db(-wal|-shm)?")


def traced_environment() -> dict[str, str]:
    """LeakSanitizer cannot work in a process that is traced."""
    options = os.environ.get("ASAN_OPTIONS")
    return {"ASAN_OPTIONS": f"{options}:detect_leaks=0"} if options else {}


@dataclass(frozen=True)
class Write:
    """Something that core2d stores, and how to tell whether it did."""

    #: Asks for it.
    run: Callable[[Core2d], Any]
    #: What is stored now: one value before, another one after it.
    look: Callable[[Core2d], Any]
    before: Any
    after: Any


def alias_and_key(daemon: Core2d) -> tuple[str, bytes] | None:
    if chip_path() not in daemon.objects():
        return None
    chip = daemon.chip()
    try:
        key = bytes(chip.call("GetKey"))
    except BusError as error:
        assert error.name == ERROR + "NotPaired", error
        key = b""
    return chip.get("Alias"), key


def add(daemon: Core2d, alias: str, key: bytes = b"") -> None:
    options = AWAY | {"alias": GLib.Variant("s", alias)}
    if key:
        options["key"] = GLib.Variant("ay", key)
    daemon.manager.call("AddChip", ADDRESS, options)


WRITES = {
    "new-chip-with-key": Write(
        lambda d: add(d, "new", NEW_KEY), alias_and_key, None, ("new", NEW_KEY)
    ),
    "record": Write(
        lambda d: d.chip().call("SetAlias", "new"),
        alias_and_key,
        ("old", OLD_KEY),
        ("new", OLD_KEY),
    ),
    "record-and-key": Write(
        lambda d: add(d, "new", NEW_KEY), alias_and_key, ("old", OLD_KEY), ("new", NEW_KEY)
    ),
    "remove": Write(
        lambda d: d.manager.call(
            "RemoveChip", chip_path(), {"delete-history": GLib.Variant("b", True)}
        ),
        alias_and_key,
        ("old", OLD_KEY),
        None,
    ),
}


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()}


def only_whole_files(daemon: Core2d) -> None:
    """Nothing but what belongs there, readable by nobody else."""
    for name in files(daemon.state_directory):
        assert KEPT.fullmatch(name), name
        assert stat.S_IMODE((daemon.state_directory / name).stat().st_mode) == 0o600, name


@pytest.fixture
def stored(core2d: Callable[..., Core2d], tmp_path: Path) -> Callable[[Write], Core2d]:
    """core2d on a state directory of its own, that holds what is before a write."""
    made = 0

    def start(write: Write) -> Core2d:
        nonlocal made
        made += 1
        daemon = core2d(state_directory=tmp_path / f"state{made}", env=traced_environment())
        if write.before is not None:
            add(daemon, *write.before)
        assert write.look(daemon) == write.before
        return daemon

    return start


def file_calls(bus: Bus, daemon: Core2d, write: Write) -> list[tuple[str, int]]:
    """The system calls that the write is made of."""
    with Strace(bus, daemon.pid, daemon.state_directory) as strace:
        write.run(daemon)
    calls = strace.calls()
    assert calls, strace.log
    return calls


@pytest.mark.parametrize("name", WRITES)
def test_f20_killed_at_every_system_call(
    bus: Bus, stored: Callable[[Write], Core2d], name: str
) -> None:
    write = WRITES[name]
    first = stored(write)
    calls = file_calls(bus, first, write)
    first.stop()
    print(f"{name}: {calls}")
    seen = set()
    for call, nth in calls:
        daemon = stored(write)
        daemon.process.expect_end()
        inject = f"{call}:signal=KILL:when={nth}"
        with Strace(bus, daemon.pid, daemon.state_directory, inject) as strace:
            with pytest.raises(BusError):
                write.run(daemon)
            daemon.process.wait()
        assert "killed by SIGKILL" in strace.log, strace.log
        bus.wait_name_gone(daemon.name)
        daemon.start()
        now = write.look(daemon)
        assert now in (write.before, write.after), f"at {call} {nth}: {now}"
        only_whole_files(daemon)
        if now == write.before:
            write.run(daemon)
        assert write.look(daemon) == write.after
        seen.add(now == write.after)
        daemon.stop()
    assert False in seen, "the first call of a write changes nothing"


@pytest.mark.parametrize("error", ["EIO", "ENOSPC", "EMFILE", "EROFS", "EINTR"])
def test_f19_every_system_call_fails(
    bus: Bus, stored: Callable[[Write], Core2d], error: str
) -> None:
    """One error at one call of each write: a clear error and nothing changed, or it is done."""
    write = WRITES["record-and-key"]
    first = stored(write)
    calls = file_calls(bus, first, write)
    first.stop()
    daemon = stored(write)
    ends = set()
    for call, nth in calls:
        inject = f"{call}:error={error}:when={nth}"
        with Strace(bus, daemon.pid, daemon.state_directory, inject) as strace:
            try:
                write.run(daemon)
                done = True
            except BusError as bus_error:
                assert bus_error.name == ERROR + "Storage", bus_error
                done = False
        assert strace.injected, inject
        expected = write.after if done else write.before
        assert write.look(daemon) == expected, inject
        daemon.restart()
        assert write.look(daemon) == expected, inject
        only_whole_files(daemon)
        ends.add(done)
        if done:
            add(daemon, *write.before)
    assert False in ends
