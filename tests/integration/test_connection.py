# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection comes back by itself and stays away when somebody says so. See test_bluez_rows_*.py, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bluez_world import ASLEEP, ERROR, PATIENCE, World
from gi.repository import GLib
from harness import Core2d, VirtualBluez, VirtualChips, raises_bus_error, wait_for


@pytest.mark.real_bluez
@pytest.mark.real_bluez_usual
def test_disconnect_stays_away_over_settings(world: World) -> None:
    world.chip.call("Disconnect")
    assert world.chip.get("State") == "disconnected"
    world.chip.call("SetKey", bytes(range(16)))
    world.daemon.add(0, ready=False, alias=GLib.Variant("s", "red"))
    assert world.chip.get("Alias") == "red"
    with raises_bus_error(ERROR + "NotConnected"):
        world.chip.call("ReadSteps")
    assert world.chip.get("State") == "disconnected"
    assert world.device.get("Trusted") is False
    world.chip.call("Connect", {})
    world.ready_again()


@pytest.mark.real_bluez
def test_read_connects_a_chip_that_keeps_no_connection(world: World) -> None:
    world.chip.call("SetAutoConnect", False)
    world.chip.wait_property("State", "disconnected")
    world.hands.call("Step", 3)
    assert world.chip.call("ReadSteps")[0] == 3
    world.chip.wait_property("State", "disconnected", timeout=PATIENCE)
    assert world.chip.get("StepsTotal") == 3


def test_sleep_is_normal(world: World) -> None:
    world.options(connect_timeout=1500)
    world.hands.call("Sleep")

    def waits() -> bool:
        shown = world.chip.get_all()
        return (shown["State"], shown["StatusText"]) == ("waiting", ASLEEP)

    # Now and then BlueZ is asked again.
    wait_for(waits, PATIENCE, "the chip to be called asleep")
    with raises_bus_error(ERROR + "Asleep"):
        world.chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
    assert world.adapter.get("Discovering") is False
    world.hands.call("Shake")
    world.ready_again()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("org.bluez.Error.Failed", "Input/output error"),
        ("org.bluez.Error.NotReady", "Resource Not Ready"),
        ("org.bluez.Error.Failed", "Software caused connection abort"),
    ],
)
def test_connect_fails_and_then_works(world: World, name: str, message: str) -> None:
    world.fault("Device1.Connect", error=name, message=message, count=1)
    world.lose_link()
    world.ready_again()


@pytest.mark.real_bluez
def test_a_chip_that_was_only_seen_is_remembered_with_its_key(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    virtual_bluez()
    virtual_chip("hci1", args=["--walk=0", "--quirk", "idle-timeout=0"])
    daemon = core2d()
    (path,) = daemon.manager.call("Scan", {"max": GLib.Variant("u", 1), "timeout": GLib.Variant("u", 60)})
    chip = daemon.chip(path)
    assert chip.get("Remembered") is False
    chip.call("SetKey", bytes(16))
    assert chip.get("Remembered") is True
    daemon.restart()
    assert bytes(daemon.chip(0).call("GetKey")) == bytes(16)
