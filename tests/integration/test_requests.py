# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a client's request does when something else comes in between: another request, a setting, an end."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest
from bluez_world import BATTERY, ERROR, MakeWorld, World
from gi.repository import GLib
from harness import Bus, BusError, VirtualClock, chip_address, chip_path, device_path
from harness import raises_bus_error, wait_for
from shoe import OTHER_KEY, Shoe

RADIO = "/org/bluez/hci1"
ORIENTATION = "00000003-0000-3512-2118-0009af100700"
#: In the service of the fields that are read last, five of them.
SERIAL_NUMBER = "00002a25-0000-1000-8000-00805f9b34fb"
START_NOTIFY, READ, WRITE = (
    f"GattCharacteristic1.{name}" for name in ("StartNotify", "ReadValue", "WriteValue")
)
SET, DISCONNECT, REMOVE = "Properties.Set", "Device1.Disconnect", "Adapter1.RemoveDevice"

#: Of a call that is to wait until the test clears the faults.
HOUR_MS = 3_600_000
OLD_KEY_AGAIN = {"new-key": GLib.Variant("b", False)}


@pytest.fixture
def clock(bus: Bus) -> VirtualClock:
    """Before everything else that lives in its time."""
    return VirtualClock(bus)


# --- keys -----------------------------------------------------------------------------------------------------


def test_added_with_a_key_while_it_is_paired(shoe: Shoe) -> None:
    """The chip gets the key that was stored: another one must not take its place in the store."""
    shoe.give_key()
    pair = shoe.chip.call_async("Pair", OLD_KEY_AGAIN)
    shoe.hands.wait_property("PairingWaitsForShake", True)
    with raises_bus_error(ERROR + "InProgress"):
        shoe.daemon.add(0, ready=False, key=GLib.Variant("ay", OTHER_KEY))
    # Without a key it is as always.
    shoe.daemon.add(0, ready=False, alias=GLib.Variant("s", "red"))
    shoe.hands.call("Shake")
    pair.wait()
    shoe.wait_key()


def test_late_shake_for_the_old_key(shoe: Shoe) -> None:
    """The chip takes the key that it has, after the caller's time: its counter starts again all the same."""
    shoe.give_key()
    shoe.walk(20)
    with raises_bus_error(ERROR + "NotShaken"):
        shoe.pair(timeout=GLib.Variant("u", 1), **OLD_KEY_AGAIN)
    resets = shoe.chip.signals("CounterReset")
    shoe.hands.call("Shake")
    resets.wait()
    assert resets.args == [(20, 0, "pairing")]
    shoe.walk(3)
    assert shoe.chip.get("StepsTotal") == 23


# --- orientation ----------------------------------------------------------------------------------------------


def test_claim_while_it_connects(world: World) -> None:
    """The chip is asked once core2d hears its answer, not before."""
    path = world.characteristic(ORIENTATION).path
    world.control("ClearCalls")
    world.fault(START_NOTIFY, world.characteristic().path, delay_ms=HOUR_MS, count=1)
    world.lose_link()
    world.wait_count(START_NOTIFY, 1)
    samples = world.chip.signals("OrientationChanged")
    world.chip.call("ClaimOrientation", 60_000)
    world.control("ClearFaults")
    samples.wait()
    calls = [call.method for call in world.calls(START_NOTIFY, WRITE) if call.path == path]
    assert calls == [START_NOTIFY, WRITE]


def test_orientation_waits_for_its_turn(
    clock: VirtualClock, make_world: MakeWorld, tmp_path: Path
) -> None:
    """The chip's time for an answer begins when it is asked, not while another request is on its way."""
    file = tmp_path / "core2d.conf"
    file.write_text("[Link]\nRequestTimeoutSec=60\n")
    world = make_world(chip_args=["--quirk=orientation-delay=0"], daemon_args=[f"--config={file}"])
    reads = world.count_calls(READ)
    world.fault(READ, world.characteristic(BATTERY).path, delay_ms=HOUR_MS, count=1)
    battery = world.chip.call_async("ReadBattery")
    world.wait_count(READ, reads + 1)
    orientation = world.chip.call_async("ReadOrientation")
    # It has eight seconds.
    for _ in range(3):
        world.chip.get("State")
        clock.add(5)
    world.chip.get("State")
    world.control("ClearFaults")
    battery.wait()
    orientation.wait()


