# SPDX-License-Identifier: LGPL-2.1-or-later
"""The general GATT server below the virtual chip, as a real peripheral."""

import os
import subprocess

import pytest

import stack

EXAMPLE = os.path.join(os.environ["CORE2_BUILD_DIR"], "tests/virtual-chip/gatt-example")
CHARACTERISTIC_1 = "36353433-3231-3039-3837-363534336261"
CHARACTERISTIC_2 = "000011d7-0000-1000-8000-00805f9b34fb"


@pytest.fixture
def example(tmp_path):
    """The example program on the second controller; what it prints is in the file."""
    output = tmp_path / "output"
    with open(output, "w", encoding="utf-8") as file:
        process = subprocess.Popen([EXAMPLE, "hci1"], stdout=file)
    yield output
    process.terminate()
    assert process.wait(stack.PATIENCE) == 0


def test_example_program_of_the_gatt_server(bus, example):
    central = stack.Adapter(bus, 0)
    address = stack.Adapter(bus, 1).get("Address")
    device = stack.Device(bus, central.discover(address))
    assert device.get("Name") == "LoPy"

    device.connect()
    bus.wait_until(lambda: "Client connected\n" in example.read_text(), "the example to see its client")
    first = device.find_characteristic(CHARACTERISTIC_1)
    assert first.read() == bytes([5])
    first.write(b"\x2a")
    bus.wait_until(lambda: "Write request with value = 2a\n" in example.read_text(), "the write")
    assert first.read() == b"ABC DEF"
    second = device.find_characteristic(CHARACTERISTIC_2)
    assert [second.read() for _ in range(3)] == [bytes.fromhex("3412"), b"\xf2", b"\xf3"]

    device.disconnect()
    bus.wait_until(lambda: "Client disconnected\n" in example.read_text(), "the example to see its client go")
    central.remove_device(address)
