# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong with BlueZ around connecting, by the rows of tests/README.md."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from bluez_world import ADAPTER, ASLEEP, DEVICE, ERROR, FEE0, PATIENCE, MakeWorld, World
from gi.repository import GLib
from harness import HCI0, device_path, raises_bus_error, wait_for
from virtual_bluez_client import Profile

ABORTED = {"error": "Failed", "message": "le-connection-abort-by-local", "flash_connected": True}
SECOND = 1_000_000


def pauses(world: World) -> list[float]:
    """Seconds between one Connect and the next."""
    times = [call.time for call in world.calls("Device1.Connect")]
    return [(later - earlier) / SECOND for earlier, later in itertools.pairwise(times)]


#: For so many milliseconds the link that is aborted seems to be one.
flashes = pytest.mark.parametrize("flash", [0, 100])


@flashes
def test_row_03_abort_by_local_is_retried_at_once(world: World, flash: int) -> None:
    world.control("ClearCalls")
    world.fault("Device1.Connect", count=4, delay_ms=flash, **ABORTED)
    before = world.lose_link()
    world.ready_again()
    assert len(world.calls("Device1.Connect")) == 5
    # Nor was there a pause, in which this is said; it is also said when a slow machine takes seconds for an answer.
    slow = any(detail == "no answer to Connect" for *_, detail in world.chip.call("GetErrors"))
    assert slow or ASLEEP not in world.chip.announced("StatusText", before)


@flashes
def test_row_03_then_it_backs_off(world: World, flash: int) -> None:
    world.control("ClearCalls")
    world.fault("Device1.Connect", count=7, delay_ms=flash, **ABORTED)
    world.chip.wait_change("LastError", ERROR + "Asleep", world.lose_link())
    world.ready_again()
    # Four times at once, then after one second and more.
    assert len(pauses(world)) == 7
    assert all(pause >= 1 for pause in pauses(world)[4:])


def test_row_03_link_that_ends_before_it_is_of_use(world: World) -> None:
    """Connect succeeds each time, and then the link goes: that is no success, either."""
    world.control("ClearCalls")
    start = "GattCharacteristic1.StartNotify"
    world.fault(start, drop_link_before=True, count=6)
    world.lose_link()
    world.ready_again()
    assert len(pauses(world)) == 6
    assert all(pause >= 1 for pause in pauses(world)[4:])


def test_row_04_another_program_connects(world: World) -> None:
    """Its Connect is pending when core2d asks; its success is core2d's."""
    world.chip.call("Disconnect")
    world.control("SetInRange", "/org/bluez/hci1", False)
    world.control("ClearCalls")
    others = world.device.call_async("Connect")
    world.wait_count("Device1.Connect", 1)
    before = len(world.chip.changes)
    waiting = world.chip.call_async("Connect", {})
    # It waits no longer than ten seconds for that program.
    world.chip.wait_change("StatusText", "another program is connecting to the chip", before)
    world.control("SetInRange", "/org/bluez/hci1", True)
    others.wait()
    waiting.wait()
    assert ERROR + "InProgress" in world.chip.announced("LastError", before)
    world.ready_again()


def test_row_04_connect_in_progress_for_long(world: World) -> None:
    """Both ways to say it. In the end it is cancelled, at once when somebody wants the chip now."""
    text = "Operation already in progress"
    for answer in ({"error": "InProgress"}, {"error": "Failed", "message": text}):
        world.control("ClearCalls")
        world.fault("Device1.Connect", count=1, **answer)
        world.chip.wait_change("LastError", ERROR + "InProgress", world.lose_link())
        if answer["error"] == "Failed":
            world.chip.call("Connect", {})
        world.ready_again()
        methods = [call.method for call in world.calls("Device1.Connect", "Device1.Disconnect")]
        assert methods == ["Device1.Connect", "Device1.Disconnect", "Device1.Connect"]


def test_row_05_connect_without_an_answer(make_world: MakeWorld, tmp_path: Path) -> None:
    config = tmp_path / "core2d.conf"
    config.write_text("[Link]\nConnectTimeoutSec=5\n")
    world = make_world(daemon_args=[f"--config={config}"])
    world.control("ClearCalls")
    world.fault("Device1.Connect", never_answer=True, count=1)
    world.chip.wait_change("LastError", ERROR + "Timeout", world.lose_link(), timeout=PATIENCE)
    world.ready_again()
    methods = [call.method for call in world.calls("Device1.Connect", "Device1.Disconnect")]
    assert methods == ["Device1.Connect", "Device1.Disconnect", "Device1.Connect"]
    world.control("ClearFaults")


