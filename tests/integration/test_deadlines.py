# SPDX-License-Identifier: LGPL-2.1-or-later
"""What core2d does when nothing has happened for longer than a test could wait: time goes by quickly here."""

from __future__ import annotations

import array
import fcntl
import json
import os
import shutil
import termios
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from bluez_world import STEPS, MakeWorld
from gi.repository import GLib
from harness import Bus, BusError, Core2d, Result, VirtualClock, chip_path, wait_for
from harness.strace import Strace
from history_client import INTERFACE, Export, days_of, fill

ERROR = "org.example.Core2.Error."


@pytest.fixture
def clock(bus: Bus) -> VirtualClock:
    """Before everything else that lives in its time."""
    return VirtualClock(bus)


def test_steps_are_polled(clock: VirtualClock, make_world: MakeWorld) -> None:
    """Another program holds the notifications: the counter is read now and then, as the status says."""
    world = make_world()
    steps = world.characteristic(STEPS).path
    # So that BlueZ sends core2d no notifications any more.
    world.daemon.stop()
    refusal = {"error": "NotPermitted", "message": "Notify acquired"}
    world.fault("GattCharacteristic1.StartNotify", steps, **refusal)
    world.daemon.start()
    world.chip.wait_property("StatusText", lambda text: "now and then" in text)
    world.daemon.wait_idle(world.chip)
    for walked in (9, 18):
        world.control("ClearCalls")
        world.hands.call("Step", 9)
        clock.wait(lambda w=walked: world.chip.get("StepsTotal") == w, "the counter to be read")
        assert world.calls("GattCharacteristic1.ReadValue")
    assert world.chip.get("State") == "ready"


@pytest.mark.parametrize("inject", ["", "fdatasync:error=EIO"], ids=["synced", "cannot-sync"])
def test_what_was_measured_becomes_durable(
    clock: VirtualClock, make_world: MakeWorld, inject: str
) -> None:
    """All chips' values together; or each chip's record, when the disk fails at that."""
    world = make_world()
    state = world.daemon.state_directory / "chips"
    [record] = state.glob("*.conf")
    # Its name is new, and saved with its record.
    clock.add(60)
    world.daemon.wait_idle(world.chip)
    world.hands.call("Step", 9)
    world.chip.wait_property("StepsTotal", 9)
    with Strace(world.daemon.bus, world.daemon.pid, state, inject, file=state / "live") as strace:
        clock.wait(lambda: "fdatasync" in strace.log, "the disk to be waited for")
        if inject:
            clock.wait(lambda: "\nTotal=9\n" in record.read_text(), "the record")
    if inject:
        assert "cannot sync" in world.daemon.stderr
    else:
        assert "\nTotal=0\n" in record.read_text()


def test_seen_chips_are_forgotten(clock: VirtualClock, make_world: MakeWorld) -> None:
    """A chip that was only seen goes after three minutes; one that somebody connects to stays."""
    world = make_world(chips=2, connected=False)
    begin = clock.monotonic()
    both = {"max": GLib.Variant("u", 2), "timeout": GLib.Variant("u", 60)}
    world.daemon.manager.call("Scan", both)
    assert {chip_path(0), chip_path(1)} <= set(world.daemon.objects())
    for hands in (world.chips[0], world.chips[1]):
        hands.call("Vanish")
    wanted = world.daemon.chip(1).call_async("Connect", {"timeout": GLib.Variant("u", 600)})
    clock.wait(lambda: chip_path(0) not in world.daemon.objects(), "the chip to be forgotten")
    assert clock.monotonic() - begin >= 180
    assert chip_path(1) in world.daemon.objects()
    assert not wanted.done
    world.chips[1].call("Appear")
    wanted.wait()


