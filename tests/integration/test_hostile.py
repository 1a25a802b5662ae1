# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers, chips and a bluetoothd that mean harm: core2d serves on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import STANDING, BluezFaults, BusError, Core2d, Remote, VirtualBluez, VirtualChips
from harness import device_path, raises_bus_error, wait_for

ERROR = "org.example.Core2.Error."
DEVICE = device_path()


class World(BluezFaults):
    def __init__(self, bluez: VirtualBluez, chips: VirtualChips, daemon: Core2d) -> None:
        self.bluez = bluez
        self.hands = chips[0]
        self.daemon = daemon

    @property
    def device(self) -> Remote:
        return self.bluez.remote(DEVICE, "org.bluez.Device1")

    def clear(self) -> None:
        self.control("ClearFaults")


@pytest.fixture
def world(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> World:
    bluez = virtual_bluez()
    return World(bluez, virtual_chip("hci1", args=STANDING), core2d())


def serves(world: World) -> None:
    """The chip gets ready and its steps are counted."""
    chip = world.daemon.chip()
    chip.wait_property("State", "ready")
    before = chip.get("StepsTotal")
    world.hands.call("Step", 3)
    chip.wait_property("StepsTotal", lambda total: total >= before + 3)


def test_no_chip_is_ready_without_its_link(world: World) -> None:
    """The link goes while bluetoothd still owes an answer about the device."""
    world.fault("Properties.Set", DEVICE, never_answer=GLib.Variant("b", True))
    chip = world.daemon.add()
    wait_for(lambda: world.count_calls("Properties.Set") > 0, what="Trusted to be set")

    world.fault("Device1.Connect", DEVICE, never_answer=GLib.Variant("b", True))
    world.bluez.control.call("DropLink", DEVICE)
    chip.wait_property("Connected", False)
    read = chip.call_async("ReadBattery")
    world.clear()

    assert read.wait()[0] <= 100
    serves(world)


def test_an_adapter_goes_while_two_scan(world: World) -> None:
    scan = {"timeout": GLib.Variant("u", 60)}
    world.fault("Adapter1.SetDiscoveryFilter", delay_ms=GLib.Variant("u", 300))
    scans = [world.daemon.manager.call_async("Scan", scan) for _ in range(3)]
    world.daemon.manager.wait_property("Scanning", True)
    wait_for(lambda: world.count_calls("Adapter1.SetDiscoveryFilter") > 0, what="a discovery")

    world.bluez.control.call("RemoveAdapter", "/org/bluez/hci0")

    for call in scans:
        with raises_bus_error(ERROR + "AdapterUnavailable"):
            call.wait()
    world.daemon.manager.wait_property("Scanning", False)
    world.clear()
    world.bluez.control.call("AddAdapter", 0, {})
    world.daemon.manager.wait_property("AdapterState", "on")


@pytest.mark.parametrize("under_way", ["Properties.Set", "Device1.Disconnect"])
def test_connect_takes_disconnect_back(world: World, under_way: str) -> None:
    """Two who want opposite things: each gets an answer, the later one gets the chip."""
    chip = world.daemon.add()
    wait_for(lambda: world.device.get("Trusted"), what="Trusted to be set")
    world.fault(under_way, DEVICE, delay_ms=GLib.Variant("u", 600_000))
    before = world.count_calls(under_way)
    disconnect = chip.call_async("Disconnect")
    wait_for(lambda: world.count_calls(under_way) > before, what="a disconnect under way")
    connect = chip.call_async("Connect", {})
    with raises_bus_error(ERROR + "Cancelled"):
        disconnect.wait()
    world.clear()
    connect.wait()
    serves(world)


def test_key_of_a_disconnected_chip(world: World) -> None:
    """A new key is no wish to connect."""
    chip = world.daemon.add()
    chip.call("Disconnect")
    connects = world.count_calls("Device1.Connect")
    chip.call("SetKey", bytes(16))
    with raises_bus_error(ERROR + "NotConnected"):
        chip.call("ReadBattery")
    assert world.count_calls("Device1.Connect") == connects
    assert chip.get("State") == "disconnected"


def test_crowds(world: World) -> None:
    """Many at once: one pairing, claims up to the limit, and nothing is left of those that leave."""
    chip = world.daemon.add()
    other = world.bluez.bus.connect()
    pairs = [chip.call_async("Pair", {}, connection=other) for _ in range(20)]
    wait_for(lambda: sum(pair.done for pair in pairs) == 19, what="all but one pairing to fail")
    reasons = set()
    for pair in [pair for pair in pairs if pair.done]:
        try:
            pair.wait()
        except BusError as error:
            reasons.add(error.name)
    # Who asks for too much at once is not even judged.
    assert {ERROR + "InProgress"} <= reasons <= {ERROR + "InProgress", ERROR + "RateLimited"}
    refused = 0
    for _ in range(4):  # the bus itself refuses more than 128 calls at once
        claims = [chip.call_async("ClaimOrientation", 1000, connection=other) for _ in range(50)]
        for claim in claims:
            try:
                claim.wait()
            except BusError as error:
                assert error.name == ERROR + "RateLimited"
                refused += 1
    reads = [chip.call_async("ReadInfo", connection=other) for _ in range(50)]
    assert refused == 200 - 64
    assert reads
    other.close(None, None)

    chip.wait_property("OrientationInterval", 0)
    chip.wait_property("PairingState", lambda state: state in ("failed", "cancelled", "idle"))
    serves(world)
