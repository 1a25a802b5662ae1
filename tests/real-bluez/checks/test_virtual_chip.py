# SPDX-License-Identifier: LGPL-2.1-or-later
"""The virtual chip as a real peripheral, used by a plain client of BlueZ."""

from harness import wait_for
from harness.real import adapter_address
from stack import Device

STEPS = "00000007-0000-3512-2118-0009af100700"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"


def test_virtual_chip_is_a_peripheral(bluez, chips):
    chip = chips("hci1")["hci1"]
    chip.call("SetBattery", 62)
    device = Device(bluez, bluez.discover(adapter_address(1)))
    assert device.remote.get("Name") == "HM0D"
    assert "0000fee0-0000-1000-8000-00805f9b34fb" in device.remote.get("UUIDs")
    assert 0x0157 in device.remote.get("ManufacturerData")

    device.connect()
    assert device.find_characteristic(BATTERY).read() == bytes([62])
    steps = device.find_characteristic(STEPS)
    steps.subscribe()
    wait_for(lambda: chip.get("Subscribed"), what="the subscription to reach the chip")
    chip.call("StepEach", 30)
    wait_for(lambda: 30 in [int.from_bytes(value[1:5], "little") for value in steps.values], what="30 steps")
    assert [int.from_bytes(value[1:5], "little") for value in steps.values] == list(range(1, 31))

    chip.call("Vanish")
    wait_for(lambda: not device.remote.get("Connected"), what="the link to drop")
