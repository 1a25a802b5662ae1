# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual BlueZ connects as bluetoothd 5.66 does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import Gio, GLib
from harness import STANDING, Bus, VirtualBluez, VirtualChips, raises_bus_error, wait_for
from virtual_bluez_client import (
    CHARACTERISTIC,
    CHIP_SERVICE,
    DEVICE,
    HARDWARE_REVISION,
    NO_OPTIONS,
    STEPS,
    Client,
    Profile,
)


@pytest.fixture
def client(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> Client:
    bluez = virtual_bluez()
    return Client(bus, bluez, virtual_chip("hci1", args=STANDING))


def test_connect_signals_no_connected_but_services(client: Client) -> None:
    device = client.find()
    changes = client.changes(client.device_path)
    device.call("Connect")
    assert device.get("Connected") is True
    device.wait_property("ServicesResolved", True)
    assert "Connected" not in {name for args in changes.args for name in args[1]}


def test_connected_can_be_signalled(client: Client) -> None:
    client.set_options(signal_connected=True)
    device = client.find()
    device.call("Connect")
    device.wait_property("Connected", True)
    assert device.announced("Connected") == [True]


@pytest.mark.parametrize("objects_first", [False, True])
def test_order_of_services_and_their_objects(client: Client, objects_first: bool) -> None:
    client.set_options(objects_first=objects_first)
    client.find()
    order: list[str] = []

    def on_signal(_connection, _sender, _path, _interface, member, args):
        values = args.unpack()
        if member == "InterfacesAdded" and values[0].startswith(client.device_path + "/"):
            order.append("object")
        elif member == "PropertiesChanged" and values[1].get("ServicesResolved"):
            order.append("resolved")

    client.bus.connection.signal_subscribe(
        "org.bluez", None, None, None, None, Gio.DBusSignalFlags.NONE, on_signal
    )
    client.device.call("Connect")
    wait_for(lambda: {"object", "resolved"} <= set(order), what="services and objects")
    assert order[-1 if objects_first else 0] == "resolved"


def test_services_can_come_late_or_never(client: Client) -> None:
    client.set_options(resolve_delay=-1)
    device = client.find()
    device.call("Connect")
    client.set_options(resolve_delay=10, objects_delay=-1)
    device.call("Disconnect")
    assert device.announced("ServicesResolved") == []
    device.call("Connect")
    device.wait_property("ServicesResolved", True)
    assert not any(CHARACTERISTIC in interfaces for interfaces in client.objects.values())


def test_link_that_drops_is_one_change_and_objects_stay_when_trusted(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    changes = client.changes(client.device_path)
    client.control.call("DropLink", client.device_path)
    changes.wait(lambda signal: "Connected" in signal.args[1])
    assert changes.args == [(DEVICE, {"ServicesResolved": False, "Connected": False}, [])]
    assert any(path.startswith(client.device_path + "/service") for path in client.objects)


def test_untrusted_device_goes_some_time_after_its_link(client: Client) -> None:
    device = client.connect()
    client.set_options(temporary_timeout=50)
    device.call("Disconnect")
    client.removed.wait(lambda signal: signal.args[0] == client.device_path)
    assert not any(path.startswith(client.device_path) for path in client.objects)


def test_device_that_was_only_seen_goes(client: Client) -> None:
    client.set_options(temporary_timeout=50)
    client.adapter.call("StartDiscovery")
    client.added.wait(lambda signal: signal.args[0] == client.device_path)
    client.adapter.call("StopDiscovery")
    client.removed.wait(lambda signal: signal.args[0] == client.device_path)
    # It may have been seen again before the end of the discovery.
    wait_for(lambda: client.device_path not in client.objects, what="its end")
    with raises_bus_error("org.freedesktop.DBus.Error.UnknownObject"):
        client.device.call("Connect")


def test_connect_waits_for_the_chip(client: Client) -> None:
    device = client.find()
    client.control.call("SetInRange", "/org/bluez/hci1", False)
    pending = device.call_async("Connect")
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        device.call("Connect")
    assert caught[0].message == "Operation already in progress"
    assert not pending.done
    client.control.call("SetInRange", "/org/bluez/hci1", True)
    pending.wait()
    assert device.get("Connected") is True


def test_connect_to_nobody_fails_in_the_end(client: Client) -> None:
    device = client.find()
    client.control.call("SetInRange", "/org/bluez/hci1", False)
    client.set_options(connect_timeout=50)
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        device.call("Connect")
    assert caught[0].message == "le-connection-abort-by-local"


def test_disconnect_cancels_connect(client: Client) -> None:
    device = client.find()
    client.control.call("SetInRange", "/org/bluez/hci1", False)
    pending = device.call_async("Connect")
    device.call("Disconnect")
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        pending.wait()
    assert caught[0].message == "br-connection-canceled"


def test_several_devices_wait_at_once(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> None:
    client = Client(bus, virtual_bluez(), virtual_chip("hci1", "hci2", args=STANDING))
    client.adapter.call("StartDiscovery")
    found = client.added.wait(lambda signal: DEVICE in signal.args[1], count=2)
    client.adapter.call("StopDiscovery")
    for radio in ("/org/bluez/hci1", "/org/bluez/hci2"):
        client.control.call("SetInRange", radio, False)
    devices = [client.bluez.remote(signal.args[0], DEVICE) for signal in found]
    pending = [device.call_async("Connect") for device in devices]
    for radio in ("/org/bluez/hci2", "/org/bluez/hci1"):
        client.control.call("SetInRange", radio, True)
    for call in pending:
        call.wait()
    assert len(client.control.call("Links")) == 2


def test_connection_limit(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> None:
    client = Client(bus, virtual_bluez(), virtual_chip("hci1", "hci2", args=STANDING))
    client.adapter.call("StartDiscovery")
    found = client.added.wait(lambda signal: DEVICE in signal.args[1], count=2)
    client.adapter.call("StopDiscovery")
    first, second = (client.bluez.remote(signal.args[0], DEVICE) for signal in found)
    client.control.call("SetConnectionLimit", "/org/bluez/hci0", 1)
    first.call("Connect")
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        second.call("Connect")
    assert caught[0].message == "le-connection-concurrent-connection-limit"
    first.call("Disconnect")
    second.call("Connect")
    assert len(client.control.call("Links")) == 1


def test_remove_device(client: Client) -> None:
    device = client.connect()
    client.adapter.call("RemoveDevice", client.device_path)
    assert client.device_path not in client.objects
    assert client.control.call("Links") == []
    with raises_bus_error("org.bluez.Error.DoesNotExist"):
        client.adapter.call("RemoveDevice", client.device_path)
    with raises_bus_error("org.freedesktop.DBus.Error.UnknownObject"):
        device.call("Connect")


def test_the_peripheral_sees_the_central_and_can_disconnect_it(client: Client) -> None:
    device = client.connect()
    [(_, other)] = client.control.call("Links")
    assert other == "/org/bluez/hci1/dev_00_AA_01_00_00_00"
    client.bluez.remote(other, DEVICE).call("Disconnect")
    wait_for(lambda: not device.get("Connected"), what="the end of the link")


def test_end_of_the_chips_process_takes_its_services_and_leaves_the_link(client: Client) -> None:
    """As bluetoothd 5.66 does it: no sign but the objects that go, and the UUIDs of the services."""
    device = client.connect()
    client.chips.kill()
    device.wait_property("UUIDs", lambda now: CHIP_SERVICE not in now)
    assert CHIP_SERVICE not in client.services().values()
    assert device.get("Connected") and device.get("ServicesResolved")


def test_profile_reconnects_trusted_devices(client: Client) -> None:
    Profile(client.bus, "0000fee0-0000-1000-8000-00805f9b34fb")
    manager = client.bluez.remote("/org/bluez/hci0", "org.bluez.GattManager1")
    device = client.connect()
    client.control.call("SetInRange", "/org/bluez/hci1", False)
    device.set("Trusted", True)
    manager.call("RegisterApplication", "/test/profile", NO_OPTIONS)
    client.control.call("SetInRange", "/org/bluez/hci1", True)
    device.wait_property("Connected", True)
    device.wait_property("ServicesResolved", True)
    manager.call("UnregisterApplication", "/test/profile")
    with raises_bus_error("org.bluez.Error.DoesNotExist"):
        manager.call("UnregisterApplication", "/test/profile")


def test_adapter_off_and_on(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    changes = client.changes(client.device_path)
    client.adapter.set("Powered", False)
    assert client.adapter.announced("Powered") == [False]
    assert changes.args == [(DEVICE, {"ServicesResolved": False, "Connected": False}, [])]
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        device.call("Connect")
    assert caught[0].message == "Input/output error"
    with raises_bus_error("org.bluez.Error.NotReady"):
        client.adapter.call("StartDiscovery")
    client.adapter.set("Powered", True)
    device.call("Connect")


def test_rfkill(client: Client) -> None:
    client.control.call("SetBlocked", "/org/bluez/hci0", True)
    client.adapter.wait_property("Powered", False)
    with raises_bus_error("org.bluez.Error.Blocked") as caught:
        client.adapter.set("Powered", True)
    assert caught[0].message == "Blocked through rfkill"
    client.control.call("SetBlocked", "/org/bluez/hci0", False)
    client.adapter.wait_property("Powered", True)


def test_adapter_comes_back_under_another_index(client: Client) -> None:
    client.connect()
    client.control.call("RemoveAdapter", "/org/bluez/hci0")
    client.removed.wait(lambda signal: signal.args[0] == "/org/bluez/hci0")
    assert not any(path.startswith("/org/bluez/hci0") for path in client.objects)
    address = {"address": GLib.Variant("s", "00:AA:01:00:00:00")}
    path = client.control.call("AddAdapter", 10, address)
    adapter = client.bluez.remote(path, "org.bluez.Adapter1")
    assert adapter.get("Address") == "00:AA:01:00:00:00"
    adapter.call("StartDiscovery")
    client.added.wait(lambda signal: signal.args[0].startswith("/org/bluez/hci10/dev_F1"))


def test_second_virtual_bluez_takes_the_name_over(
    client: Client, virtual_bluez: Callable[..., VirtualBluez]
) -> None:
    first = client.bus.owner("org.bluez")
    client.bluez.process.expect_end()
    second = virtual_bluez("--name-replace")
    assert client.bluez.process.wait() == 0
    assert client.bus.owner("org.bluez") != first
    assert second.running


@pytest.mark.parametrize("shown", [False, True])
def test_gap_service(
    shown: bool,
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> None:
    client = Client(bus, virtual_bluez(*["--gap"] if shown else []), virtual_chip("hci1", args=STANDING))
    client.connect()
    found = [
        interfaces[CHARACTERISTIC]["UUID"][4:8]
        for path, interfaces in sorted(client.objects.items())
        if CHARACTERISTIC in interfaces
    ]
    assert ("2a00" in found) is shown
    assert ("2a04" in found) is shown
    assert "2a05" in found


def test_services_are_cached_over_a_reconnect(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    before = client.characteristic(STEPS).path
    client.control.call("DropLink", client.device_path)
    client.added.clear()
    device.call("Connect")
    device.wait_property("ServicesResolved", True)
    assert client.characteristic(STEPS).path == before
    assert client.characteristic(HARDWARE_REVISION).call("ReadValue", NO_OPTIONS) is not None
    assert client.added.args == []


@pytest.mark.parametrize("killed", [False, True])
def test_devices_are_remembered_over_a_restart(
    killed: bool,
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    tmp_path: Path,
) -> None:
    client = Client(bus, virtual_bluez(f"--storage={tmp_path}"), virtual_chip("hci1", args=STANDING))
    device = client.connect()
    device.set("Trusted", True)
    device.set("Alias", "left shoe")
    if killed:
        client.bluez.process.expect_end()
        client.bluez.kill()
    else:
        client.bluez.stop()
        bus.wait_name_gone("org.bluez")
    client.bluez.start()

    properties = client.objects[client.device_path][DEVICE]
    assert properties["Trusted"] is True and properties["Alias"] == "left shoe"
    assert properties["Connected"] is killed and properties["ServicesResolved"] is False
    assert not any(path.startswith(client.device_path + "/") for path in client.objects)
    wait_for(lambda: client.chips[0].get("Advertising"), what="the chip's registration")
    client.device.call("Connect")
    client.device.wait_property("ServicesResolved", True)
    client.adapter.call("RemoveDevice", client.device_path)
    client.bluez.restart()
    assert client.device_path not in client.objects


def test_holds_hundreds_of_devices(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> None:
    count = 300
    # What was only seen must not vanish before its turn to connect, however slow the machine is.
    bluez = virtual_bluez("--peripherals", str(count), "--temporary-timeout", "600000")
    client = Client(bus, bluez, virtual_chip(*(f"hci{1 + number}" for number in range(count))))
    client.adapter.call("StartDiscovery")
    found = client.added.wait(lambda signal: DEVICE in signal.args[1], count=count)
    client.adapter.call("StopDiscovery")
    paths = [signal.args[0] for signal in found if signal.args[0].startswith("/org/bluez/hci0/")]
    assert len(set(paths)) == count
    for first in range(0, count, 32):
        calls = [
            bus.call_async("org.bluez", path, DEVICE, "Connect") for path in paths[first : first + 32]
        ]
        for call in calls:
            call.wait()
    assert len(client.control.call("Links")) == count
    # The bus keeps account of 128 calls, and each takes until its link is down.
    for first in range(0, count, 32):
        radios = client.chips.adapters[first : first + 32]
        for call in [client.chips[radio].call_async("DropLink") for radio in radios]:
            call.wait()
    wait_for(lambda: client.control.call("Links") == [], what="the end of all links")
