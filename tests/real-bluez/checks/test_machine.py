# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine itself: systemd, the bus, polkit, bluetoothd and the controllers, before anything of ours."""

import os
import subprocess
from pathlib import Path

import sensor
from harness import TIMEOUT, wait_for
from harness.real import adapter_address
from stack import Device


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=TIMEOUT).stdout


def test_systemd_is_process_1_and_no_unit_failed():
    assert Path("/proc/1/comm").read_text(encoding="ascii").strip() == "systemd"
    assert run("systemctl", "--failed", "--plain", "--no-legend") == ""


def test_polkit_answers(bus):
    authority = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority")
    actions = bus.call(*authority, "org.freedesktop.PolicyKit1.Authority", "EnumerateActions",
                       sensor.variant("(s)", ("",)))
    assert "org.freedesktop.login1.power-off" in [action[0] for action in actions]


def test_bluetoothd_has_all_controllers_powered(bluez):
    addresses = {path: interfaces["org.bluez.Adapter1"]["Address"]
                 for path, interfaces in bluez.objects().items() if "org.bluez.Adapter1" in interfaces}
    assert addresses == {f"/org/bluez/hci{index}": adapter_address(index)
                         for index in range(int(os.environ["CONTROLLERS"]))}
    listed = run("bluetoothctl", "list")
    assert all(f"Controller {address}" in listed for address in addresses.values())


def test_sensor_is_found_connected_read_and_subscribed(bus, bluez):
    """A GATT application on the second controller, used through the first, with nothing of ours between."""
    application = sensor.Sensor(bus, bluez)
    application.register("/org/bluez/hci1")
    device = Device(bluez, bluez.discover(adapter_address(1)))

    device.connect()
    characteristic = device.find_characteristic(sensor.CHARACTERISTIC)
    assert characteristic.read() == sensor.FIRST_VALUE

    characteristic.subscribe()
    wait_for(lambda: application.notifying, what="the subscription to reach the sensor")
    sent = [bytes([number, number]) for number in range(1, 21)]
    for value in sent:
        application.notify(value)
    wait_for(lambda: sent[-1] in characteristic.values, what="the last notification")
    assert [value for value in characteristic.values if value in sent] == sent
    application.unregister()
