# SPDX-License-Identifier: LGPL-2.1-or-later
"""Static information: every field, where the chip and BlueZ let it be read, and only those it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from gi.repository import GLib
from harness import Core2d, Remote, VirtualBluez, VirtualChips, chip_address, raises_bus_error

pytestmark = pytest.mark.real_bluez
#: bluetoothd gives a chip that it plays its own GAP and GATT services.
own_gap_service = pytest.mark.virtual_bluez("bluetoothd keeps the services 1800 and 1801 to itself")

ERROR = "org.example.Core2.Error."
INFO = "org.example.Core2.Info"

ADDRESS = bytes.fromhex(chip_address().replace(":", ""))
#: What the Device Information service of the chip tells, always.
DEVICE_INFORMATION = {
    "SystemId": [*(ADDRESS[:2:-1] + b"\xfe\xff" + ADDRESS[2::-1])],
    "SerialNumber": ADDRESS.hex(),
    "HardwareRevision": "V0.14.0.2",
    "SoftwareRevision": "V1.1.4.24",
    # bluetoothd, which plays the radio of the chip, has another PnP id of its own.
    "VendorSource": 1,
    "VendorId": 0x0157,
    "ProductId": 0x18,
    "ProductVersion": 0x100,
}
#: What BlueZ knows of a device itself, and what it does not hide.
DEVICE = {"Name": "HM0D", "ServiceChangedStart": 1, "ServiceChangedEnd": 0xFFFF}
#: What the GAP service tells besides.
GAP = {
    "Appearance": 0,
    "PrivacyFlag": 0,
    "MinConnectionInterval": 24,
    "MaxConnectionInterval": 40,
    "SlaveLatency": 0,
    "TimeoutMultiplier": 500,
}
#: Fields of the steps, told by the same property.
STEP_FIELDS = {"RunSteps", "WalkSteps", "Distance", "Energy"}


class Shoe:
    """A connected chip on hci1."""

    def __init__(self, chips: VirtualChips, daemon: Core2d) -> None:
        self.hands = chips[0]
        self.daemon = daemon
        self.chip = daemon.add(0)

    @property
    def info(self) -> Remote:
        return self.daemon.chip(0, INFO)

    @property
    def available(self) -> set[str]:
        names = self.info.get("Available")
        assert len(set(names)) == len(names)
        return set(names) - STEP_FIELDS

    def read(self) -> dict[str, Any]:
        """ReadInfo, which must say the same as the properties."""
        fields = self.chip.call("ReadInfo")
        properties = self.info.get_all()
        assert fields == {name: properties[name] for name in fields}
        assert fields.pop("Updated") > 0
        assert set(fields) == self.available
        return fields

    def quirk(self, name: str, value: str | bytes) -> None:
        variant = GLib.Variant("s" if isinstance(value, str) else "ay", value)
        self.hands.call("SetQuirk", name, variant)


@pytest.fixture
def make_shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Callable[..., Shoe]:
    def make(*bluez_options: str, quirk: str = "idle-timeout=0") -> Shoe:
        virtual_bluez(*bluez_options)
        chips = virtual_chip("hci1", args=["--walk=0", f"--quirk={quirk}"])
        return Shoe(chips, core2d())

    return make


@own_gap_service
def test_gap_service_hidden(make_shoe: Callable[..., Shoe]) -> None:
    """As up to BlueZ 5.79: what cannot be read has no value, and is not said to have one."""
    shoe = make_shoe()
    fields = shoe.read()
    assert fields.pop("Appearance", 0) == 0
    assert fields == DEVICE | DEVICE_INFORMATION


@own_gap_service
def test_gap_service_shown(make_shoe: Callable[..., Shoe]) -> None:
    """As from BlueZ 5.80 on: every field that the chip has."""
    shoe = make_shoe("--gap")
    assert shoe.read() == DEVICE | GAP | DEVICE_INFORMATION


@own_gap_service
@pytest.mark.parametrize("gap", [[], ["--gap"]], ids=["hidden", "shown"])
def test_read_by_itself(make_shoe: Callable[..., Shoe], gap: list[str]) -> None:
    """The first connection fills the properties; PropertiesChanged tells them."""
    shoe = make_shoe(*gap)
    info = shoe.info
    info.wait_property("Updated", lambda updated: updated > 0)
    expected = DEVICE | DEVICE_INFORMATION | (GAP if gap else {})
    properties = info.get_all()
    assert {name: properties[name] for name in expected} == expected
    assert shoe.available - {"Appearance"} == set(expected) - {"Appearance"}
    assert shoe.chip.get("Name") == "HM0D"


def test_never_read(make_shoe: Callable[..., Shoe]) -> None:
    """Nothing is available of a chip that has not been connected; no property pretends."""
    shoe = make_shoe()
    shoe.hands.call("Vanish")
    path = shoe.daemon.manager.call("AddChip", chip_address(5), {})
    properties = shoe.daemon.chip(path, INFO).get_all()
    assert properties.pop("Available") == []
    assert not any(properties.values()), properties


def test_firmware_revision(make_shoe: Callable[..., Shoe]) -> None:
    """A field that only some chips have."""
    shoe = make_shoe(quirk="extra=firmware-revision")
    assert shoe.read()["FirmwareRevision"] == "V1.1.4"


@own_gap_service
@pytest.mark.parametrize(
    ("missing", "fields"),
    [
        ("serial-number", {"SerialNumber"}),
        ("hardware-revision,software-revision", {"HardwareRevision", "SoftwareRevision"}),
        ("system-id", {"SystemId"}),
        ("privacy-flag", {"PrivacyFlag"}),
        ("service-changed", {"ServiceChangedStart", "ServiceChangedEnd"}),
        (
            "connection-parameters",
            {
                "MinConnectionInterval",
                "MaxConnectionInterval",
                "SlaveLatency",
                "TimeoutMultiplier",
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_missing_field(make_shoe: Callable[..., Shoe], missing: str, fields: set[str]) -> None:
    """A chip that lacks a characteristic has all the other fields, and no value for this."""
    shoe = make_shoe("--gap", quirk=f"missing={missing}")
    everything = set(DEVICE | GAP | DEVICE_INFORMATION)
    assert set(shoe.read()) == everything - fields
    for name in fields:
        assert not shoe.info.get(name), name


@own_gap_service
def test_refused_field(make_shoe: Callable[..., Shoe]) -> None:
    """A read that fails costs this field only."""
    shoe = make_shoe("--gap")
    shoe.quirk("fail-read", "serial-number,pnp-id")
    lost = {"SerialNumber", "VendorSource", "VendorId", "ProductId", "ProductVersion"}
    fields = shoe.read()
    assert "SerialNumber" not in fields
    assert set(fields) >= set(DEVICE | GAP | DEVICE_INFORMATION) - lost


@own_gap_service
@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"HM0D\0\0\0\0", "HM0D"),
        (b"left\0right", "left"),
        ("Schuh größe".encode(), "Schuh größe"),
        (b"bad \xff\xfe utf", "bad \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} utf"),
    ],
    ids=["padded", "cut at NUL", "UTF-8", "not UTF-8"],
)
def test_name(make_shoe: Callable[..., Shoe], payload: bytes, name: str) -> None:
    """Text of any kind; a bad byte would make the bus drop the daemon."""
    shoe = make_shoe("--gap")
    shoe.quirk("name-payload", payload)
    assert shoe.read()["Name"] == name
    shoe.chip.wait_property("Name", name)


@own_gap_service
def test_empty_name(make_shoe: Callable[..., Shoe]) -> None:
    """No name from the chip: what BlueZ knows is better than nothing."""
    shoe = make_shoe("--gap")
    shoe.quirk("name-payload", b"\0\0")
    assert shoe.read()["Name"] == "HM0D"


def test_link_ends_while_it_reads(make_shoe: Callable[..., Shoe]) -> None:
    """NotConnected, and the fields of the last reading stay."""
    shoe = make_shoe()
    before = shoe.read()
    updated = shoe.info.get("Updated")
    shoe.quirk("vanish-on-read", "hardware-revision")
    with raises_bus_error(ERROR + "NotConnected"):
        shoe.chip.call("ReadInfo")
    properties = shoe.info.get_all()
    assert {name: properties[name] for name in before} == before
    assert properties["Updated"] == updated