def test_reloaded_orientation_interval(make_world: MakeWorld, tmp_path: Path) -> None:
    """The properties tell the interval that is in force, also of claims from before."""
    file = tmp_path / "core2d.conf"

    def write(interval: int) -> None:
        file.write_text(f"[Orientation]\nMinIntervalMs={interval}\n")

    write(300)
    world = make_world(daemon_args=[f"--config={file}"])
    manager = world.daemon.manager
    assert manager.get("MinOrientationInterval") == 300
    assert world.chip.call("ClaimOrientation", 1000) == 1000
    for interval, used in ((5000, 5000), (100, 1000)):
        write(interval)
        world.daemon.process.send_signal(signal.SIGHUP)
        manager.wait_property("MinOrientationInterval", interval)
        world.chip.wait_property("OrientationInterval", used)


# --- reading --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault, error",
    [({"error": "NotConnected"}, "NotConnected"), ({"never_answer": True}, "Timeout")],
    ids=["not-connected", "no-answer"],
)
def test_last_field_meets_the_end_of_the_link(
    clock: VirtualClock, make_world: MakeWorld, fault: dict[str, str | bool], error: str
) -> None:
    """What could not be read because of the link is no field that the chip lacks."""
    world = make_world()
    info = world.daemon.chip(0, "org.example.Core2.Info")
    before = info.get_all()
    service = world.characteristic(SERIAL_NUMBER).path.rpartition("/")[0]
    world.fault(READ, service, skip=4, count=1, **fault)
    reading = world.chip.call_async("ReadInfo")
    clock.wait(lambda: reading.done, "the answer")
    with raises_bus_error(ERROR + error):
        reading.wait()
    assert info.get_all() == before