@pytest.mark.real_bluez
def test_row_09_removed_by_another_tool(world: World) -> None:
    before = len(world.chip.changes)
    world.adapter.call("RemoveDevice", device_path())
    world.chip.wait_change("Connected", False, before)
    world.hands.call("Step", 5)
    world.ready_again()


def test_row_09_pending_calls_of_what_went_end(world: World) -> None:
    world.control("ClearCalls")
    world.fault("GattCharacteristic1.ReadValue", never_answer=True)
    reading = world.chip.call_async("ReadBattery")
    world.wait_count("GattCharacteristic1.ReadValue", 1)
    world.adapter.call("RemoveDevice", device_path())
    with raises_bus_error(ERROR + "NotConnected"):
        reading.wait()
    world.control("ClearFaults")
    world.ready_again()


def test_row_09_found_again_on_another_adapter(make_world: MakeWorld) -> None:
    world = make_world(centrals=2)
    chip = world.chip
    first = chip.get("Adapter")
    adapters = {
        world.bluez.remote(path, ADAPTER).get("Address"): path for path in (HCI0, "/org/bluez/hci1")
    }
    (second,) = set(adapters) - {first}
    world.control("RemoveAdapter", adapters[first])
    chip.wait_property("Adapter", second)
    chip.wait_property("State", "ready", timeout=PATIENCE)


def test_row_10_it_reconnects_by_itself(world: World) -> None:
    """Since bluetoothd does not; and no profile is registered that would make it connect others."""
    world.control("ClearCalls")
    assert world.device.get("Trusted") is True
    world.lose_link()
    world.ready_again()
    assert len(world.calls("Device1.Connect")) == 1
    assert world.calls("GattManager1.RegisterApplication") == []


def test_row_11_disconnect_stays_away(world: World) -> None:
    """Also when another program registered a profile by which bluetoothd connects trusted chips."""
    Profile(world.bluez.bus, FEE0)
    manager = world.bluez.remote(HCI0, "org.bluez.GattManager1")
    manager.call("RegisterApplication", "/test/profile", {})
    world.control("ClearCalls")
    world.chip.call("Disconnect")
    assert world.device.get("Trusted") is False
    methods = [call.method for call in world.calls("Properties.Set", "Device1.Disconnect")]
    assert methods == ["Properties.Set", "Device1.Disconnect"]
    # The chip advertises again, and nobody takes it.
    world.control("Advertise", "/org/bluez/hci1")
    assert world.control("Links") == []
    assert world.chip.get("State") == "disconnected"
    world.chip.call("Connect", {})
    world.ready_again()
    assert world.device.get("Trusted") is True


@pytest.mark.parametrize("kind", ["powered", "rfkill", "PowerState"])
def test_row_17_adapter_off_and_on(world: World, kind: str) -> None:
    def switch(on: bool) -> None:
        if kind == "powered":
            world.adapter.set("Powered", on)
        else:
            world.control("SetBlocked", HCI0, not on)

    if kind == "PowerState":
        # As BlueZ 5.70 and later tell it.
        world.properties_changed(HCI0, ADAPTER, PowerState="off-blocked")
    switch(False)
    texts = {"powered": "Bluetooth is off", "PowerState": "Bluetooth is blocked (rfkill)"}
    world.chip.wait_property("StatusText", lambda text: text.startswith("Bluetooth is "))
    assert world.chip.get("StatusText") == texts.get(kind, world.chip.get("StatusText"))
    assert world.chip.get("State") == "waiting"
    with raises_bus_error(ERROR + "AdapterUnavailable"):
        world.chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
    world.hands.call("Step", 6)
    world.fault("Device1.Connect", error="NotReady", message="Resource Not Ready", count=1)
    before = len(world.calls("Device1.Connect"))
    begin = GLib.get_monotonic_time()
    switch(True)
    world.ready_again()
    # BlueZ is not asked at once, and again after a pause.
    first, second, *_ = [call.time for call in world.calls("Device1.Connect")[before:]]
    assert first - begin >= SECOND and second - first >= SECOND
    # Bluetooth is switched by people.
    assert {call.path for call in world.calls("Properties.Set")} == {device_path()}


def test_row_17_powered_off_without_disconnected(world: World) -> None:
    world.properties_changed(HCI0, ADAPTER, Powered=False)
    world.chip.wait_property("StatusText", lambda text: text.startswith("Bluetooth is "))
    assert world.chip.get("Connected") is False
    world.properties_changed(HCI0, ADAPTER, Powered=True)
    world.ready_again()


