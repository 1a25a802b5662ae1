# SPDX-License-Identifier: LGPL-2.1-or-later
"""The general GATT server below the virtual chip, as a real peripheral."""

from harness import wait_for
from harness.real import adapter_address
from stack import Device

CHARACTERISTIC_1 = "36353433-3231-3039-3837-363534336261"
CHARACTERISTIC_2 = "000011d7-0000-1000-8000-00805f9b34fb"


def test_example_program_of_the_gatt_server(bus, bluez, build_directory):
    example = bus.start([build_directory / "tests/virtual-chip/gatt-example", "hci1"])
    device = Device(bluez, bluez.discover(adapter_address(1)))
    assert device.remote.get("Name") == "LoPy"

    device.connect()
    wait_for(lambda: "Client connected\n" in example.stdout, what="the example to see its client")
    first = device.find_characteristic(CHARACTERISTIC_1)
    assert first.read() == bytes([5])
    first.write(b"\x2a")
    wait_for(lambda: "Write request with value = 2a\n" in example.stdout, what="the write")
    assert first.read() == b"ABC DEF"
    second = device.find_characteristic(CHARACTERISTIC_2)
    assert [second.read() for _ in range(3)] == [bytes.fromhex("3412"), b"\xf2", b"\xf3"]

    device.disconnect()
    wait_for(lambda: "Client disconnected\n" in example.stdout, what="the example to see its client go")
    assert example.stop() == 0
