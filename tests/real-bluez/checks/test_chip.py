# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole way, from the virtual chip's controller over kernel and bluetoothd to an application of core2d."""

from pathlib import Path

import pytest
from gi.repository import GLib
from harness import chip_path, raises_bus_error, wait_for

ERROR = "org.example.Core2.Error"
MAIN_CONF = Path("/etc/bluetooth/main.conf")


def walk(chip, model, steps):
    """Makes steps, and waits until the application has been told of exactly these."""
    before = chip.get("StepsTotal")
    counter = model.get("Counter") + steps
    model.call("Step", steps)
    chip.wait_property("StepsTotal", before + steps)
    chip.wait_property("Steps", counter)


def test_chip_is_found_and_tells_everything(core2, chips):
    model = chips("hci1")["hci1"]
    model.call("SetBattery", 62)
    assert core2.manager.get("AdapterState") == "on"
    found = core2.manager.call("Scan", {"timeout": GLib.Variant("u", 30), "max": GLib.Variant("u", 1)})
    assert found == [chip_path(0)]

    chip = core2.add(0, side=GLib.Variant("s", "left"))
    walk(chip, model, 7)
    walk(chip, model, 20)
    assert chip.call("ReadBattery")[0] == 62
    assert chip.call("ReadTime")[1] > 0
    info = chip.call("ReadInfo")
    assert info["SerialNumber"] and info["HardwareRevision"] and info["SystemId"]
    model.call("Tilt", 1234, 65000)
    assert chip.call("ReadOrientation")[:2] == (1234, 65000)

    model.call("SetQuirk", "battery-payload", GLib.Variant("ay", b""))
    with raises_bus_error(f"{ERROR}.NoData"):
        chip.call("ReadBattery")
    assert (chip.get("BatteryStatus"), chip.get("Battery")) == ("stale", 62)


def test_chip_that_goes_out_of_reach_comes_back(core2, chips):
    model = chips("hci1")["hci1"]
    chip = core2.add(0)
    walk(chip, model, 10)
    model.call("Vanish")
    chip.wait_property("Connected", False)
    model.call("Step", 25)  # Nobody hears of these until the chip is back.
    model.call("Appear")
    chip.wait_property("Connected", True)
    chip.wait_property("StepsTotal", 35)
    walk(chip, model, 5)


def test_pairing_makes_a_key_and_keeps_the_total(core2, chips):
    model = chips("hci1")["hci1"]
    chip = core2.add(0)
    walk(chip, model, 40)
    resets = chip.signals("CounterReset")
    pairing = chip.call_async("Pair", {"timeout": GLib.Variant("u", 120)})
    chip.wait_property("PairingState", "shake-now")
    model.wait_property("PairingWaitsForShake", True)
    model.call("Shake")
    pairing.wait()
    assert chip.get("Paired")
    assert bytes(chip.call("GetKey")) == bytes(model.get("Key"))
    assert resets.wait(lambda signal: signal.args[2] == "pairing")[0].args == (40, 0, "pairing")
    assert chip.get("StepsTotal") == 40
    walk(chip, model, 3)
    assert chip.get("StepsTotal") == 43

    # With the key the chip is only asked to prove itself: no shake, no reset.
    model.call("DropLink")
    chip.wait_property("Connected", False)
    chip.wait_property("Connected", True)
    wait_for(lambda: model.get("Authenticated"), what="the chip to know its user")
    assert model.get("Resets") == 1
    walk(chip, model, 2)


@pytest.fixture
def plain_bluez(bluez):
    """bluetoothd with the settings that Debian ships, as on a second computer that plays the chip."""
    settings = MAIN_CONF.read_text(encoding="ascii")
    MAIN_CONF.write_text("[Policy]\nAutoEnable=true\n", encoding="ascii")
    bluez.restart()
    yield bluez
    MAIN_CONF.write_text(settings, encoding="ascii")
    bluez.restart()


@pytest.mark.long
def test_chip_on_a_computer_without_settings(plain_bluez, core2, chips):
    """It has two Device Information Services and several ATT channels, and is the same chip all the same."""
    model = chips("hci1")["hci1"]
    chip = core2.add(0)
    info = chip.call("ReadInfo")
    assert (info["VendorId"], info["ProductId"]) == (0x0157, 0x18)
    assert info["SerialNumber"] and info["HardwareRevision"]
    told = chip.signals("StepsChanged")
    model.call("StepEach", 200)
    chip.wait_property("StepsTotal", 200)
    told.wait(lambda signal: signal.args[0] == 200)
    counters = [signal.args[0] for signal in told]
    assert counters == sorted(counters)
    model.call("DropLink")
    chip.wait_property("Connected", False)
    model.call("Step", 6)
    chip.wait_property("Connected", True)
    chip.wait_property("StepsTotal", 206)
    walk(chip, model, 5)
    model.call("SetBattery", 62)
    assert chip.call("ReadBattery")[0] == 62
