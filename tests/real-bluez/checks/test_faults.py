# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real faults. After each of them every step is counted exactly once; how long the way back took is printed."""

import time
from pathlib import Path

import pytest
from harness import TIMEOUT, wait_for
from service import shell
from test_chip import walk


@pytest.fixture
def ready(core2, chips):
    """A chip that is connected and has walked, and its model."""
    model = chips("hci1")
    chip = core2.add(0)
    walk(chip, model["hci1"], 20)
    return chip, model["hci1"]


@pytest.fixture
def comes_back(record_property):
    """Waits until the chip is back and has told what was walked meanwhile, then walks again."""

    def wait(chip, model, since):
        chip.wait_property("Connected", True)
        record_property("back after", f"{time.monotonic() - since:.1f} s")
        walked = model.get("StepsWalked")
        chip.wait_property("StepsTotal", walked)
        walk(chip, model, 11)
        assert chip.get("StepsTotal") == model.get("StepsWalked")

    return wait


def test_bluetoothd_restarts(ready, bluez, comes_back):
    chip, model = ready
    model.call("Step", 5)
    bluez.restart()
    since = time.monotonic()
    model.call("Step", 6)
    comes_back(chip, model, since)


def test_bluetoothd_is_killed(ready, bluez, comes_back):
    chip, model = ready
    bluez.kill()
    chip.wait_property("Connected", False)
    model.call("Step", 6)
    since = time.monotonic()
    bluez.start()
    comes_back(chip, model, since)


def test_adapter_is_switched_off_and_on(ready, core2, comes_back):
    chip, model = ready
    shell("bluetoothctl", "power", "off")
    chip.wait_property("Connected", False)
    model.call("Step", 6)
    since = time.monotonic()
    shell("bluetoothctl", "power", "on")
    comes_back(chip, model, since)


def test_device_is_removed_from_bluez(ready, bluez, comes_back):
    chip, model = ready
    since = time.monotonic()
    shell("bluetoothctl", "remove", chip.get("Address"))
    chip.wait_property("Connected", False)
    comes_back(chip, model, since)


def test_controllers_go_and_come_back(ready, bluez, core2, comes_back):
    chip, model = ready
    core2.units.stop("btvirt.service")
    core2.manager.wait_property("AdapterState", "absent")
    chip.wait_property("Connected", False)
    model.call("Step", 6)
    since = time.monotonic()
    core2.units.start("btvirt.service")
    wait_for(bluez.adapters_are_on, what="all adapters on")
    comes_back(chip, model, since)


def test_chip_loses_its_power_while_it_notifies(core2, chips, record_property):
    """Its counter is gone; what it told is not."""
    first = chips("hci1", args=["--walk=300"])
    chip = core2.add(0)
    chip.wait_property("StepsTotal", lambda total: total >= 10)
    # bluetoothd keeps the link of a chip whose program has died, but not its services.
    first.kill()
    chip.wait_property("Connected", False)
    told = chip.get("StepsTotal")
    since = time.monotonic()
    second = chips("hci1")
    chip.wait_property("Connected", True)
    record_property("back after", f"{time.monotonic() - since:.1f} s")
    walk(chip, second["hci1"], 9)
    assert chip.get("StepsTotal") == told + 9


@pytest.mark.parametrize("calls", [2, pytest.param(5, id="minutes", marks=pytest.mark.long)])
def test_chip_sleeps_until_bluetoothd_has_given_up(ready, bus, comes_back, calls):
    """bluetoothd gives a call of Connect up after 41 s: whoever waits longer must call again, and again."""
    chip, model = ready
    monitor = bus.start(["dbus-monitor", "--system", "interface='org.bluez.Device1',member='Connect'"])
    model.call("Sleep")
    chip.wait_property("Connected", False)
    wait_for(lambda: monitor.stdout.count("member=Connect\n") >= calls, timeout=3 * TIMEOUT,
             what=f"{calls} calls of Connect")
    since = time.monotonic()
    model.call("Shake")
    comes_back(chip, model, since)


@pytest.mark.long
def test_computer_sleeps(ready, bus, comes_back):
    """All of it but the devices: logind, systemd-sleep, the kernel with its Bluetooth, and every process frozen."""
    chip, model = ready
    # A second later the kernel wakes by itself; nothing could wake this machine from a real sleep. Its devices must
    # stay awake: virtio's file system, on which all is, does not survive their sleep.
    Path("/sys/power/pm_test").write_text("freezer", encoding="ascii")
    Path("/sys/module/suspend/parameters/pm_test_delay").write_text("1", encoding="ascii")
    settings = Path("/run/systemd/sleep.conf.d/real-bluez.conf")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("[Sleep]\nSuspendState=freeze\n", encoding="ascii")
    prepared = bus.signals("org.freedesktop.login1", None, "org.freedesktop.login1.Manager", "PrepareForSleep")
    shell("systemctl", "suspend")
    prepared.wait(count=2)
    since = time.monotonic()
    assert prepared.args == [(True,), (False,)]
    model.call("Step", 6)
    comes_back(chip, model, since)
