# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with BlueZ's GATT objects, by the rows of tests/README.md."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from bluez_world import BATTERY, CHARACTERISTIC, DEVICE, ERROR, PATIENCE, MakeWorld, World
from gi.repository import GLib
from harness import device_path, raises_bus_error, wait_for

READ = "GattCharacteristic1.ReadValue"
WRITE = "GattCharacteristic1.WriteValue"
START = "GattCharacteristic1.StartNotify"


def test_row_12_services_before_their_objects(make_world: MakeWorld) -> None:
    world = make_world("--objects-delay=300", connected=False)
    world.daemon.add(0, ready=False)

    def is_resolved() -> bool:
        interfaces = world.bluez.bus.managed_objects("org.bluez", "/").get(device_path(), {})
        return interfaces.get(DEVICE, {}).get("ServicesResolved", False)

    # For this link: should it be too late for core2d, they are there with the next one.
    wait_for(is_resolved, what="ServicesResolved")
    world.options(objects_delay=0)
    world.connect()
    assert world.count_calls("Adapter1.RemoveDevice") == 0
    world.ready_again()


def test_row_12_objects_first(make_world: MakeWorld) -> None:
    make_world("--objects-first").ready_again()


def test_row_12_objects_that_never_come(make_world: MakeWorld) -> None:
    """One more connection, then BlueZ has to forget the device, which helps."""
    world = make_world("--objects-delay=-1", connected=False)
    chip = world.daemon.add(0, ready=False)
    chip.wait_property("LastError", ERROR + "NotSupported", timeout=PATIENCE)
    world.wait_count("Adapter1.RemoveDevice", 1)
    methods = [call.method for call in world.calls("Device1.Connect", "Adapter1.RemoveDevice")]
    assert methods[:3] == ["Device1.Connect", "Device1.Connect", "Adapter1.RemoveDevice"]
    world.options(objects_delay=0)
    chip.wait_property("State", "ready", timeout=PATIENCE)
    world.ready_again()
    assert world.count_calls("Adapter1.RemoveDevice") == 1


def test_row_12_services_never_resolved(make_world: MakeWorld, tmp_path: Path) -> None:
    config = tmp_path / "core2d.conf"
    config.write_text("[Link]\nReadyTimeoutSec=5\n")
    world = make_world(
        "--resolve-delay=-1", daemon_args=[f"--config={config}"], connected=False
    )
    chip = world.daemon.add(0, ready=False)
    chip.wait_property("LastError", ERROR + "Timeout", timeout=PATIENCE)
    chip.wait_property("StatusText", lambda text: "did not tell its services" in text)
    world.options(resolve_delay=10)
    chip.wait_property("State", "ready", timeout=PATIENCE)


def test_row_13_handles_moved(world: World) -> None:
    """BlueZ does not know a characteristic that it listed: it is to forget the device, once."""
    world.control("ClearCalls")
    before = len(world.chip.changes)
    world.control("RemoveObject", world.characteristic().path, True)
    with raises_bus_error(ERROR + "NotConnected"):
        world.chip.call("ReadSteps")
    world.chip.wait_change("StatusText", lambda text: "out of date" in text, before)
    world.ready_again()
    assert len(world.calls("Adapter1.RemoveDevice")) == 1


def test_row_13_services_stay_out_of_date(world: World) -> None:
    world.control("ClearCalls")
    unknown = "org.freedesktop.DBus.Error.UnknownObject"
    world.fault(READ, error=unknown, message="Method does not exist")
    world.lose_link()
    world.chip.wait_property("StatusText", lambda text: "stays out of date" in text, PATIENCE)
    assert world.chip.get("LastError") == ERROR + "NotSupported"
    assert len(world.calls("Adapter1.RemoveDevice")) == 1
    world.control("ClearFaults")
    world.ready_again()


