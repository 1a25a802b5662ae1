# SPDX-License-Identifier: LGPL-2.1-or-later
"""The chip's clock: read in every form that it has, and set where the chip lets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from gi.repository import GLib
from harness import Core2d, VirtualBluez, VirtualChips, raises_bus_error

pytestmark = pytest.mark.real_bluez

ERROR = "org.example.Core2.Error."
#: 2026-07-03 21:04:05, a Friday.
DATE_TIME = bytes([0xEA, 0x07, 7, 3, 21, 4, 5])
TAIL = bytes([5, 128, 0])
#: Five and three quarters of an hour east of UTC, without summer time.
ZONE = "Asia/Kathmandu"
HOST = timezone(timedelta(hours=5, minutes=45))


class Shoe:
    """A connected chip on hci1; core2d runs in the zone ZONE."""

    def __init__(self, chips: VirtualChips, daemon: Core2d) -> None:
        self.hands = chips[0]
        self.chip = daemon.add(0)

    def quirk(self, name: str, value: GLib.Variant) -> None:
        self.hands.call("SetQuirk", name, value)

    def show(self, payload: bytes) -> None:
        """What the chip answers to a read of its clock from now on."""
        self.quirk("time-payload", GLib.Variant("ay", payload))


@pytest.fixture
def shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Shoe:
    virtual_bluez()
    chips = virtual_chip("hci1", args=["--walk=0", "--quirk=idle-timeout=0"])
    return Shoe(chips, core2d(env={"TZ": ZONE}))


@pytest.mark.parametrize(
    ("quarters", "zone"),
    [(0, "+00:00"), (8, "+02:00"), (23, "+05:45"), (-14, "-03:30"), (56, "+14:00")],
)
def test_with_zone(shoe: Shoe, quarters: int, zone: str) -> None:
    """The chip's own zone counts, not the host's."""
    shoe.show(DATE_TIME + TAIL + (quarters & 0xFF).to_bytes(1, "little"))
    text, seconds = shoe.chip.call("ReadTime")
    assert text == "2026-07-03T21:04:05" + zone
    assert seconds == datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    "payload",
    [DATE_TIME, DATE_TIME + TAIL[:2], DATE_TIME + TAIL, DATE_TIME + TAIL + b"\x80"],
    ids=["7 bytes", "9 bytes", "10 bytes", "zone not known"],
)
def test_without_zone(shoe: Shoe, payload: bytes) -> None:
    """Text without a zone, and the seconds of the host's zone."""
    shoe.show(payload)
    text, seconds = shoe.chip.call("ReadTime")
    assert text == "2026-07-03T21:04:05"
    assert seconds == datetime(2026, 7, 3, 21, 4, 5, tzinfo=HOST).timestamp()


@pytest.mark.parametrize(
    "date_time",
    [
        bytes(7),
        bytes([0xEA, 0x07, 13, 3, 21, 4, 5]),
        bytes([0xEA, 0x07, 2, 30, 21, 4, 5]),
        bytes([0xEA, 0x07, 7, 3, 24, 4, 5]),
        bytes([0xEA, 0x07, 7, 3, 21, 60, 5]),
        bytes([0xFF] * 7),
    ],
    ids=["zeros", "month", "day", "hour", "minute", "ones"],
)
def test_no_date_that_exists(shoe: Shoe, date_time: bytes) -> None:
    """A clock that was never set: no error, and no number that could be taken for a time."""
    shoe.show(date_time + TAIL + b"\0")
    text, seconds = shoe.chip.call("ReadTime")
    assert text == ""
    assert seconds == -1


@pytest.mark.parametrize("payload", [b"", DATE_TIME[:1], DATE_TIME[:6]], ids=len)
def test_too_short(shoe: Shoe, payload: bytes) -> None:
    shoe.show(payload)
    with raises_bus_error(ERROR + "NoData"):
        shoe.chip.call("ReadTime")
    assert shoe.chip.get("Connected")


@pytest.mark.real_bluez_usual
def test_set_time(shoe: Shoe) -> None:
    """Local time of the host with its zone, as the Bluetooth SIG's Current Time lays it out."""
    before = datetime.now(HOST).replace(microsecond=0)
    shoe.chip.call("SetTime", {})
    after = datetime.now(HOST)
    written = bytes.fromhex(shoe.hands.get("WrittenTime"))
    year, rest = int.from_bytes(written[:2], "little"), written[2:7]
    time = datetime(year, *rest, tzinfo=HOST)
    assert before <= time <= after
    assert len(written) == len(DATE_TIME + TAIL) + 1
    assert written[7] == time.isoweekday()
    assert written[9] == 0
    assert written[10] == 23


def test_refused(shoe: Shoe) -> None:
    shoe.quirk("time-write", GLib.Variant("s", "refuse"))
    with raises_bus_error(ERROR + "NotSupported"):
        shoe.chip.call("SetTime", {})
    assert shoe.hands.get("WrittenTime") == ""
    assert shoe.chip.get("Connected")


def test_bad_options(shoe: Shoe) -> None:
    with raises_bus_error(ERROR + "InvalidArguments"):
        shoe.chip.call("SetTime", {"time": GLib.Variant("s", "2026-07-03T21:04:05")})
    assert shoe.hands.get("WrittenTime") == ""


def test_chip_without_clock(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    virtual_bluez()
    virtual_chip("hci1", args=["--walk=0", "--quirk=missing=time"])
    chip = core2d().add(0)
    with raises_bus_error(ERROR + "NotSupported"):
        chip.call("ReadTime")
    with raises_bus_error(ERROR + "NotSupported"):
        chip.call("SetTime", {})