def test_row_17_powered_off_without_disconnected_beside_another(make_world: MakeWorld) -> None:
    """The link that BlueZ still shows there keeps nobody from using the other adapter."""
    world = make_world(centrals=2)
    paths = {
        world.bluez.remote(path, ADAPTER).get("Address"): path for path in (HCI0, "/org/bluez/hci1")
    }
    path = paths.pop(world.chip.get("Adapter"))
    (other,) = paths
    device = device_path(0, path)
    world.properties_changed(path, ADAPTER, Powered=False)
    world.bluez.remote(device, DEVICE).call("Disconnect")
    world.properties_changed(device, DEVICE, Connected=True)
    world.chip.wait_property("Adapter", other)
    world.ready_again()


def test_row_18_adapter_comes_back_under_another_index(world: World) -> None:
    address = world.adapter.get("Address")
    world.control("RemoveAdapter", HCI0)
    world.chip.wait_property("StatusText", "there is no Bluetooth adapter")
    world.hands.call("Step", 6)
    world.control("AddAdapter", 10, {"address": address})
    world.ready_again()
    assert world.chip.get("Adapter") == address
    world.daemon.stop()
    stored = [file for file in world.daemon.state_directory.rglob("*") if file.is_file()]
    assert stored
    assert all(b"hci" not in file.read_bytes() for file in stored)


def test_row_18_hci1_is_not_hci10(make_world: MakeWorld) -> None:
    world = make_world(centrals=2, connected=False)
    world.control("AddAdapter", 10, {})
    for path in (HCI0, "/org/bluez/hci1"):
        adapter = world.bluez.remote(path, ADAPTER)
        adapter.set("Powered", False)
        adapter.wait_property("Powered", False)
    world.connect()
    ready = world.chip.announced("State")
    assert device_path(adapter="/org/bluez/hci10") in str(world.control("Links"))
    world.control("EmitInterfacesRemoved", "/org/bluez/hci1", [ADAPTER])
    world.control("EmitInterfacesRemoved", HCI0, [ADAPTER])
    world.hands.call("Step", 3)
    world.chip.wait_property("StepsTotal", 3)
    assert world.chip.announced("State") == ready


def test_row_19_no_free_slot(make_world: MakeWorld) -> None:
    world = make_world(chips=2)
    world.control("SetConnectionLimit", HCI0, 1)
    other = world.daemon.add(1, ready=False)
    other.wait_property("LastError", ERROR + "ConnectionLimit", timeout=PATIENCE)
    assert other.get("StatusText") == "the Bluetooth adapter holds no more connections"
    assert other.get("State") == "waiting"
    # No hurry, and the one that is connected stays.
    with raises_bus_error(ERROR + "ConnectionLimit"):
        other.call("Connect", {"timeout": GLib.Variant("u", 2)})

    def attempts() -> int:
        return [call.path for call in world.calls("Device1.Connect")].count(device_path(1))

    wait_for(lambda: attempts() >= 2, what="the attempt for this Connect")
    assert attempts() == 2
    assert world.chip.get("State") == "ready"
    world.control("SetConnectionLimit", HCI0, 0)
    other.call("Connect", {})
    assert other.get("LastError") == ""


def test_row_28_stop_closes_the_link(world: World) -> None:
    assert len(world.control("Links")) == 1
    world.daemon.stop()
    wait_for(lambda: world.control("Links") == [], what="the end of the link")


def test_row_28_stop_cancels_a_pending_connect(world: World) -> None:
    world.control("SetInRange", "/org/bluez/hci1", False)
    world.chip.wait_property("StatusText", ASLEEP, timeout=PATIENCE)
    world.daemon.stop()
    world.control("SetInRange", "/org/bluez/hci1", True)
    # Nothing is pending any more: a new Connect is not told that one is under way.
    world.device.call("Connect")
    world.device.call("Disconnect")


def test_row_28_killed_core2d_adopts_its_link(world: World) -> None:
    world.daemon.kill()
    assert len(world.control("Links")) == 1
    world.hands.call("Step", 8)
    connects = world.count_calls("Device1.Connect")
    world.daemon.start()
    world.chip.wait_property("State", "ready")
    world.ready_again()
    assert world.count_calls("Device1.Connect") == connects


def test_row_32_connected_is_not_signalled(world: World) -> None:
    """The virtual BlueZ is like the real one in that; the reply to Connect has to do."""
    signals = world.device.changes
    world.lose_link()
    world.ready_again()
    assert all(args[1].get("Connected") is not True for args in signals.args)


FALSE_SIGNALS = [
    [("Connected", True)],
    [("ServicesResolved", True)],
    [("Connected", True), ("ServicesResolved", True)],
    [("ServicesResolved", True), ("Connected", True)],
    [("ServicesResolved", True), ("Connected", True), ("Connected", False)],
    [("Connected", True), ("ServicesResolved", True), ("Connected", False)],
]


