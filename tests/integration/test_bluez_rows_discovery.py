# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with BlueZ around discovery and lists of objects, by the rows of tests/README.md."""

from __future__ import annotations

from contextlib import suppress

from bluez_world import ADAPTER, ASLEEP, DEVICE, ERROR, PATIENCE, Call, MakeWorld, World
from gi.repository import GLib
from harness import HCI0, Bus, BusError, Pending, Remote, VirtualClock, chip_address, device_path
from harness import raises_bus_error, wait_for

#: A device that nothing can be but a chip: by its name.
CHIP = {"Name": "HM0D"}
CHIP_ADDRESS = "F1:4F:BB:00:00:01"


def scan(world: World, timeout: int, most: int = 0) -> Pending:
    options = {"timeout": GLib.Variant("u", timeout), "max": GLib.Variant("u", most)}
    return world.daemon.manager.call_async("Scan", options)


def scan_calls(world: World) -> list[str]:
    return [call.method for call in world.calls("Adapter1.StartDiscovery", "Adapter1.StopDiscovery")]


def test_row_01_no_held_discovery(world: World) -> None:
    """Nobody discovers but for a scan or a search, and both end by themselves."""
    world.adapter.wait_property("Discovering", False)
    world.control("ClearCalls")
    scan(world, 1).wait()
    world.adapter.wait_property("Discovering", False)
    assert scan_calls(world) == ["Adapter1.StartDiscovery", "Adapter1.StopDiscovery"]
    # Waiting for a chip that sleeps is no discovery, and looking for one that is unknown has an end.
    world.hands.call("Sleep")
    world.chip.wait_property("StatusText", ASLEEP, timeout=PATIENCE)
    assert len(scan_calls(world)) == 2
    stranger = world.daemon.add(1, ready=False)
    stranger.wait_property("StatusText", lambda text: "not seen" in text)
    # After a pause it is looked for again.
    wait_for(lambda: len(scan_calls(world)) >= 4, what="the end of a search")
    assert scan_calls(world)[2:4] == ["Adapter1.StartDiscovery", "Adapter1.StopDiscovery"]


def switch_adapter_off(world: World) -> Remote:
    """Switches the adapter off that the chip is known on, and returns it; the other stays on. The chip is out of reach."""
    used, other = world.adapter_paths()
    # A Connect that is answered late: when the search is under way, which goes on.
    aborted = "le-connection-abort-by-local"
    world.fault("Device1.Connect", error="Failed", message=aborted, delay_ms=4000, count=1)
    world.control("SetInRange", "/org/bluez/hci2", False)
    world.chip.wait_property("Connected", False)
    wait_for(lambda: world.count_calls("Device1.Connect") == 2, what="a Connect")
    # It may have been seen there, and that may be forgotten at any time.
    with suppress(BusError):
        world.bluez.remote(other, ADAPTER).call("RemoveDevice", device_path(0, other))
    world.control("ClearCalls")
    adapter = world.bluez.remote(used, ADAPTER)
    adapter.set("Powered", False)
    return adapter


def wait_for_search(clock: VirtualClock, world: World) -> None:
    clock.wait(lambda: "Adapter1.StopDiscovery" in scan_calls(world)[-1:], "the end of a search")


def test_row_01_no_held_discovery_on_another_adapter(bus: Bus, make_world: MakeWorld) -> None:
    """The chip is known on an adapter that is off, and looked for on the other, with pauses there, too."""
    clock = VirtualClock(bus)
    world = make_world(centrals=2)
    switch_adapter_off(world)
    wait_for_search(clock, world)
    for _ in range(3):
        # What core2d does at once it has done then.
        clock.let_answer()
        world.daemon.manager.get("Scanning")
    assert scan_calls(world) == ["Adapter1.StartDiscovery", "Adapter1.StopDiscovery"]
    world.control("SetInRange", "/org/bluez/hci2", True)
    world.chip.call("Connect", {})
    world.ready_again()


def test_adapter_comes_back_while_another_is_searched(bus: Bus, make_world: MakeWorld) -> None:
    """However long the pauses between searches on the other have become, it is connected at once."""
    clock = VirtualClock(bus)
    world = make_world(centrals=2)
    adapter = switch_adapter_off(world)
    for _ in range(3):
        wait_for_search(clock, world)
        world.control("ClearCalls")
    world.control("SetInRange", "/org/bluez/hci2", True)
    adapter.set("Powered", True)
    # The next search would be a minute later.
    assert clock.wait(lambda: world.chip.get("State") == "ready", "a connection") < 30
    assert not scan_calls(world)
    world.ready_again()


