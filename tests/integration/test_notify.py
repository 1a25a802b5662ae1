# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2-notify: what the desktop shows of batteries, goals and keys, each thing once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from gi.repository import GLib
from harness import STANDING, Bus, BusError, Core2d, Process, Remote, VirtualBluez, VirtualChips
from harness import VirtualClock, build_directory, wait_for

NOTIFICATIONS = "org.freedesktop.Notifications"
MOCK = "org.freedesktop.DBus.Mock"
KEY = bytes(range(16))
SIDES = ("left", "right")


class Desktop:
    """A session: dbusmock's notification daemon, and core2-notify. Both are on the test's one bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.env = {"DBUS_SESSION_BUS_ADDRESS": bus.address}
        self.calls = bus.signals(None, None, MOCK, "MethodCalled")
        self.screen: Process
        self.notify: Process

    def start_screen(self, *parameters: str) -> None:
        template = ["-m", "dbusmock", "--template", "notification_daemon", *parameters]
        self.screen = self.bus.start(["/usr/bin/python3", *template], self.env, label="desktop")
        self.bus.wait_name(NOTIFICATIONS)

    def end_screen(self) -> None:
        self.screen.kill()
        self.bus.processes.remove(self.screen)  # it knows no clean end
        self.bus.wait_name_gone(NOTIFICATIONS)

    def start_notify(self, *args: str) -> None:
        program = build_directory() / "client-tool" / "notify" / "core2-notify"
        self.notify = self.bus.start([program, *args], self.env)

    def start_listening(self) -> None:
        """Start core2-notify, and wait for what it asks the desktop when it has all it listens to."""
        asked = self._count_questions()
        self.start_notify()
        wait_for(lambda: self._count_questions() > asked, what="core2-notify to ask what is shown")

    def _count_questions(self) -> int:
        return sum(args[0] == "GetCapabilities" for args in self.calls.args)

    def restart_notify(self) -> None:
        assert self.notify.stop() == 0
        self.start_listening()

    def wait_remembered(self, told: str) -> None:
        """core2-notify has written down that it told this; what is shown is a little earlier.

        Until then it does not look at the same thing of that chip again.
        """
        path = Path(self.bus.env["HOME"]) / ".local/state/core2-notify/told"
        wait_for(lambda: path.exists() and told in path.read_text(), what=f"{told} in {path}")

    @property
    def shown(self) -> list[tuple[str, str]]:
        """Summary and body of each notification, in order."""
        notified = [args[1] for args in self.calls.args if args[0] == "Notify"]
        return [(str(values[3]), str(values[4])) for values in notified]

    def wait_shown(self, count: int) -> list[tuple[str, str]]:
        wait_for(lambda: len(self.shown) >= count, what=f"{count} notifications, not {self.shown}")
        assert len(self.shown) == count, self.shown
        return self.shown


class Shoe:
    """A chip that stands still on hci1, added to core2d."""

    def __init__(self, chips: VirtualChips, daemon: Core2d) -> None:
        self.hands = chips[0]
        self.daemon = daemon
        self.chip: Remote = daemon.add(0, alias=GLib.Variant("s", "Bob & <i>Co</i>"))

    def set_battery(self, percentage: int) -> None:
        self.hands.call("SetBattery", percentage)
        # A read may share the answer to one that the chip was asked for before.
        wait_for(lambda: self._read_battery() == percentage)

    def _read_battery(self) -> int | None:
        try:
            return self.chip.call("ReadBattery")[0]
        except BusError:
            return None

    def set_battery_payload(self, payload: bytes) -> None:
        self.hands.call("SetQuirk", "battery-payload", GLib.Variant("ay", payload))

    def reconnect(self) -> None:
        count = len(self.chip.announced("State"))
        self.hands.call("DropLink")
        wait_for(lambda: "ready" in self.chip.announced("State")[count:], what="a new connection")


@pytest.fixture
def noon(bus: Bus) -> VirtualClock:
    """The day does not end during the test."""
    return VirtualClock(bus, datetime.now(UTC).replace(hour=12))


@pytest.fixture
def shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Shoe:
    virtual_bluez()
    chips = virtual_chip("hci1", args=[*STANDING, "--battery=62"])
    return Shoe(chips, core2d())


@pytest.fixture
def desktop(bus: Bus) -> Iterator[Desktop]:
    desktop = Desktop(bus)
    desktop.start_screen()
    yield desktop
    if bus.daemon.status is None:
        desktop.end_screen()


def test_battery(shoe: Shoe, desktop: Desktop) -> None:
    desktop.start_notify()
    shoe.set_battery(21)
    shoe.set_battery(20)
    assert desktop.wait_shown(1)[0][0] == "Battery of Bob & <i>Co</i>: 20 %"
    shoe.set_battery(17)
    shoe.set_battery(9)
    assert desktop.wait_shown(2)[1][0] == "Battery of Bob & <i>Co</i>: 9 %"
    assert "nearly empty" in desktop.shown[1][1]
    desktop.wait_remembered("Battery=10")
    shoe.set_battery(100)
    shoe.set_battery(20)
    desktop.wait_shown(3)


def test_unknown_battery(shoe: Shoe, desktop: Desktop) -> None:
    desktop.start_notify()
    for payload in (b"", b"\x65", b"\xff"):
        shoe.set_battery_payload(payload)
        shoe.reconnect()
        shoe.chip.wait_property("BatteryStatus", "stale")
    shoe.hands.call("ClearQuirks")
    shoe.hands.call("SetQuirk", "idle-timeout", GLib.Variant("u", 0))
    shoe.set_battery(20)
    # Had one of them been told, it would stand before this.
    assert "20 %" in desktop.wait_shown(1)[0][0]


def test_nothing_twice_over_restarts(shoe: Shoe, desktop: Desktop) -> None:
    desktop.start_notify()
    shoe.set_battery(20)
    desktop.wait_shown(1)
    desktop.wait_remembered("Battery=20")
    desktop.restart_notify()
    shoe.daemon.restart()
    shoe.chip.wait_property("BatteryStatus", "current")
    shoe.set_battery(19)
    shoe.set_battery(10)
    assert "10 %" in desktop.wait_shown(2)[1][0]


def test_without_a_desktop_at_first(shoe: Shoe, desktop: Desktop) -> None:
    """What could not be shown is shown when the notifications come back, and only the last of it."""
    desktop.end_screen()
    desktop.start_notify()

    def in_vain() -> bool:
        """core2-notify listens by now, and has tried."""
        shoe.set_battery(21)
        shoe.set_battery(20)
        return "does not show notifications" in desktop.notify.stderr

    wait_for(in_vain, what="a message that could not be shown")
    shoe.set_battery(15)
    desktop.start_screen()
    assert "15 %" in desktop.wait_shown(1)[0][0]


def test_rejected_key(shoe: Shoe, desktop: Desktop) -> None:
    desktop.start_notify()
    shoe.hands.call("SetKey", KEY)
    shoe.chip.call("SetKey", bytes(16))
    shoe.reconnect()
    summary, body = desktop.wait_shown(1)[0]
    assert "does not accept its key" in summary and "core2ctl pair" in body
    desktop.wait_remembered("KeyRejected=true")
    shoe.reconnect()
    shoe.chip.call("SetKey", KEY)
    shoe.reconnect()
    shoe.hands.wait_property("Authenticated", True)
    shoe.hands.call("SetKey", bytes(16))
    shoe.reconnect()
    desktop.wait_shown(2)


def test_markup(shoe: Shoe, desktop: Desktop) -> None:
    """The body is escaped for a desktop that reads markup; no text of ours has any."""
    desktop.start_notify()
    shoe.set_battery(9)
    assert not set("<>&") & set(desktop.wait_shown(1)[0][1])


def test_switches(shoe: Shoe, desktop: Desktop, bus: Bus) -> None:
    configuration = Path(bus.env["HOME"]) / ".config/core2-notify.conf"
    configuration.parent.mkdir()
    configuration.write_text("[Notify]\nBattery=false\nBatteries=true\n")
    desktop.start_notify()
    wait_for(lambda: "unknown key Batteries" in desktop.notify.stderr)
    shoe.set_battery(15)
    configuration.write_text("[Notify]\nBattery=perhaps\n")
    desktop.notify.send_signal(signal.SIGHUP)
    wait_for(lambda: "stays as it was" in desktop.notify.stderr)
    assert desktop.shown == []
    configuration.write_text("[Notify]\nBattery=true\n")
    desktop.notify.send_signal(signal.SIGHUP)
    assert "15 %" in desktop.wait_shown(1)[0][0]


def test_bad_configuration(desktop: Desktop, bus: Bus) -> None:
    configuration = Path(bus.env["HOME"]) / "wrong.conf"
    configuration.write_text("[Notify]\nGoal=2\n")
    desktop.start_notify("--config", str(configuration))
    assert desktop.notify.wait() == 1
    assert "Goal" in desktop.notify.stderr
    bus.processes.remove(desktop.notify)


def test_end_of_the_bus(desktop: Desktop, bus: Bus) -> None:
    # GDBus complains of a bus that goes before.
    desktop.start_listening()
    desktop.notify.expect_end()
    desktop.screen.expect_end()
    bus.daemon.kill()
    assert desktop.notify.wait() == 1
    bus.processes.remove(desktop.notify)
    bus.processes.remove(desktop.screen)


def test_goal_reached_before(noon: VirtualClock, shoe: Shoe, desktop: Desktop) -> None:
    """While nobody listened; told once that day, and not when it was only nearly reached."""
    shoe.chip.wait_property("StepsUpdated", lambda time: time > 0)
    shoe.chip.call("SetDailyGoal", 20)
    shoe.hands.call("Step", 19)
    shoe.chip.wait_property("StepsToday", 19)
    desktop.start_notify()
    shoe.set_battery(9)
    assert "9 %" in desktop.wait_shown(1)[0][0]
    desktop.wait_remembered("Battery=10")
    assert desktop.notify.stop() == 0

    shoe.hands.call("Step", 4)
    shoe.chip.wait_property("StepsToday", 23)
    desktop.start_notify()
    assert desktop.wait_shown(2)[1] == ("Daily goal reached", "23 steps today. The goal is 20.")
    desktop.wait_remembered("GoalDay=20")
    desktop.restart_notify()
    shoe.set_battery(100)
    shoe.set_battery(20)
    assert "20 %" in desktop.wait_shown(3)[2][0]


def test_goal_once_for_a_pair(
    noon: VirtualClock,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    desktop: Desktop,
) -> None:
    virtual_bluez()
    chips = virtual_chip("hci1", "hci2", args=STANDING)
    daemon = core2d()
    sides = [daemon.add_counting(i, side=GLib.Variant("s", side)) for i, side in enumerate(SIDES)]
    reached = desktop.bus.signals(None, None, "org.example.Core2.History", "GoalReached")
    desktop.start_listening()
    for index, chip in enumerate(sides):
        chip.call("SetDailyGoal", 20)
        chips[index].call("Step", 24)
    reached.wait(count=2)
    assert desktop.wait_shown(1)[0] == ("Daily goal reached", "24 steps today. The goal is 20.")
    # Whatever the second chip's goal led to came before this.
    chips[0].call("SetBattery", 9)
    sides[0].call("ReadBattery")
    assert "Battery" in desktop.wait_shown(2)[1][0]