def test_set_auto_connect_does_not_cut_requests_short(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """A link that nobody keeps any more lasts for what is being read over it."""
    world = make_world()
    reads = world.count_calls(READ)
    world.fault(READ, delay_ms=HOUR_MS, count=1)
    reading = world.chip.call_async("ReadInfo")
    world.wait_count(READ, reads + 1)
    world.chip.call("SetAutoConnect", False)
    assert world.chip.get("State") == "ready"
    world.control("ClearFaults")
    reading.wait()
    clock.wait(lambda: world.chip.get("State") == "disconnected", "the end of the link")


@pytest.mark.parametrize("off", [True, False], ids=["off", "unplugged"])
def test_scan_ends_with_the_adapter(world: World, off: bool) -> None:
    """Nobody listens any more: that is no scan that found nothing."""
    options = {"timeout": GLib.Variant("u", 60), "max": GLib.Variant("u", 9)}
    scan = world.daemon.manager.call_async("Scan", options)
    world.adapter.wait_property("Discovering", True)
    if off:
        world.adapter.set("Powered", False)
    else:
        world.control("RemoveAdapter", world.adapter.path)
    with raises_bus_error(ERROR + "AdapterUnavailable"):
        scan.wait()


def test_chip_is_removed_while_it_is_scanned_for(make_world: MakeWorld) -> None:
    """The scan tells objects that are there."""
    world = make_world(chips=2, connected=False)
    manager = world.daemon.manager
    options = {"timeout": GLib.Variant("u", 60), "max": GLib.Variant("u", 2)}
    world.control("SetInRange", "/org/bluez/hci2", False)
    scan = manager.call_async("Scan", options)
    wait_for(lambda: chip_path() in world.daemon.objects(), what="the first chip")
    world.control("SetInRange", RADIO, False)
    manager.call("RemoveChip", chip_path(), {})
    world.control("SetInRange", "/org/bluez/hci2", True)
    wait_for(lambda: chip_path(1) in world.daemon.objects(), what="the second chip")
    assert not scan.done
    world.control("SetInRange", RADIO, True)
    assert sorted(scan.wait()) == [chip_path(0), chip_path(1)]
    assert chip_path() in world.daemon.objects()


def test_connect_to_what_is_no_chip(make_world: MakeWorld) -> None:
    """It is not asleep: shaking it would be of no use."""
    world = make_world(chip_args=["--quirk=missing=steps"], connected=False)
    chip = world.daemon.add(0, ready=False)
    chip.wait_property("LastError", ERROR + "NotSupported")

    def refusal() -> str:
        with pytest.raises(BusError) as caught:
            chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
        return caught.value.name

    # On a busy computer the next attempt may take so long that the chip seems to be asleep.
    wait_for(lambda: refusal() == ERROR + "NotSupported", what="the reason")


def test_reloaded_battery_interval(
    clock: VirtualClock, make_world: MakeWorld, tmp_path: Path
) -> None:
    """The battery is not left alone for what the old one had left, which may be a week."""
    file = tmp_path / "core2d.conf"
    file.write_text("[Battery]\nIntervalMin=10080\n")
    world = make_world(daemon_args=[f"--config={file}"])
    before = world.chip.get("BatteryUpdated")
    file.write_text("[Battery]\nIntervalMin=1\n")
    world.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration read again" in world.daemon.stderr, what="the reload")
    clock.wait(lambda: world.chip.get("BatteryUpdated") != before, "a reading")


# --- going away -----------------------------------------------------------------------------------------------


def test_disconnect_before_bluez_trusts_it(make_world: MakeWorld) -> None:
    """BlueZ has not answered yet that it will connect the chip by itself: that is taken back all the same."""
    world = make_world(connected=False)
    world.fault(SET, never_answer=True, count=1)
    world.daemon.add(0)
    world.wait_count(SET, 1)
    world.control("ClearCalls")
    world.chip.call("Disconnect")
    assert [call.method for call in world.calls(SET, DISCONNECT)] == [SET, DISCONNECT]
    world.control("ClearFaults")


def test_disconnect_of_a_chip_that_is_away(world: World) -> None:
    """BlueZ must not connect it when it comes back."""
    world.device.wait_property("Trusted", True)
    world.hands.call("Sleep")
    world.chip.wait_property("Connected", False)
    world.chip.call("Disconnect")
    world.device.wait_property("Trusted", False)


def test_removed_chip_is_not_trusted(world: World) -> None:
    """Nor may it connect one that it is to keep."""
    world.device.wait_property("Trusted", True)
    world.daemon.manager.call("RemoveChip", chip_path(), {"forget-bluez": GLib.Variant("b", False)})
    world.device.wait_property("Trusted", False)


def test_every_adapter_forgets_a_removed_chip(make_world: MakeWorld) -> None:
    world = make_world(centrals=2)
    used, other = world.adapter_paths()
    # It may have been seen there already.
    with suppress(BusError):
        world.control("RememberDevice", other, chip_address(), {})
    world.daemon.manager.call("RemoveChip", chip_path(), {})
    paths = {device_path(0, used), device_path(0, other)}
    known = lambda: paths & set(world.bluez.bus.managed_objects("org.bluez", "/"))  # noqa: E731
    wait_for(lambda: not known(), what="both adapters to forget it")


def test_remove_that_fails_changes_nothing(world: World) -> None:
    """The chip is still there, and so is each of its steps, once."""
    world.ready_again()
    total = world.chip.get("StepsTotal")
    obstacle = world.daemon.state_directory / "chips" / (chip_path().rpartition("/")[2] + ".removed")
    obstacle.mkdir()
    with raises_bus_error(ERROR + "Storage"):
        world.daemon.manager.call("RemoveChip", chip_path(), {})
    obstacle.rmdir()
    world.daemon.kill()
    world.daemon.start()
    assert world.chip.get("StepsTotal") == total
    world.ready_again()


def test_who_waits_is_told_that_core2d_stops(world: World) -> None:
    world.hands.call("Sleep")
    world.chip.wait_property("Connected", False)
    waiting = [world.chip.call_async("Connect", {}), world.chip.call_async("ReadSteps")]
    world.daemon.objects()
    world.daemon.stop()
    for call in waiting:
        with raises_bus_error(ERROR + "Cancelled") as caught:
            call.wait()
        assert "stopping" in caught[0].message
    world.daemon.start()