def test_row_32_false_signs_of_a_link(make_world: MakeWorld) -> None:
    """Said of a chip that sleeps and whose characteristics BlueZ still lists: it is not ready."""
    world = make_world("--connect-timeout=3600000")
    for signals in FALSE_SIGNALS:
        world.control("ClearCalls")
        world.hands.call("Sleep")
        world.wait_count("Device1.Connect", 1)
        before = len(world.chip.announced("State"))
        for name, value in signals:
            world.properties_changed(device_path(), DEVICE, **{name: value})
        # core2d has seen them when it answers.
        assert world.chip.get("State") != "ready"
        world.hands.call("Step", 2)
        world.hands.call("Shake")
        world.ready_again()
        states = world.chip.announced("State")[before:]
        assert states.count("ready") == 1, states


@pytest.mark.parametrize(
    "signals",
    [
        {"Connected": False},
        {"ServicesResolved": False},
        {"ServicesResolved": False, "Connected": False},
    ],
    ids=lambda signals: "-".join(signals),
)
def test_row_32_false_signs_of_the_end(world: World, signals: dict[str, bool]) -> None:
    before = len(world.chip.changes)
    for name, value in signals.items():
        world.properties_changed(device_path(), DEVICE, **{name: value})
    # That there are services still makes core2d ask, and it may have the answer before it has drawn its conclusions.
    if "ServicesResolved" in signals:
        world.chip.wait_change("Connected", False, before)
    # core2d has seen them when it answers.
    assert world.chip.get("State")
    world.ready_again()


def test_row_32_stale_link_of_a_killed_bluetoothd(make_world: MakeWorld, tmp_path: Path) -> None:
    world = make_world(f"--storage={tmp_path / 'bluez'}")
    world.bluez.kill()
    world.chip.wait_property("Connected", False)
    world.hands.call("Step", 5)
    world.bluez.start()
    world.ready_again()


class Logind:
    """systemd-logind, as python-dbusmock plays it."""

    def __init__(self, world: World) -> None:
        self.bus = world.bluez.bus
        template = ["/usr/bin/python3", "-m", "dbusmock", "--template", "logind"]
        self.process = self.bus.start(template, label="logind")
        self.bus.wait_name("org.freedesktop.login1")

    def call(self, interface: str, method: str, args: GLib.Variant | None = None) -> object:
        path = "/org/freedesktop/login1"
        return self.bus.call("org.freedesktop.login1", path, interface, method, args)

    def inhibitors(self) -> list[tuple[str, ...]]:
        found = self.call("org.freedesktop.login1.Manager", "ListInhibitors")
        return [entry[:4] for entry in found]  # type: ignore[attr-defined]

    def prepare_for_sleep(self, sleeping: bool) -> None:
        values = [GLib.Variant("b", sleeping)]
        manager = "org.freedesktop.login1.Manager"
        args = GLib.Variant("(sssav)", (manager, "PrepareForSleep", "b", values))
        self.call("org.freedesktop.DBus.Mock", "EmitSignal", args)


INHIBITOR = ("sleep", "core2d", "Steps are being saved", "delay")


def test_row_33_suspend(make_world: MakeWorld) -> None:
    world = make_world(connected=False)
    world.daemon.stop()
    logind = Logind(world)
    world.daemon.start()
    world.connect()
    wait_for(lambda: logind.inhibitors() == [INHIBITOR], what="the inhibitor")
    world.hands.call("Step", 7)
    world.chip.wait_property("StepsTotal", 7)
    logind.prepare_for_sleep(True)
    wait_for(lambda: logind.inhibitors() == [], what="the leave to sleep")
    # Everything is saved by then: a machine whose battery gets empty in its sleep loses nothing.
    world.daemon.kill()
    world.daemon.start()
    assert world.chip.get("StepsTotal") == 7
    world.chip.wait_property("State", "ready")
    wait_for(lambda: logind.inhibitors() == [INHIBITOR], what="the inhibitor of the new core2d")
    # The link that stood before the sleep is not believed. It is looked at, and used when it is there.
    before = len(world.chip.changes)
    connects = world.count_calls("Device1.Connect")
    world.hands.call("Step", 2)
    logind.prepare_for_sleep(False)
    world.chip.wait_change("StatusText", "the computer was asleep", before)
    world.ready_again()
    assert world.count_calls("Device1.Connect") == connects
    wait_for(lambda: logind.inhibitors() == [INHIBITOR], what="the next inhibitor")
    # A pause before the next attempt is over.
    limit = "le-connection-concurrent-connection-limit"
    world.fault("Device1.Connect", error="Failed", message=limit, count=1)
    world.chip.wait_change("LastError", ERROR + "ConnectionLimit", world.lose_link())
    logind.prepare_for_sleep(False)
    world.ready_again()
    logind.process.expect_end()
    logind.process.stop()