def test_row_01_no_held_discovery_for_who_waits_long(bus: Bus, make_world: MakeWorld) -> None:
    """A Connect of ten minutes to a chip that is not there: a minute of discovery, then pauses."""
    clock = VirtualClock(bus)
    world = make_world(connected=False)
    chip = world.daemon.add(1, ready=False, connect=GLib.Variant("b", False))
    connect = chip.call_async("Connect", {"timeout": GLib.Variant("u", 600)})
    world.adapter.wait_property("Discovering", True)
    begin, discovered = clock.monotonic(), 0.0
    while clock.monotonic() - begin < 300:
        seconds = clock.monotonic()
        clock.add(2)
        world.daemon.manager.get("Scanning")
        clock.let_answer()
        if world.adapter.get("Discovering"):
            discovered += clock.monotonic() - seconds
    assert 50 <= discovered <= 200
    assert not connect.done
    chip.call("Disconnect")
    with raises_bus_error(ERROR + "Cancelled"):
        connect.wait()


def discovers_at(log: list[Call], wanted: str) -> list[bool]:
    """For each call of that method: whether core2d was discovering."""
    states = []
    discovering = False
    for call in log:
        if call.method == wanted:
            states.append(discovering)
        else:
            discovering = call.method == "Adapter1.StartDiscovery"
    return states


CONNECTS = ("Adapter1.StartDiscovery", "Adapter1.StopDiscovery", "Device1.Connect")


def test_row_02_no_connect_while_discovering(make_world: MakeWorld) -> None:
    # A search stops as soon as it has found the chip.
    world = make_world()
    assert discovers_at(world.calls(*CONNECTS), "Device1.Connect") == [False]
    # A scan of somebody gives way, and goes on afterwards.
    world.fault("Device1.Connect", delay_ms=300)
    waiting = scan(world, 60, most=9)
    world.adapter.wait_property("Discovering", True)
    world.lose_link()
    world.ready_again()
    assert discovers_at(world.calls(*CONNECTS), "Device1.Connect") == [False, False]
    world.adapter.wait_property("Discovering", True)
    assert world.daemon.manager.get("Scanning") is True
    assert not waiting.done
    world.daemon.stop()


def test_row_06_filter_of_its_own(make_world: MakeWorld) -> None:
    world = make_world(connected=False)
    world.control("AddDevice", HCI0, CHIP_ADDRESS, CHIP)
    world.control("AddDevice", HCI0, "C0:00:00:00:00:01", {"Name": "headphones"})
    found = scan(world, 60, most=2).wait()
    assert {path.rpartition("/")[2].replace("_", ":") for path in found} == {
        CHIP_ADDRESS,
        chip_address(),
    }
    methods = ("Adapter1.SetDiscoveryFilter", "Adapter1.StartDiscovery")
    assert [call.method for call in world.calls(*methods)] == list(methods)
    # A filter that BlueZ refuses is no reason not to look.
    world.adapter.wait_property("Discovering", False)
    world.fault("Adapter1.SetDiscoveryFilter", error="Failed", count=1)
    assert scan(world, 60, most=1).wait()


def test_row_07_one_session(world: World) -> None:
    """Scans, and the search for a chip that BlueZ does not know, share one discovery."""
    world.control("ClearCalls")
    short, long = scan(world, 1), scan(world, 60, most=9)
    world.adapter.wait_property("Discovering", True)
    searched = world.daemon.add(1, ready=False)
    searched.wait_property("StatusText", lambda text: "not seen" in text)
    short.wait()
    assert world.adapter.get("Discovering") is True
    assert not long.done
    # A session of ours that BlueZ still has is taken over.
    world.adapter.set("Powered", False)
    world.adapter.wait_property("Powered", False)
    assert scan_calls(world) == ["Adapter1.StartDiscovery"]
    world.fault("Adapter1.StartDiscovery", error="InProgress", count=1)
    world.adapter.set("Powered", True)
    world.adapter.wait_property("Powered", True)
    again = scan(world, 1)
    again.wait()
    world.daemon.stop()