@pytest.mark.parametrize("wanted", ["meanwhile", "later", "after-a-broken-link"])
def test_disconnect_is_never_confirmed(
    clock: VirtualClock, make_world: MakeWorld, wanted: str
) -> None:
    """bluetoothd neither answers Disconnect nor ends the link: who wants the chip again gets it all the same."""
    world = make_world()
    world.fault("Device1.Disconnect", never_answer=True)
    if wanted == "after-a-broken-link":
        world.fault("GattCharacteristic1.ReadValue", never_answer=True, count=1)
        read = world.chip.call_async("ReadBattery")
        clock.wait(lambda: read.done, "the end of a read without an answer")
    before = len(world.chip.changes)
    disconnect = world.chip.call_async("Disconnect")
    world.chip.wait_change("State", "disconnecting", before)
    if wanted == "meanwhile":
        connect = world.chip.call_async("Connect", {"timeout": GLib.Variant("u", 600)})
        with pytest.raises(BusError, match="by another caller"):
            disconnect.wait()
        clock.wait(lambda: connect.done, "the connection")
    else:
        clock.wait(lambda: disconnect.done, "core2d to give up")
        assert world.chip.get("State") == "disconnected"
        connect = world.chip.call_async("Connect", {"timeout": GLib.Variant("u", 600)})
    connect.wait()
    world.ready_again()


def test_row_19_no_free_slot_is_tried_seldom(clock: VirtualClock, make_world: MakeWorld) -> None:
    """An adapter that holds no more connections is left alone for a minute, and then tried again."""
    world = make_world()
    limit = "le-connection-concurrent-connection-limit"
    world.fault("Device1.Connect", error="Failed", message=limit, count=1)
    begin = clock.monotonic()
    world.chip.wait_change("LastError", ERROR + "ConnectionLimit", world.lose_link())
    clock.wait(lambda: world.chip.get("State") == "ready", "the next attempt")
    assert clock.monotonic() - begin >= 60
    world.ready_again()


def test_f07_attempts_in_vain(clock: VirtualClock, make_world: MakeWorld) -> None:
    """A chip whose connections fail is tried ever more rarely, at most once a minute, and never given up."""
    world = make_world()
    world.control("ClearCalls")
    world.fault("Device1.Connect", error="Failed", message="Input/output error")
    world.lose_link()
    begin = clock.monotonic()
    while clock.monotonic() - begin < 900:
        clock.add(5)
        world.chip.get("State")
        clock.let_answer()
    # 1, 2, 4, 8, 16 and 32 s, then a minute each, or a quarter more.
    minutes = (clock.monotonic() - begin) / 60
    assert 12 <= len(world.calls("Device1.Connect")) <= 7 + minutes
    world.control("ClearFaults")
    clock.wait(lambda: world.chip.get("State") == "ready", "the next attempt")
    world.ready_again()


