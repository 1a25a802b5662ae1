# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine itself: systemd, the bus, polkit, bluetoothd and the controllers, before anything of ours."""

import os
import subprocess

import sensor
import stack


def run(*command):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=stack.PATIENCE).stdout


def test_systemd_is_process_1_and_no_unit_failed():
    with open("/proc/1/comm", encoding="ascii") as comm:
        assert comm.read().strip() == "systemd"
    assert run("systemctl", "--failed", "--plain", "--no-legend") == ""


def test_polkit_answers(bus):
    backend = bus.get("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                      "org.freedesktop.PolicyKit1.Authority", "BackendName")
    assert backend == "js"


def test_bluetoothd_has_all_controllers_powered(bus):
    count = int(os.environ["CONTROLLERS"])
    for index in range(count):
        bus.wait_until(stack.Adapter(bus, index).is_powered, f"hci{index} powered")
    adapters = [path for path, interfaces in bus.get_objects(stack.BLUEZ).items()
                if "org.bluez.Adapter1" in interfaces]
    assert sorted(adapters) == [f"/org/bluez/hci{index}" for index in range(count)]


def test_bluetoothctl_lists_the_controllers(bus):
    addresses = [stack.Adapter(bus, index).get("Address") for index in range(int(os.environ["CONTROLLERS"]))]
    listed = run("bluetoothctl", "list")
    for address in addresses:
        assert f"Controller {address}" in listed


def test_sensor_is_found_connected_read_and_subscribed(bus):
    """A GATT application on the second controller, used through the first, with nothing of ours between."""
    with stack.Bus() as other_bus:
        peripheral = stack.Adapter(other_bus, 1)
        application = sensor.Sensor(other_bus, peripheral)
        application.register()
        central = stack.Adapter(bus, 0)
        device = stack.Device(bus, central.discover(peripheral.get("Address")))

        device.connect()
        characteristic = device.find_characteristic(sensor.CHARACTERISTIC)
        assert characteristic.read() == sensor.FIRST_VALUE

        characteristic.subscribe()
        bus.wait_until(lambda: application.notifying, "the subscription to reach the sensor")
        sent = [bytes([number, number]) for number in range(1, 21)]
        for value in sent:
            application.notify(value)
        bus.wait_until(lambda: sent[-1] in characteristic.values, "the last notification")
        assert [value for value in characteristic.values if value in sent] == sent

        central.remove_device(peripheral.get("Address"))
        application.unregister()