def test_row_08_device_vanishes_with_the_discovery(make_world: MakeWorld) -> None:
    """BlueZ forgets it as soon as the discovery stops, so it is connected before that."""
    world = make_world(connected=False)
    world.options(forget_on_stop=True)
    world.connect()
    connects = world.calls(*CONNECTS)
    assert discovers_at(connects, "Device1.Connect")[-1] is True
    wait_for(lambda: scan_calls(world)[-1] == "Adapter1.StopDiscovery", what="the discovery's end")
    world.lose_link()
    world.ready_again()


def test_row_08_device_unknown_without_a_word(make_world: MakeWorld) -> None:
    """Connect answers UnknownObject, though no signal said that the device went."""
    world = make_world()
    world.control("SetInRange", "/org/bluez/hci1", False)
    world.chip.wait_property("StatusText", ASLEEP, timeout=PATIENCE)
    world.chip.call("Disconnect")
    world.control("RemoveObject", device_path(), True)
    world.control("SetInRange", "/org/bluez/hci1", True)
    # And said once more, falsely, of the device that was found again.
    world.fault("Device1.Connect", error="org.freedesktop.DBus.Error.UnknownObject", count=1)
    world.chip.call("Connect", {}, timeout=PATIENCE)
    world.ready_again()


def test_row_25_rssi_is_not_presence(make_world: MakeWorld) -> None:
    world = make_world(connected=False)
    # Another program discovers: BlueZ lists the chip, with its RSSI.
    world.adapter.call("StartDiscovery")
    known = lambda: device_path() in world.bluez.bus.managed_objects("org.bluez", "/")  # noqa: E731
    wait_for(known, what="the chip")
    assert world.device.get("RSSI") != 0
    world.control("SetInRange", "/org/bluez/hci1", False)
    world.daemon.add(0, ready=False, connect=GLib.Variant("b", False))
    world.daemon.restart()
    chip = world.daemon.chip(0)
    wait_for(lambda: world.daemon.manager.get("AdapterState") == "on", what="BlueZ's list")
    assert chip.get("LastSeen") == 0
    # A change of data is a sign of life.
    world.control("SetRssi", "/org/bluez/hci1", -31)
    world.control("SetInRange", "/org/bluez/hci1", True)
    world.control("Advertise", "/org/bluez/hci1")
    wait_for(lambda: chip.get("LastSeen") > 0, what="the sign of life")
    assert chip.get("Rssi") == -31


def test_row_26_name_comes_later(make_world: MakeWorld) -> None:
    world = make_world(connected=False)
    world.control("SetInRange", "/org/bluez/hci1", False)
    path = world.control("AddDevice", HCI0, CHIP_ADDRESS, {"advertising": False})
    waiting = scan(world, 60, most=1)
    world.adapter.wait_property("Discovering", True)
    world.control("Advertise", path)
    listed = lambda: path in world.bluez.bus.managed_objects("org.bluez", "/")  # noqa: E731
    wait_for(listed, what="the nameless device")
    assert not waiting.done
    world.properties_changed(path, DEVICE, Name="HM0D")
    (found,) = waiting.wait()
    assert found.endswith(CHIP_ADDRESS.replace(":", "_"))


def test_row_27_no_gap_between_signals_and_list(make_world: MakeWorld) -> None:
    """What happens while BlueZ's objects are being listed counts, also after it was started again."""
    world = make_world(connected=False)
    world.daemon.stop()
    for number in range(2):
        world.control("ClearCalls")
        world.fault("ObjectManager.GetManagedObjects", delay_ms=400, count=1)
        world.daemon.start()
        wait_for(lambda: world.calls("ObjectManager.GetManagedObjects"), what="core2d to list")
        address = f"C0:00:00:00:00:0{number}"
        path = world.control("RememberDevice", HCI0, address, {"Trusted": True})
        chip_path = world.daemon.manager.call("AddChip", address, {})
        wait_for(
            lambda: path in [call.path for call in world.calls("Device1.Connect")],
            what="a Connect to what came meanwhile",
        )
        # And what went meanwhile is gone.
        world.daemon.manager.call("RemoveChip", chip_path, {})
        world.daemon.stop()
    world.daemon.start()
