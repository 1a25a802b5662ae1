# SPDX-License-Identifier: LGPL-2.1-or-later
"""The battery: a number only where the chip gave one, row by row of what can happen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import Core2d, Remote, VirtualBluez, VirtualChips, chip_address, raises_bus_error
from harness import wait_for

pytestmark = pytest.mark.real_bluez

ERROR = "org.example.Core2.Error."
UNKNOWN = 255


class Shoe:
    """A chip that stands still on hci1, and core2d, which does not know it yet."""

    def __init__(self, chips: VirtualChips, daemon: Core2d) -> None:
        self.hands = chips[0]
        self.daemon = daemon

    @property
    def chip(self) -> Remote:
        return self.daemon.chip(0)

    @property
    def battery(self) -> tuple[str, int]:
        properties = self.chip.get_all()
        return properties["BatteryStatus"], properties["Battery"]

    def add(self) -> Remote:
        return self.daemon.add(0)

    def give(self, payload: bytes) -> None:
        """What the chip answers to a read of its battery from now on."""
        self.hands.call("SetQuirk", "battery-payload", GLib.Variant("ay", payload))

    def reconnect(self) -> None:
        chip = self.chip
        self.hands.call("DropLink")
        chip.wait_change("State", "ready", 0)


@pytest.fixture
def shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Shoe:
    virtual_bluez()
    chips = virtual_chip("hci1", args=["--walk=0", "--battery=62", "--quirk=idle-timeout=0"])
    return Shoe(chips, core2d())


def test_never_read(shoe: Shoe) -> None:
    shoe.daemon.add(0, ready=False, connect=GLib.Variant("b", False))
    assert shoe.battery == ("unknown", UNKNOWN)
    assert shoe.chip.get("BatteryUpdated") == 0


@pytest.mark.real_bluez_usual
def test_good_read(shoe: Shoe) -> None:
    chip = shoe.add()
    before = GLib.get_real_time()
    percentage, time = chip.call("ReadBattery")
    assert percentage == 62
    assert before <= time <= GLib.get_real_time()
    assert shoe.battery == ("current", 62)
    assert chip.get("BatteryUpdated") == time


def test_read_by_itself(shoe: Shoe) -> None:
    """Nobody needs to ask: a connection brings the battery."""
    shoe.add().wait_property("BatteryStatus", "current")
    assert shoe.battery == ("current", 62)


@pytest.mark.parametrize("percentage", [0, 1, 99, 100])
def test_limits_of_a_good_read(shoe: Shoe, percentage: int) -> None:
    """A chip that says 0 is empty: only what it did not say is no number."""
    chip = shoe.add()
    # The read that a connection begins with must not be the one that is shared.
    chip.wait_property("BatteryStatus", "current")
    shoe.give(bytes([percentage]))
    assert chip.call("ReadBattery")[0] == percentage
    assert shoe.battery == ("current", percentage)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x65", b"\xff", b"\x3e\x00"],
    ids=["empty", "101 percent", "255 percent", "two bytes"],
)
def test_no_number_and_none_before(shoe: Shoe, payload: bytes) -> None:
    shoe.give(payload)
    chip = shoe.add()
    with raises_bus_error(ERROR + "NoData") as caught:
        chip.call("ReadBattery")
    assert chip_address() in caught[0].message
    assert shoe.battery == ("unknown", UNKNOWN)
    assert chip.get("BatteryUpdated") == 0
    assert chip.get("Connected")


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x65", b"\xff", b"\x3e\x00"],
    ids=["empty", "101 percent", "255 percent", "two bytes"],
)
def test_no_number_after_a_good_one(shoe: Shoe, payload: bytes) -> None:
    """The last number stays, with its time, and says that it is old; a good read makes it current."""
    chip = shoe.add()
    time = chip.call("ReadBattery")[1]
    shoe.give(payload)
    changes = chip.signals("BatteryChanged")
    with raises_bus_error(ERROR + "NoData"):
        chip.call("ReadBattery")
    assert shoe.battery == ("stale", 62)
    assert chip.get("BatteryUpdated") == time
    assert changes.wait()[0].args == (62, "stale", time)

    shoe.give(b"\x3d")
    later = chip.call("ReadBattery")[1]
    assert later > time
    assert shoe.battery == ("current", 61)
    changes.wait(lambda signal: signal.args == (61, "current", later))
    assert len(changes) == 2


def test_no_number_on_the_next_connection(shoe: Shoe) -> None:
    """Also the read that nobody asked for makes the old number stale."""
    chip = shoe.add()
    chip.wait_property("BatteryStatus", "current")
    shoe.give(b"")
    shoe.reconnect()
    chip.wait_property("BatteryStatus", "stale")
    assert shoe.battery == ("stale", 62)


def test_no_such_characteristic(shoe: Shoe) -> None:
    before = len(shoe.hands.changes)
    shoe.hands.call("SetQuirk", "missing", GLib.Variant("s", "battery"))
    shoe.hands.wait_change("Registered", True, before)
    chip = shoe.add()
    with raises_bus_error(ERROR + "NotSupported"):
        chip.call("ReadBattery")
    chip.wait_property("BatteryStatus", "unsupported")
    assert shoe.battery == ("unsupported", UNKNOWN)


@pytest.mark.real_bluez_usual
def test_refused_read(shoe: Shoe) -> None:
    """A refusal is no number either; the characteristic is there all the same."""
    chip = shoe.add()
    chip.wait_property("BatteryStatus", "current")
    shoe.hands.call("SetQuirk", "fail-read", GLib.Variant("s", "battery"))
    with raises_bus_error(ERROR + "NoData"):
        chip.call("ReadBattery")
    assert shoe.battery == ("stale", 62)


def test_notification(shoe: Shoe) -> None:
    """Every good read is told to everybody, property first, also one that says the same."""
    chip = shoe.add()
    chip.wait_property("BatteryStatus", "current")
    changes = chip.signals("BatteryChanged")
    times = [chip.call("ReadBattery")[1] for _ in range(2)]
    changes.wait(count=2)
    assert changes.args == [(62, "current", time) for time in times]
    assert chip.announced("BatteryUpdated")[-2:] == times
    assert len(chip.announced("Battery")) <= 1


def test_old_number_after_a_restart(shoe: Shoe) -> None:
    """It is known, with its time, as soon as core2d runs, and old until the chip is asked."""
    chip = shoe.add()
    time = chip.call("ReadBattery")[1]
    wait_for(lambda: shoe.battery == ("current", 62))
    shoe.hands.call("Vanish")
    shoe.daemon.restart()
    assert shoe.battery == ("stale", 62)
    assert chip.get("BatteryUpdated") == time
    shoe.hands.call("SetBattery", 40)
    shoe.hands.call("Appear")
    chip.wait_property("BatteryStatus", "current")
    assert shoe.battery == ("current", 40)
    assert chip.get("BatteryUpdated") > time


def test_read_of_a_chip_that_is_away(shoe: Shoe) -> None:
    """No answer is not the answer of the chip: the last number stays as it was."""
    chip = shoe.add()
    chip.wait_property("BatteryStatus", "current")
    chip.call("Disconnect")
    with raises_bus_error(ERROR + "NotConnected"):
        chip.call("ReadBattery")
    assert shoe.battery[1] == 62
