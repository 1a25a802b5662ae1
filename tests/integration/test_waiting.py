# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for chips that sleep: all at once, for as long as it takes, and for nothing else."""

from __future__ import annotations

from bluez_world import ASLEEP, DEVICE, FEE0, PATIENCE, MakeWorld, World
from gi.repository import GLib
from harness import Bus, Remote, VirtualClock, chip_address, device_path, wait_for

NEVER_MS = 3_600_000
#: Core2d's own limit, of Connect calls that are pending at once.
MAX_PENDING = 100


def wait_asleep(chip: Remote) -> None:
    chip.wait_property("StatusText", ASLEEP, timeout=PATIENCE)
    assert chip.get("State") == "waiting"


def wait_asleep_later(clock: VirtualClock, chip: Remote) -> None:
    clock.wait(lambda: chip.get("StatusText") == ASLEEP, "the chip to be taken for asleep")


def test_fifty_sleeping_chips_are_all_waited_for_at_once(make_world: MakeWorld) -> None:
    world = make_world(
        f"--connect-timeout={NEVER_MS}", chips=50, chip_args=["--asleep"], connected=False
    )
    for index in range(50):
        world.know(index)
    chips = [world.daemon.add(index, ready=False) for index in range(50)]
    for chip in chips:
        wait_asleep(chip)
    world.control("ClearCalls")
    # Each is heard at once, whichever it is, because nothing has to be asked for it any more.
    for index in (49, 0, 25):
        begin = GLib.get_monotonic_time()
        world.chips[index].call("Shake")
        chips[index].wait_property("State", "ready")
        print(f"ready {(GLib.get_monotonic_time() - begin) // 1000} ms after the shake")
    for index in range(50):
        world.chips[index].call("Shake")
    for chip in chips:
        chip.wait_property("State", "ready", timeout=PATIENCE)
    assert world.calls("Device1.Connect", "Adapter1.StartDiscovery") == []


def test_a_sleeping_chip_is_asked_for_again_when_bluez_gives_up(make_world: MakeWorld) -> None:
    """bluetoothd gives up after 41 s; 6 s are enough to tell sleep from an aborted connection."""
    world = make_world("--connect-timeout=6000", chip_args=["--asleep"], connected=False)
    world.know()
    chip = world.daemon.add(0, ready=False)
    wait_asleep(chip)
    said = world.daemon.stderr
    world.wait_count("Device1.Connect", 3)
    assert chip.announced("StatusText").count(ASLEEP) == 1
    assert world.calls("Adapter1.StartDiscovery", "Device1.Disconnect") == []
    # What there is to say of its sleep was said when it began.
    assert world.daemon.stderr == said
    world.hands.call("Shake")
    chip.wait_property("State", "ready", timeout=PATIENCE)


def test_more_sleeping_chips_than_bluez_is_asked_for_at_once(bus: Bus, make_world: MakeWorld) -> None:
    clock = VirtualClock(bus)
    world = make_world(
        f"--connect-timeout={NEVER_MS}", chips=3, chip_args=["--asleep"], connected=False
    )
    # Those that never wake have addresses after the three that can.
    sleepers = range(3, 3 + MAX_PENDING)
    for index in (*range(3), *sleepers):
        world.know(index)
    for index in sleepers:
        world.daemon.add(index, ready=False)
    world.wait_count("Device1.Connect", MAX_PENDING)
    chips = [world.daemon.add(index, ready=False) for index in range(3)]
    for index, chip in enumerate(chips):
        world.chips[index].call("Shake")
        chip.wait_property("State", "ready", timeout=PATIENCE)

    # One more than there are places: one gives its place to it, and three seconds later one to that one.
    world.know(sleepers.stop)
    wait_asleep_later(clock, world.daemon.add(sleepers.stop, ready=False))
    world.control("ClearCalls")
    begin = clock.monotonic()
    clock.wait(lambda: len(world.calls("Device1.Connect")) >= 5, "some turns")
    turns = (clock.monotonic() - begin) / 3
    assert len(world.calls("Device1.Connect")) <= turns + 2


def test_a_chip_that_is_heard_goes_first(make_world: MakeWorld) -> None:
    """Somebody scans, and a chip whose turn is not yet advertises."""
    world = make_world(f"--connect-timeout={NEVER_MS}", chip_args=["--asleep"], connected=False)
    for index in range(1 + MAX_PENDING):
        world.know(index)
    for index in range(1 + MAX_PENDING):
        world.daemon.add(index, ready=False)
    chip = world.daemon.chip(0)
    wait_asleep(chip)
    options = {"timeout": GLib.Variant("u", 60), "max": GLib.Variant("u", 1)}
    scan = world.daemon.manager.call_async("Scan", options)
    world.adapter.wait_property("Discovering", True)
    world.hands.call("Shake")
    chip.wait_property("State", "ready", timeout=PATIENCE)
    scan.wait(PATIENCE)


class Band:
    """A Mi Band of the user: it has the chip's service and company, and BlueZ knows and trusts it."""

    def __init__(self, world: World, index: int) -> None:
        self.world = world
        self.radio = f"/org/bluez/hci{index + 1}"
        self.device = world.bluez.remote(device_path(index), DEVICE)

    def is_connected(self) -> bool:
        return any(self.device.path in link for link in self.world.control("Links"))

    def is_known(self) -> bool:
        return self.device.path in self.world.bluez.bus.managed_objects("org.bluez", "/")

    def introduce(self) -> None:
        """As its own program does: finds it, connects, trusts it, and lets go."""
        world = self.world
        world.adapter.call("StartDiscovery")
        wait_for(self.is_known, what="the band")
        world.adapter.call("StopDiscovery")
        self.device.call("Connect")
        self.device.wait_property("ServicesResolved", True)
        self.device.call("Disconnect")
        self.device.set("Trusted", True)


def test_a_mi_band_is_never_connected(make_world: MakeWorld) -> None:
    """It comes into reach while core2d waits for a chip, and nobody but its own program connects it."""
    # The name is the band's. The chip is found by the address that core2d is given.
    world = make_world(chips=2, chip_args=["--name=Mi Smart Band 5"], connected=False)
    band = Band(world, 1)
    band.introduce()
    assert FEE0 in band.device.get("UUIDs")
    chip = world.daemon.add(0)
    world.control("SetInRange", "/org/bluez/hci1", False)
    wait_asleep(chip)
    links = world.bluez.bus.signals("org.bluez", band.device.path)
    for in_range in (False, True):
        world.control("SetInRange", band.radio, in_range)
    assert world.daemon.manager.call("Scan", {"timeout": GLib.Variant("u", 2)}) == []
    world.control("SetInRange", "/org/bluez/hci1", True)
    chip.wait_property("State", "ready", timeout=PATIENCE)
    assert not band.is_connected()
    assert not any("Connected" in signal.args[1] for signal in links if len(signal.args) == 3)
    calls = world.calls("Device1.Connect", "Device1.Disconnect", "Properties.Set")
    assert {call.path for call in calls} == {device_path(0)}
    assert world.calls("GattManager1.RegisterApplication") == []
    assert chip_address(1) not in str(world.daemon.objects())
