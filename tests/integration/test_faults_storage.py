# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk is full, fails, or shows what nobody wrote; core2d is killed while it writes.

What is on the disk is always the old or the new, never half of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import Bus, BusError, Core2d, Ledger, Stage, chip_address, chip_path
from harness import raises_bus_error, wait_for
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
    return {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


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


def walked_after_a_start(stage: Callable[..., Stage]) -> tuple[Stage, list[Path]]:
    """Chips of which only the steps are new to core2d, and their records."""
    one = stage(4, env=traced_environment())
    one.daemon.stop()
    one.start_core2d()
    one.wait_counting()
    one.ledger.walk(20)
    for index in range(one.count):
        one.daemon.chip(index).wait_property("StepsTotal", one.ledger.truth(index))
    names = [chip_address(index).replace(":", "_") for index in range(one.count)]
    return one, [one.daemon.state_directory / f"chips/{name}.conf" for name in names]


def test_f21_what_was_measured_is_on_the_disk_at_the_end(
    stage: Callable[..., Stage], bus: Bus
) -> None:
    """One wait for the disk, however many chips have walked: a thousand records would take core2d too long."""
    one, records = walked_after_a_start(stage)
    before = [record.read_bytes() for record in records]
    live = one.daemon.state_directory / "chips/live"
    with Strace(bus, one.daemon.pid, live.parent, file=live) as strace:
        one.daemon.stop()
    calls = [name for name, _ in strace.calls()]
    assert calls[-1] == "fdatasync", strace.log
    # One more, when half a minute was just over.
    assert calls.count("fdatasync") <= 2, strace.log
    assert [record.read_bytes() for record in records] == before
    one.start_core2d()
    one.ledger.settle()


def test_f21_what_a_killed_core2d_left_is_on_the_disk_first(
    stage: Callable[..., Stage], bus: Bus
) -> None:
    """Before anything of it is written over: until then the disk may have nothing else that is whole."""
    one, _ = walked_after_a_start(stage)
    one.daemon.kill()
    for hand in one.hands:
        hand.call("Vanish")
    wait_for(lambda: one.links == [], what="the end of the links")
    one.start_core2d()
    live = one.daemon.state_directory / "chips/live"
    with Strace(bus, one.daemon.pid, live.parent, file=live) as strace:
        for hand in one.hands:
            hand.call("Appear")
        wait_for(lambda: "pwrite64" in strace.log, what="a value to be noted")
    assert strace.calls()[0][0] == "fdatasync", strace.log
    one.ledger.settle()


def test_f19_what_was_measured_cannot_be_synced(stage: Callable[..., Stage], bus: Bus) -> None:
    """Then records are saved, and have all that was counted."""
    one, records = walked_after_a_start(stage)
    live = one.daemon.state_directory / "chips/live"
    inject = "fdatasync:error=EIO"
    with Strace(bus, one.daemon.pid, live.parent, inject, file=live) as strace:
        one.daemon.stop()
    assert strace.injected
    assert "cannot sync" in one.daemon.stderr
    for index, record in enumerate(records):
        assert f"\nTotal={one.ledger.truth(index)}\n" in record.read_text()
    for path in [live, *one.daemon.state_directory.glob("history.db*")]:
        path.unlink()
    one.start_core2d()
    one.ledger.settle()


class SmallDisk:
    """A file system of its own, of a given size, that core2d sees in the place of its state directory."""

    def __init__(self, bus: Bus, directory: Path, size: str) -> None:
        directory.mkdir()
        script = (
            'mount -t tmpfs -o mode=0700,size="$1" tmpfs "$2" && touch "$2/mounted" || exit 1; '
            'tail -f /dev/null & trap "kill $!; exit 0" TERM; wait'
        )
        command = ["sh", "-c", script, "sh", size, str(directory)]
        self.holder = bus.start(["unshare", "--map-root-user", "--mount", *command])
        #: The same, as the test sees it.
        self.path = Path(f"/proc/{self.holder.pid}/root{directory}")
        wait_for(lambda: (self.path / "mounted").exists(), what="the small disk")
        (self.path / "mounted").unlink()

    def run_there(self, daemon: Core2d) -> None:
        """Start core2d again, with this disk, as the test's own user."""
        daemon.stop()
        enter = ["nsenter", "--user", "--mount", "--preserve-credentials"]
        become = ["unshare", f"--map-user={os.geteuid()}"]
        daemon.argv = [*enter, f"--target={self.holder.pid}", *become, *daemon.argv]
        daemon.start()

    def fill(self) -> Path:
        """Leave no byte."""
        filler = self.path / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        return filler


def test_f18_disk_full(stage: Callable[..., Stage], bus: Bus, tmp_path: Path) -> None:
    """Old files stay whole, who asks for a change is told, steps go on, and one line tells of it a minute."""
    directory = tmp_path / "small"
    disk = SmallDisk(bus, directory, "256k")
    one = stage(state_directory=directory)
    disk.run_there(one.daemon)
    one.daemon.add(0, alias=GLib.Variant("s", "old"), key=GLib.Variant("ay", OLD_KEY))
    one.wait_counting()
    one.ledger = Ledger(one.daemon, one.hands)
    one.ledger.walk(20)
    one.chip.wait_property("StepsTotal", one.ledger.truth(0))
    filler = disk.fill()
    whole = {p.name: p.read_bytes() for p in disk.path.glob("*/F1*")}
    assert len(whole) == 2
    lines, begin = one.daemon.stderr.count("\n"), GLib.get_monotonic_time()
    for call, args in (("SetAlias", ("new",)), ("SetKey", (NEW_KEY,)), ("SetDailyGoal", (5,))):
        with raises_bus_error(ERROR + "Storage"):
            one.chip.call(call, *args)
    for _ in range(10):
        one.hands[0].call("Step", 3)
        one.chip.wait_property("StepsTotal", one.ledger.truth(0))
    one.drop_links()
    one.ledger.settle()
    assert one.chip.get("Alias") == "old"
    assert bytes(one.chip.call("GetKey")) == OLD_KEY
    told = one.daemon.stderr.splitlines()[lines:]
    minutes = 1 + (GLib.get_monotonic_time() - begin) // 60_000_000
    assert len([line for line in told if "No space left" in line]) <= 3 * minutes, told
    assert {p.name: p.read_bytes() for p in disk.path.glob("*/F1*")} == whole

    filler.unlink()
    one.chip.call("SetAlias", "new")
    one.ledger.settle()
    total = one.chip.get("StepsTotal")
    one.daemon.stop()
    one.start_core2d()
    assert one.chip.get("StepsTotal") == total
    assert alias_and_key(one.daemon) == ("new", OLD_KEY)
    one.ledger.settle()


#: What may have happened to a file; each gets the path and what was in it.
DAMAGES: dict[str, Callable[[Path, bytes], object]] = {
    **{
        f"cut-{size}": lambda path, data, size=size: path.write_bytes(data[: size * len(data) // 8])
        for size in range(8)
    },
    **{
        f"flip-{at}": lambda path, data, at=at: path.write_bytes(
            data[: at * len(data) // 8]
            + bytes([data[at * len(data) // 8] ^ 0x20])
            + data[at * len(data) // 8 + 1 :]
        )
        for at in range(8)
    },
    "longer": lambda path, data: path.write_bytes(data + b"\n"),
    "zeros": lambda path, data: path.write_bytes(bytes(len(data))),
    "garbage": lambda path, data: path.write_bytes(bytes(range(256)) * 40),
    "gigabyte": lambda path, data: os.truncate(path, 1 << 30),
    "folder": lambda path, data: (path.unlink(), path.mkdir()),
    "pipe": lambda path, data: (path.unlink(), os.mkfifo(path)),
    "dangling-link": lambda path, data: (path.unlink(), path.symlink_to("nowhere")),
    "link": lambda path, data: (path.rename(path.with_name("away")), path.symlink_to("away")),
}


@pytest.mark.parametrize("kind", ["record", "key"])
def test_f22_damaged_files(core2d: Callable[..., Core2d], tmp_path: Path, kind: str) -> None:
    """Each chip's file in another way, and one chip's not: that one is whole, the others are set aside."""
    state = tmp_path / "state"
    daemon = core2d(state_directory=state)
    for index in range(len(DAMAGES) + 1):
        options = AWAY | {"key": GLib.Variant("ay", OLD_KEY), "alias": GLib.Variant("s", f"n{index}")}
        daemon.manager.call("AddChip", chip_address(index), options)
    daemon.stop()
    damaged = {}
    for index, (name, damage) in enumerate(DAMAGES.items(), start=1):
        stem = chip_address(index).replace(":", "_")
        path = state / ("chips" if kind == "record" else "keys")
        path /= f"{stem}.conf" if kind == "record" else f"{stem}.key"
        damage(path, path.read_bytes())
        damaged[name] = path
        away = path.with_name("away")
        content = away.read_bytes() if away.exists() else b""
    daemon.start()
    assert alias_and_key(daemon) == ("n0", OLD_KEY)
    objects = daemon.objects()
    for index, (name, path) in enumerate(damaged.items(), start=1):
        if kind == "record":
            assert chip_path(index) not in objects, name
        elif name.startswith(("flip", "zeros")):
            continue  # sixteen bytes are a key
        else:
            with raises_bus_error(ERROR + "NotPaired"):
                daemon.chip(index).call("GetKey")
        aside = path.with_name(path.name + ".bad")
        assert os.path.lexists(aside) and not os.path.lexists(path), name
    # A link is not followed, neither by a reader nor by a writer.
    if kind == "record":
        add_again = AWAY | {"alias": GLib.Variant("s", "again")}
        for index in range(1, len(DAMAGES) + 1):
            daemon.manager.call("AddChip", chip_address(index), add_again)
    else:
        for index in range(1, len(DAMAGES) + 1):
            daemon.chip(index).call("SetKey", NEW_KEY)
    daemon.restart()
    for index in range(1, len(DAMAGES) + 1):
        if kind == "record":
            assert daemon.chip(index).get("Alias") == "again"
        else:
            assert bytes(daemon.chip(index).call("GetKey")) == NEW_KEY
    assert (state / ("chips" if kind == "record" else "keys") / "away").read_bytes() == content


FORMATS = Path(__file__).parent / "state-formats"


@pytest.mark.parametrize("version", sorted(path.name for path in FORMATS.iterdir()))
def test_f35_state_of_every_format(
    core2d: Callable[..., Core2d], tmp_path: Path, version: str
) -> None:
    """What an earlier core2d stored is there; it is written again in the format of today."""
    state = tmp_path / "state"
    shutil.copytree(FORMATS / version, state)
    for path in state.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    daemon = core2d(state_directory=state)
    assert alias_and_key(daemon) == ("red shoe", OLD_KEY)
    chip = daemon.chip()
    assert (chip.get("Side"), chip.get("DailyGoal"), chip.get("Battery")) == ("left", 8000, 80)
    assert chip.get("StepsTotal") == 43
    chip.call("SetAlias", "blue shoe")
    daemon.restart()
    assert alias_and_key(daemon) == ("blue shoe", OLD_KEY)
    assert daemon.chip().get("StepsTotal") == 43


def test_f35_state_of_a_newer_core2d(core2d: Callable[..., Core2d], tmp_path: Path) -> None:
    """Left as it is, and the chip with it, until the newer core2d is back."""
    state = tmp_path / "state"
    daemon = core2d(state_directory=state)
    add(daemon, "old", OLD_KEY)
    daemon.stop()
    record = state / "chips" / f"{STEM}.conf"
    body = record.read_text().split("[Check]")[0].replace("Format=1\n", "Format=9\nNews=1\n")
    newer = f"{body}[Check]\nSha256={hashlib.sha256(body.encode()).hexdigest()}\n".encode()
    record.write_bytes(newer)
    daemon.start()
    assert chip_path() not in daemon.objects()
    assert "newer" in daemon.stderr
    with raises_bus_error(ERROR + "Storage"):
        add(daemon, "new", NEW_KEY)
    daemon.restart()
    assert record.read_bytes() == newer
    assert (state / "keys" / f"{STEM}.key").read_bytes() == OLD_KEY