def test_export_that_nobody_reads(clock: VirtualClock, make_world: MakeWorld) -> None:
    """It is given up, with the reason; meanwhile everybody else is answered."""
    world = make_world()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    try:
        with pytest.raises(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        export = Export(world.daemon.bus, writer)
        clock.wait(lambda: export.ended, "the end of the export")
        with pytest.raises(BusError, match="nobody read") as caught:
            export.wait()
        assert caught.value.name == ERROR + "Timeout"
    finally:
        os.close(reader)
        os.close(writer)
    assert world.daemon.chip(0).get("State") == "ready"


def test_export_that_is_read_slowly(clock: VirtualClock, make_world: MakeWorld) -> None:
    """For more than an hour the log of the history is not kept for anybody."""
    world = make_world()
    world.daemon.stop()
    begin = int(time.time()) // 60 * 60 - 20 * 86400
    fill(world.daemon.state_directory, [(begin + 60 * i, 0, 60, 1) for i in range(20_000)])
    world.daemon.start()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    try:
        export = Export(world.daemon.bus, writer)
        waiting = array.array("i", [0])

        def is_fuller() -> bool:
            before = waiting[0]
            fcntl.ioctl(reader, termios.FIONREAD, waiting)
            return waiting[0] > before or export.ended

        wait_for(is_fuller, what="the first rows")
        started = clock.monotonic()
        while not export.ended:
            # A page of the pipe, which makes room for the next: a small part of what core2d prepares at once.
            waiting[0] -= len(os.read(reader, 4096))
            # Twice that is less than a reader may be away, should they be written before.
            clock.add(20)
            wait_for(is_fuller, what="more rows")
            # With these core2d has its answers, too, by which it sees that the bus is there.
            for _ in range(2):
                world.chip.get("State")
        with pytest.raises(BusError, match="longer than an hour") as caught:
            export.wait()
        assert caught.value.name == ERROR + "Timeout"
        assert clock.monotonic() - started >= 3600
    finally:
        os.close(reader)
        os.close(writer)


def test_a_day_that_begins_at_four(
    bus: Bus, make_world: MakeWorld, run_command: Callable[..., Result], tmp_path: Path
) -> None:
    """Its steps and its goal begin anew, without a sample; what was walked in the night is the day before's."""
    clock = VirtualClock(bus, datetime(2026, 5, 2, 3, 30, tzinfo=UTC))
    configuration = tmp_path / "core2d.conf"
    configuration.write_text("[Days]\nDayStart=04:00\n")
    world = make_world(daemon_args=[f"--config={configuration}"])
    history = world.daemon.chip(0, INTERFACE)
    reached = history.signals("GoalReached")
    world.chip.call("SetDailyGoal", 20)
    world.hands.call("Step", 25)
    assert reached.wait()[0].args == ("2026-05-01", 25)
    world.hands.call("Step", 5)
    world.chip.wait_property("StepsToday", 30)

    # Nothing is asked of the chip while the time jumps: there would be no answer in time.
    world.daemon.chip(0, "org.example.Core2.Info").wait_property("Updated", lambda time: time > 0)
    world.daemon.wait_idle(world.chip)
    four = datetime(2026, 5, 2, 4, tzinfo=UTC)
    clock.add((four - clock.now()).total_seconds() - 180)
    assert world.chip.get("StepsToday") == 30
    # On the first of May, though the second has begun; which was a Friday.
    for span, days in (("--days=2", 2), ("--weeks=1", 5)):
        shown = json.loads(run_command("core2ctl", "history", span, "--json").stdout)
        assert (shown["last"], shown["steps"]) == ("2026-05-01", 30)
        assert date.fromisoformat(shown["first"]) == date(2026, 5, 1) - timedelta(days=days - 1)
    clock.add(max(0, (four - clock.now()).total_seconds() - 5))
    clock.wait(lambda: world.chip.get("StepsToday") == 0, "the new day")
    assert clock.now() >= four
    assert world.chip.get("StepsTotal") == 30
    # Steps may be as old as they are many, in seconds.
    world.daemon.wait_idle(world.chip)
    clock.add(60)
    world.hands.call("Step", 22)
    reached.wait(count=2)
    assert reached.args == [("2026-05-01", 25), ("2026-05-02", 22)]
    assert days_of(history) == {"2026-05-01": 30, "2026-05-02": 22}
    shown = json.loads(run_command("core2ctl", "history", "--days=2", "--json").stdout)
    assert [(day["date"], day["steps"]) for day in shown["days"]] == [("2026-05-01", 30), ("2026-05-02", 22)]


#: Gives core2d an /etc of its own.
OWN_ETC = ("unshare", "--map-current-user", "--keep-caps", "--mount", "sh", "-c")
OWN_ETC += ('mount --bind "$0" /etc && exec "$@"',)


def test_another_time_zone(
    bus: Bus, make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an hour before midnight the computer is taken to a zone where it is the next day."""
    VirtualClock(bus, datetime(2026, 5, 1, 23, 30, tzinfo=UTC))
    etc = tmp_path / "etc"
    etc.mkdir()
    shutil.copy("/etc/ld.so.cache", etc)
    (etc / "localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    monkeypatch.setattr(Core2d, "wrapper", (*OWN_ETC, str(etc)))
    monkeypatch.delitem(bus.env, "TZ")
    world = make_world()
    world.hands.call("Step", 30)
    world.chip.wait_property("StepsToday", 30)
    (etc / "new").symlink_to("/usr/share/zoneinfo/Etc/GMT-2")
    (etc / "new").rename(etc / "localtime")
    world.chip.wait_property("StepsToday", 0)
    assert world.chip.get("StepsTotal") == 30
    world.hands.call("Step", 5)
    world.chip.wait_property("StepsToday", 5)