def test_row_13_other_paths_after_a_reconnect(make_world: MakeWorld) -> None:
    """The chip has one more service than before, so that everything is found elsewhere."""
    world = make_world(chip_args=["--quirk", "gap-service=false"])
    before = len(world.chip.changes)
    world.adapter.call("RemoveDevice", device_path())
    world.chip.wait_change("Connected", False, before)
    world.hands.call("SetQuirk", "gap-service", GLib.Variant("b", True))
    world.ready_again()
    world.hands.call("Step", 3)
    assert world.chip.call("ReadSteps")[0] == world.hands.get("StepsWalked")


@pytest.mark.parametrize("gap", [False, True])
def test_row_14_gap_service(make_world: MakeWorld, gap: bool) -> None:
    world = make_world(*(["--gap"] if gap else []))
    world.chip.call("ReadInfo")
    available = world.daemon.chip(0, "org.example.Core2.Info").get("Available")
    assert "SerialNumber" in available
    assert ("Appearance" in available) is gap
    assert ("MinConnectionInterval" in available) is gap


def test_row_15_empty_battery(world: World) -> None:
    """BlueZ offers no Battery1 then; core2d reads for itself, and shows no number."""
    world.hands.call("SetQuirk", "battery-payload", GLib.Variant("ay", b""))
    with raises_bus_error(ERROR + "NoData"):
        world.chip.call("ReadBattery")
    assert world.chip.get("BatteryStatus") in ("unknown", "stale")
    interfaces = world.bluez.bus.managed_objects("org.bluez", "/")[device_path()]
    assert "org.bluez.Battery1" not in interfaces
    refusal = "Operation failed with ATT error: 0x0e"
    world.fault(READ, world.characteristic(BATTERY).path, error="Failed", message=refusal)
    with raises_bus_error(ERROR + "NoData"):
        world.chip.call("ReadBattery")
    assert world.chip.get("State") == "ready"


def hold_notifications(world: World) -> None:
    """Another program holds those of the steps, from core2d's next connection on."""
    world.fault(START, world.characteristic().path, error="NotPermitted", message="Notify acquired")
    world.lose_link()
    world.chip.wait_property("StatusText", lambda text: "another program" in text)
    world.daemon.wait_idle(world.chip)


def test_row_20_subscribe_then_read(world: World) -> None:
    """By StartNotify, which others may use too, and one read for what was walked before."""
    path = world.characteristic().path
    world.control("ClearCalls")
    world.lose_link()
    world.hands.call("Step", 5)
    world.ready_again()
    methods = [call.method for call in world.calls(START, READ) if call.path == path]
    assert methods == [START, READ]
    assert world.count_calls("GattCharacteristic1.AcquireNotify") == 0


def test_row_20_notifications_held_by_another_program(world: World) -> None:
    # A program holds them as long as its descriptor is open; the bus hands it over with the reply.
    hold_notifications(world)
    assert world.chip.get("State") == "ready"
    world.hands.call("Step", 9)
    assert world.chip.call("ReadSteps")[0] == 9
    assert world.chip.get("StepsTotal") == 9


@pytest.mark.real_bluez
@pytest.mark.real_bluez_usual
def test_row_21_one_notification_gives_one_signal(world: World) -> None:
    for _ in range(3):
        count = len(world.chip.announced("State"))
        world.hands.call("DropLink")
        wait_for(lambda: "ready" in world.chip.announced("State")[count:], what="the link")
    stepped = world.chip.signals("StepsChanged")
    for steps in (4, 2):
        world.hands.call("Step", steps)
        wait_for(lambda: steps in [args[1] for args in stepped.args], what="its signal")
    assert [delta for _steps, delta, _time in stepped.args if delta > 0] == [4, 2]


