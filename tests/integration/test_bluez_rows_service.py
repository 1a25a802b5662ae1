# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with bluetoothd and the bus as such, by the rows of tests/README.md."""

from __future__ import annotations

import configparser
import signal
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from bluez_world import ASLEEP, ERROR, PATIENCE, MakeWorld, World
from gi.repository import GLib
from harness import SOURCE, Bus, Core2d, raises_bus_error


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("state", ["ready", "waiting", "resolving"])
def test_row_16_bluetoothd_restarts(make_world: MakeWorld, how: str, state: str) -> None:
    world = make_world()
    if state == "waiting":
        world.hands.call("Sleep")
        world.chip.wait_property("StatusText", ASLEEP, timeout=PATIENCE)
    elif state == "resolving":
        world.options(resolve_delay=-1)
        world.lose_link()
    world.chip.wait_property("State", state)
    getattr(world.bluez, how)()
    world.chip.wait_property("LastError", ERROR + "BluezUnavailable")
    assert world.chip.get("State") == "waiting"
    assert world.chip.get("StatusText") == "the Bluetooth service does not run"
    assert world.daemon.manager.get("AdapterState") == "no-bluez"
    with raises_bus_error(ERROR + "BluezUnavailable"):
        world.chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
    world.bluez.start()
    if state == "waiting":
        world.hands.call("Shake")
    world.ready_again()


def test_row_16_the_unit_outlives_bluetoothd() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read(SOURCE / "systemd" / "core2d.service.in")
    assert unit["Unit"]["Wants"] == "bluetooth.service"
    assert "bluetooth.service" in unit["Unit"]["After"].split()
    assert not {"requires", "bindsto", "requisite", "partof"} & set(unit["Unit"])


def test_row_29_the_bus_is_lost(world: World, make_bus: Callable[..., Bus]) -> None:
    """core2d saves, and says with its status that it wants to be started again."""
    bus = world.bluez.bus
    world.hands.call("Step", 6)
    world.chip.wait_property("StepsTotal", 6)
    for process in bus.processes:
        process.expect_end()
    bus.daemon.send_signal(signal.SIGKILL)
    assert world.daemon.process.wait() == 1
    assert "connection to the bus is lost" in world.daemon.stderr
    for process in list(bus.processes):
        process.wait()
        bus.processes.remove(process)
    again = Core2d(make_bus(), world.daemon.state_directory)
    assert again.chip(0).get("StepsTotal") == 6


def test_row_30_no_pairing_of_bluetooth(world: World) -> None:
    """Not even when the chip is paired, which is something else."""
    pairing = world.chip.call_async("Pair", {})
    world.chip.wait_property("PairingState", "shake-now")
    world.hands.call("Shake")
    pairing.wait()
    calls = {call[3] for call in world.control("CallLog")}
    assert not {call for call in calls if call.endswith((".Pair", ".RegisterAgent"))}
    assert world.device.get("Paired") is False


def test_row_31_bluetoothd_may_call_back() -> None:
    """bluetoothd is root: our bus policy lets root send to us."""
    policy = ElementTree.parse(SOURCE / "dbus-interfaces" / "org.example.Core2.conf").getroot()
    (root,) = [entry for entry in policy.findall("policy") if entry.get("user") == "root"]
    allowed = [entry.get("send_destination") for entry in root.findall("allow")]
    assert "org.example.Core2" in allowed
    assert not root.findall("deny")
