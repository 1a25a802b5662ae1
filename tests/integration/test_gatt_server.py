# SPDX-License-Identifier: LGPL-2.1-or-later
"""The general GATT server API, by its example program."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from central import Central, full_uuid
from harness import Bus, Process, VirtualBluez, build_directory, wait_for

pytestmark = pytest.mark.real_bluez

SERVICE_1 = "36353433-3231-3039-3837-363534333231"
CHARACTERISTIC_1 = "36353433-3231-3039-3837-363534336261"
SERVICE_2 = "04d2"
CHARACTERISTIC_2 = "11d7"


def lines(example: Process) -> list[str]:
    return example.stdout.splitlines()


@pytest.fixture
def bluez(virtual_bluez: Callable[..., VirtualBluez]) -> VirtualBluez:
    return virtual_bluez()


@pytest.fixture
def example(bus: Bus) -> Iterator[Process]:
    yield bus.start([build_directory() / "tests/virtual-chip/gatt-example", "hci1"])


@pytest.fixture
def central(bus: Bus, bluez: VirtualBluez, example: Process) -> Central:
    central = Central(bus)
    central.connect()
    return central


def test_advertisement(bus: Bus, bluez: VirtualBluez, example: Process) -> None:
    found = Central(bus).discover()
    assert found["Name"] == "LoPy"
    assert SERVICE_1 in found["UUIDs"]


def test_services(central: Central) -> None:
    assert central.service_of(CHARACTERISTIC_1) == SERVICE_1
    assert central.service_of(CHARACTERISTIC_2) == full_uuid(SERVICE_2)


def test_connects_and_disconnects_are_reported(central: Central, example: Process) -> None:
    wait_for(lambda: lines(example) == ["Client connected"])
    central.disconnect()
    wait_for(lambda: lines(example) == ["Client connected", "Client disconnected"])
    central.connect()
    wait_for(lambda: lines(example)[2:] == ["Client connected"])


def test_stored_value_answers_until_the_third_event(central: Central, example: Process) -> None:
    characteristic = central[CHARACTERISTIC_1]
    answers = [characteristic.read() for _ in range(5)]
    assert answers == [b"\x05", b"\x05", b"ABC DEF", b"ABC DEF", b"ABC DEF"]
    wait_for(lambda: lines(example)[1:] == ["Read request on char 1"] * 2)


def test_writes_are_reported_and_count_as_events(central: Central, example: Process) -> None:
    characteristic = central[CHARACTERISTIC_1]
    characteristic.write(b"hi!")
    assert characteristic.read() == b"hi!"
    assert characteristic.read() == b"ABC DEF"
    characteristic.write(b"")
    assert characteristic.read() == b"ABC DEF"
    wait_for(lambda: len(lines(example)) == 4)
    assert lines(example)[1:] == [
        "Write request with value = 686921",
        "Read request on char 1",
        "Write request with value = ",
    ]


def test_second_characteristic_counts_its_reads(central: Central) -> None:
    characteristic = central[CHARACTERISTIC_2]
    assert characteristic.read() == b"\x34\x12"
    answers = [characteristic.read() for _ in range(0x10)]
    assert answers == [bytes([n]) for n in range(0xF2, 0x100)] + [b"\x00\x01", b"\x01\x01"]


def test_unwanted_events_reach_no_handler(central: Central) -> None:
    characteristic = central[CHARACTERISTIC_2]
    characteristic.write(b"\x77")
    assert characteristic.read() == b"\x77"
    assert characteristic.read() == b"\xf2"


def test_properties_are_shown(central: Central) -> None:
    path = central[CHARACTERISTIC_1].path
    flags = central.objects()[path]["org.bluez.GattCharacteristic1"]["Flags"]
    assert sorted(flags) == ["notify", "read", "write"]


def test_restart_of_bluetoothd(bus: Bus, bluez: VirtualBluez, central: Central) -> None:
    characteristic = central[CHARACTERISTIC_2]
    assert characteristic.read() == b"\x34\x12"
    bluez.kill()
    bluez.start()
    # The kernel keeps the link of a bluetoothd that was killed for some seconds, and the next one shows it.
    wait_for(lambda: not central.is_connected(), what="the end of the old link")
    central.connect()
    assert central[CHARACTERISTIC_2].read() == b"\xf2"


def test_server_before_bluetoothd(
    bus: Bus, example: Process, virtual_bluez: Callable[..., VirtualBluez]
) -> None:
    virtual_bluez()
    central = Central(bus)
    central.connect()
    assert central[CHARACTERISTIC_1].read() == b"\x05"