def test_row_22_value_read_by_somebody_else(world: World) -> None:
    """It is a sample like any other: here core2d itself gets no notifications."""
    hold_notifications(world)
    steps = world.characteristic()
    begin = GLib.get_monotonic_time()
    world.control("ClearCalls")
    stepped = world.chip.signals("StepsChanged")
    world.hands.call("Step", 9)
    steps.call("ReadValue", {})
    stepped.wait(lambda signal: signal.args[1] == 9)
    # A second program reads the same once more, and nothing is counted twice.
    steps.call("ReadValue", {})
    world.hands.call("Step", 1)
    steps.call("ReadValue", {})
    stepped.wait(lambda signal: signal.args[1] == 1)
    assert world.chip.get("StepsTotal") == 10
    assert [args[1] for args in stepped.args if args[1] > 0] == [9, 1]
    # The poll, which comes twice a minute, may be among them.
    polls = 1 + (GLib.get_monotonic_time() - begin) // 30_000_000
    assert len([call for call in world.calls(READ) if call.path == steps.path]) <= polls


def test_row_23_one_thing_after_another(world: World) -> None:
    """The next request goes out when the last is answered: a subscription that is pending is alone."""
    world.chip.call("SetKey", bytes(range(16)))
    world.chip.call("ClaimOrientation", 2000)
    world.daemon.wait_idle(world.chip)
    world.control("ClearCalls")
    delay = 300
    world.fault(START, delay_ms=delay)
    world.lose_link()
    world.ready_again()
    world.wait_count(START, 3)
    world.chip.call("ReadSteps")
    log = world.calls(START, READ, WRITE)
    assert len({call.path for call in log if call.method == START}) == 3
    for call, following in itertools.pairwise(log):
        if call.method == START:
            assert following.time - call.time >= delay * 1000


def test_row_23_link_lost_while_a_subscription_is_pending(world: World) -> None:
    world.control("ClearCalls")
    world.fault(START, delay_ms=300, drop_link_before=True, count=1)
    world.lose_link()
    world.wait_count(START, 2)
    world.ready_again()


def test_row_24_busy_characteristic(world: World) -> None:
    path = world.characteristic(BATTERY).path
    world.control("ClearCalls")
    world.fault(READ, path, error="InProgress", count=3)
    assert world.chip.call("ReadBattery")[0] == 80
    times = [call.time for call in world.calls(READ) if call.path == path]
    assert len(times) == 4
    assert all(later - earlier >= 90_000 for earlier, later in itertools.pairwise(times))


def test_row_24_busy_for_long(world: World) -> None:
    path = world.characteristic(BATTERY).path
    world.control("ClearCalls")
    world.fault(READ, path, error="InProgress")
    with raises_bus_error(ERROR + "InProgress"):
        world.chip.call("ReadBattery")
    assert len([call for call in world.calls(READ) if call.path == path]) == 20
    assert world.chip.get("State") == "ready"


def test_row_24_identical_reads_are_one(world: World) -> None:
    path = world.characteristic(BATTERY).path
    world.control("ClearCalls")
    world.fault(READ, path, delay_ms=1000)
    calls = [world.chip.call_async("ReadBattery") for _ in range(6)]
    assert {call.wait()[0] for call in calls} == {80}
    assert len([call for call in world.calls(READ) if call.path == path]) <= 2


def test_row_24_busy_subscription_is_none(world: World) -> None:
    """StartNotify says InProgress and nothing is subscribed: asked again until it is."""
    path = world.characteristic().path
    world.control("ClearCalls")
    # bluetoothd has forgotten the earlier session.
    world.chip.call("Disconnect")
    world.adapter.call("RemoveDevice", device_path())
    world.fault(START, error="InProgress", count=2)
    world.chip.call("Connect", {})
    world.hands.call("Step", 3)
    world.chip.wait_property("StepsTotal", 3)
    assert len([call for call in world.calls(START) if call.path == path]) == 3


def test_row_24_subscription_of_an_earlier_connection(world: World) -> None:
    """StartNotify says InProgress because core2d is subscribed already, which is shown by Notifying."""
    path = world.characteristic().path
    assert world.bluez.remote(path, CHARACTERISTIC).get("Notifying") is True
    world.control("ClearCalls")
    world.fault(START, path, error="InProgress", count=1)
    world.lose_link()
    world.properties_changed(path, CHARACTERISTIC, Notifying=True)
    world.ready_again()
    assert len([call for call in world.calls(START) if call.path == path]) <= 2
