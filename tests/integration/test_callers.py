# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers that are killed in the middle, and callers that send what nobody should."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from conftest import both_buses
from fake_polkit import FakePolkit
from gi.repository import GLib
from harness import CORE2, Bus, Core2d, Process, Remote, VirtualBluez, VirtualChips
from harness import chip_address, chip_path, raises_bus_error

ERROR = "org.example.Core2.Error."
MANAGER_PATH = "/org/example/Core2/Manager"

#: A program that makes one call and then waits for its answer, or for its end.
CLIENT = """
import sys
from gi.repository import Gio, GLib

path, interface, method, arguments = sys.argv[1:]
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
values = GLib.Variant.parse(None, arguments, None, None) if arguments else None
bus.call("org.example.Core2", path, interface, method, values, None, 0, 2**31 - 1, None, None)
GLib.MainLoop().run()
"""


@dataclass
class World:
    bus: Bus
    chips: VirtualChips
    daemon: Core2d

    def call(self, target: Remote, method: str, arguments: str = "") -> Process:
        """Start a program that calls."""
        command = ["/usr/bin/python3", "-c", CLIENT, target.path, target.interface, method]
        return self.bus.start([*command, arguments], label="client")


@pytest.fixture
def world(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> World:
    virtual_bluez("--peripherals", "3")
    quirks = ["--quirk=idle-timeout=0", "--quirk=orientation-delay=1500"]
    chips = virtual_chip("hci1", "hci2", "hci3", args=["--walk=0", *quirks])
    return World(bus, chips, core2d())


def is_looked_for(state: str) -> bool:
    return state in ("waiting", "connecting")


@both_buses
def test_f27_killed_callers(world: World) -> None:
    """SIGKILL takes along what its client had asked for, of whatever kind, and nothing of others."""
    manager = world.daemon.manager
    near = world.daemon.add(0)
    away = {"ready": False, "connect": GLib.Variant("b", False)}
    armed, lent = world.daemon.add(1, **away), world.daemon.add(2, **away)
    for hands in (world.chips[1], world.chips[2]):
        hands.call("Sleep")
    # Those last that core2d ends by itself, and the soonest of all what waits 20 s for the chip.
    clients = [
        world.call(near, "ClaimOrientation", "(uint32 700,)"),
        world.call(near, "ReadOrientation"),
        world.call(armed, "Connect", "(@a{sv} {'timeout': <uint32 600>},)"),
        world.call(near, "Pair", "(@a{sv} {'timeout': <uint32 120>},)"),
    ]
    near.wait_property("OrientationInterval", lambda interval: interval > 0)
    near.wait_property("PairingState", "shake-now")
    world.chips[0].wait_property("OrientationRequests", lambda count: count > 0)
    armed.wait_property("State", is_looked_for)
    clients.append(world.call(manager, "Scan", "(@a{sv} {'timeout': <uint32 60>},)"))
    manager.wait_property("Scanning", True)
    clients.append(world.call(lent, "ReadBattery"))
    lent.wait_property("State", is_looked_for)
    mine = near.call_async("ReadOrientation")

    for client in clients:
        client.expect_end()
        client.send_signal(signal.SIGKILL)
    for client in clients:
        client.wait()

    near.wait_property("OrientationInterval", 0)
    near.wait_property("PairingState", "failed")
    assert near.get("PairingDeadline") == 0
    manager.wait_property("Scanning", False)
    lent.wait_property("State", "disconnected")
    # Connect means the connection to be kept, whoever asked for it.
    world.chips[1].call("Shake")
    armed.wait_property("State", "ready")
    mine.wait()


@both_buses
def test_caller_killed_while_polkit_asks(world: World) -> None:
    """The dialog is closed, and a yes that comes late does nothing."""
    world.daemon.add(0)
    polkit = FakePolkit(world.bus)
    client = world.call(world.daemon.chip(), "SetAlias", "('new',)")
    question = polkit.wait_question()
    client.kill()
    world.bus.wait_name_gone(question.subject[1]["name"])
    question.answer(True)
    polkit.synchronize()
    polkit.close()
    world.bus.wait_name_gone("org.freedesktop.PolicyKit1")
    assert world.daemon.chip().get("Alias") == ""


HUGE = 2 * 1024 * 1024
#: Python makes arrays of bytes slowly.
MANY_BYTES = 64 * 1024


@both_buses
def test_huge_messages(world: World) -> None:
    """Megabytes where a word is due: a named error, nothing changed, and the daemon goes on."""
    chip = world.daemon.add(0)
    manager = world.daemon.manager
    before = {name: chip.get(name) for name in ("Alias", "Side", "Paired", "Remembered")}
    text = GLib.Variant("s", "x" * HUGE)
    many = {f"option{number}": GLib.Variant("b", True) for number in range(2000)}
    for target, method, *args in (
        (chip, "SetAlias", text.unpack()),
        (chip, "SetSide", text.unpack()),
        (chip, "SetKey", bytes(MANY_BYTES)),
        (chip, "Pair", many),
        (chip, "Connect", {"timeout": text}),
        (manager, "AddChip", text.unpack(), {}),
        (manager, "AddChip", chip_address(1), {"alias": text}),
        (manager, "AddChip", chip_address(1), {"key": GLib.Variant("ay", bytes(MANY_BYTES))}),
        (manager, "Scan", many),
    ):
        with raises_bus_error(ERROR + "InvalidArguments") as caught:
            target.call(method, *args)
        assert len(caught[0].message) < 300
    with raises_bus_error(ERROR + "NotFound") as caught:
        manager.call("FindChip", text.unpack())
    assert len(caught[0].message) < 300
    assert {name: chip.get(name) for name in before} == before
    assert chip_path(1) not in world.daemon.objects()
    assert chip.get("State") == "ready"


def test_wrong_signatures(world: World) -> None:
    """Every method of the contract, with arguments of other types and numbers than it takes."""
    chip = world.daemon.add(0)
    before = {name: value for name, value in chip.get_all().items() if name not in CHANGING}
    manager = world.daemon.manager
    wrong = [GLib.Variant("(d)", (0.5,)), GLib.Variant("(sssb)", ("a", "b", "c", True)), None]
    for target in (chip, manager, world.daemon.chip(0, f"{CORE2}.Info")):
        for method in target.info.methods:
            signature = "".join(arg.signature for arg in method.in_args)
            for args in wrong:
                if signature == (args.get_type_string()[1:-1] if args else ""):
                    continue
                address = (CORE2, target.path, target.interface, method.name, args)
                with raises_bus_error("org.freedesktop.DBus.Error.InvalidArgs"):
                    world.bus.call(*address)
    assert {name: chip.get(name) for name in before} == before


#: Properties that a chip changes by itself in the course of a test.
CHANGING = {
    "BatteryUpdated",
    "LastConnected",
    "LastSeen",
    "Rssi",
    "StepsUpdated",
    "Battery",
    "BatteryStatus",
}
