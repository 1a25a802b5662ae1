# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual BlueZ reads, writes and notifies as bluetoothd 5.66 does, and fails when it is told to."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

import pytest
from gi.repository import Gio, GLib
from harness import STANDING, Bus, VirtualBluez, VirtualChips, raises_bus_error, wait_for
from virtual_bluez_client import (
    ADAPTER,
    Application,
    CHARACTERISTIC,
    DEVICE,
    HARDWARE_REVISION,
    NO_OPTIONS,
    ORIENTATION,
    STEPS,
    Client,
)

UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"


@pytest.fixture
def client(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
) -> Client:
    bluez = virtual_bluez()
    return Client(bus, bluez, virtual_chip("hci1", args=STANDING))


# Discovery


def test_discovery_sessions_are_counted_for_each_client(client: Client) -> None:
    other = client.bus.connect()
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        client.adapter.call("StopDiscovery")
    assert caught[0].message == "No discovery started"
    client.adapter.call("StartDiscovery")
    with raises_bus_error("org.bluez.Error.InProgress"):
        client.adapter.call("StartDiscovery")
    client.call_from(other, client.adapter, "StartDiscovery")
    client.adapter.call("StopDiscovery")
    assert client.adapter.get("Discovering") is True
    other.close(None, None)
    client.adapter.wait_property("Discovering", False)


def test_rssi_is_known_during_a_discovery_only(client: Client) -> None:
    client.adapter.call("StartDiscovery")
    client.added.wait(lambda signal: signal.args[0] == client.device_path)
    device = client.device
    assert device.get("RSSI") < 0
    changes = client.changes(client.device_path)
    client.adapter.call("StopDiscovery")
    changes.wait(lambda signal: "RSSI" in signal.args[2])
    assert "RSSI" not in device.get_all()
    with raises_bus_error("org.freedesktop.DBus.Error.InvalidArgs") as caught:
        device.get("RSSI")
    assert caught[0].message == "No such property 'RSSI'"


def test_what_has_no_value_is_left_out(client: Client) -> None:
    client.adapter.call("StartDiscovery")
    path = client.control.call("AddDevice", "/org/bluez/hci0", "C8:0F:10:00:00:01", {})
    client.added.wait(lambda signal: signal.args[0] == path)
    properties = client.objects[path][DEVICE]
    without = {"Name", "ManufacturerData", "ServiceData", "Appearance", "TxPower"}
    assert not without & set(properties)
    assert properties["Alias"] == "C8-0F-10-00-00-01"


@pytest.mark.parametrize(
    ("filter_", "seen"),
    [
        ({"Transport": GLib.Variant("s", "le")}, {"band", "mouse"}),
        ({"Transport": GLib.Variant("s", "bredr")}, set()),
        ({"UUIDs": GLib.Variant("as", ["fee0"])}, {"band"}),
        ({"RSSI": GLib.Variant("n", -65)}, {"mouse"}),
        ({"Pattern": GLib.Variant("s", "mo")}, {"mouse"}),
    ],
)
def test_filters(client: Client, filter_: dict[str, GLib.Variant], seen: set[str]) -> None:
    client.chips.stop()
    names = {}
    for name, address, rssi, uuids in (
        ("band", "C8:0F:10:00:00:01", -70, ["fee0"]),
        ("mouse", "C8:0F:10:00:00:02", -50, ["1812"]),
    ):
        options = {
            "Name": GLib.Variant("s", name),
            "RSSI": GLib.Variant("n", rssi),
            "UUIDs": GLib.Variant("as", uuids),
        }
        names[client.control.call("AddDevice", "/org/bluez/hci0", address, options)] = name
    client.adapter.call("SetDiscoveryFilter", filter_)
    client.adapter.call("StartDiscovery")
    # Reports come in the order of their making, so the last one tells that all have come.
    client.adapter.call("SetDiscoveryFilter", filter_)
    for path in names:
        client.control.call("Advertise", path)
    assert {names[path] for path in client.objects if path in names} == seen
    client.chips.start()


def test_bad_filter_is_refused(client: Client) -> None:
    with raises_bus_error("org.bluez.Error.InvalidArguments"):
        client.adapter.call("SetDiscoveryFilter", {"Transport": GLib.Variant("s", "pigeon")})
    assert "Pattern" in client.adapter.call("GetDiscoveryFilters")


# Reading and writing


@pytest.fixture
def application(client: Client) -> Application:
    """An application beside the chip, on the chip's adapter."""
    made = Application(client.bus)
    register = client.bluez.remote("/org/bluez/hci1", "org.bluez.GattManager1").call_async(
        "RegisterApplication", "/test", NO_OPTIONS, connection=made.connection
    )
    register.wait()
    return made


def test_reads_are_forwarded_to_the_application(client: Client, application: Application) -> None:
    client.connect()
    [(_, central)] = client.control.call("Links")
    remote = client.characteristic(Application.CHARACTERISTIC)
    assert bytes(remote.call("ReadValue", NO_OPTIONS)) == b"value"
    options = {"device": central, "link": "LE", "mtu": 517}
    assert application.calls == [("ReadValue", (options,))]
    remote.call("ReadValue", {"offset": GLib.Variant("q", 2)})
    assert application.calls[-1] == ("ReadValue", (options | {"offset": 2},))


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (("NotPermitted", ""), "NotPermitted", "Read not permitted"),
        (("NotAuthorized", ""), "NotAuthorized", "Operation Not Authorized"),
        (("NotSupported", ""), "NotSupported", "Operation is not supported"),
        (("InvalidOffset", ""), "InvalidArguments", "Invalid offset"),
        (("Failed", "0x81"), "Failed", "Operation failed with ATT error: 0x81"),
        (("Failed", "oh"), "Failed", "Operation failed with ATT error: 0x80"),
        (("Odd", ""), "Failed", "Operation failed with ATT error: 0x0e"),
    ],
)
def test_errors_of_the_application(
    client: Client, application: Application, error: tuple[str, str], name: str, message: str
) -> None:
    client.connect()
    application.error = (f"org.bluez.Error.{error[0]}", error[1])
    with raises_bus_error(f"org.bluez.Error.{name}") as caught:
        client.characteristic(Application.CHARACTERISTIC).call("ReadValue", NO_OPTIONS)
    assert caught[0].message == message


def test_indications_are_confirmed(client: Client, application: Application) -> None:
    client.connect()
    remote = client.characteristic(Application.CHARACTERISTIC)
    remote.call("StartNotify")
    wait_for(lambda: application.methods == ["StartNotify"], what="StartNotify")
    application.indicate(b"now")
    remote.wait_property("Value", list(b"now"))
    wait_for(lambda: application.methods[-1] == "Confirm", what="Confirm")
    remote.call("StopNotify")
    wait_for(lambda: application.methods[-1] == "StopNotify", what="StopNotify")


def test_services_of_an_application_that_goes_are_removed(
    client: Client, application: Application
) -> None:
    device = client.connect()
    path = client.characteristic(Application.CHARACTERISTIC).path
    manager = client.bluez.remote("/org/bluez/hci1", "org.bluez.GattManager1")
    manager.call_async(
        "UnregisterApplication", "/test", connection=application.connection
    ).wait()
    client.removed.wait(lambda signal: signal.args[0] == path)
    assert device.get("Connected") is True
    assert client.characteristic(STEPS) is not None


def test_read_sets_value(client: Client) -> None:
    client.connect()
    revision = client.characteristic(HARDWARE_REVISION)
    assert bytes(revision.call("ReadValue", NO_OPTIONS)) == b"V0.14.0.2"
    assert [bytes(value) for value in revision.announced("Value")] == [b"V0.14.0.2"]


def test_errors_of_reads_and_writes(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    revision = client.characteristic(HARDWARE_REVISION)
    orientation = client.characteristic(ORIENTATION)
    request = {"type": GLib.Variant("s", "request")}
    with raises_bus_error("org.bluez.Error.NotPermitted") as caught:
        revision.call("WriteValue", b"x", request)
    assert caught[0].message == "Write not permitted"
    with raises_bus_error("org.bluez.Error.NotPermitted") as caught:
        orientation.call("ReadValue", NO_OPTIONS)
    assert caught[0].message == "Read not permitted"
    with raises_bus_error("org.bluez.Error.NotSupported"):
        revision.call("WriteValue", b"x", NO_OPTIONS)
    with raises_bus_error("org.bluez.Error.InvalidArguments"):
        revision.call("ReadValue", {"offset": GLib.Variant("s", "1")})
    with raises_bus_error("org.bluez.Error.NotSupported"):
        revision.call("StartNotify")
    client.control.call("DropLink", client.device_path)
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        revision.call("ReadValue", NO_OPTIONS)
    assert caught[0].message == "Not connected"


def test_orientation_answers_a_write_command(client: Client) -> None:
    client.connect()
    orientation = client.characteristic(ORIENTATION)
    orientation.call("StartNotify")
    orientation.call("WriteValue", b"\x07\x01", {"type": GLib.Variant("s", "command")})
    value = bytes(orientation.wait_property("Value", lambda value: len(value) >= 7))
    assert value[:3] == b"\x10\x07\x01"


# Subscriptions


def test_subscription_lives_through_a_reconnect(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    steps = client.characteristic(STEPS)
    steps.call("StartNotify")
    assert steps.get("Notifying") is True
    steps.call("StartNotify")  # again: no error, no second session
    client.chips[0].call("Step", 5)
    wait_for(lambda: len(steps.announced("Value")) == 1, what="steps")
    client.control.call("DropLink", client.device_path)
    device.call("Connect")
    device.wait_property("ServicesResolved", True)
    # Which is told before the chip is subscribed again.
    wait_for(lambda: client.chips[0].get("Subscribed"), what="the subscription")
    client.chips[0].call("Step", 5)
    wait_for(lambda: len(steps.announced("Value")) == 2, what="steps after the reconnect")
    steps.call("StopNotify")
    assert steps.get("Notifying") is False
    with raises_bus_error("org.bluez.Error.Failed") as caught:
        steps.call("StopNotify")
    assert caught[0].message == "No notify session started"


def test_equal_notifications_are_all_sent(client: Client) -> None:
    client.connect()
    steps = client.characteristic(STEPS)
    steps.call("StartNotify")
    times = {"times": GLib.Variant("u", 50)}
    client.control.call("EmitValue", steps.path, b"\x00\x01\x00\x00\x00", times)
    wait_for(lambda: len(steps.announced("Value")) == 50, what="50 equal values")


def test_client_that_leaves_loses_its_subscription(client: Client) -> None:
    client.connect()
    steps = client.characteristic(STEPS)
    other = client.bus.connect()
    client.call_from(other, steps, "StartNotify")
    wait_for(lambda: client.chips[0].get("Subscribed"), what="the subscription")
    other.close(None, None)
    steps.wait_property("Notifying", False)
    wait_for(lambda: not client.chips[0].get("Subscribed"), what="the end of the subscription")


def acquire(client: Client, path: str) -> tuple[socket.socket, int]:
    """AcquireNotify: the socket and the mtu."""
    done: list[tuple[GLib.Variant, Gio.UnixFDList]] = []

    def on_reply(connection: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        done.append(connection.call_with_unix_fd_list_finish(result))

    client.bus.connection.call_with_unix_fd_list(
        "org.bluez",
        path,
        CHARACTERISTIC,
        "AcquireNotify",
        GLib.Variant("(a{sv})", ({},)),
        None,
        Gio.DBusCallFlags.NONE,
        -1,
        None,
        None,
        on_reply,
    )
    reply, fds = wait_for(lambda: done, what="AcquireNotify")[0]
    index, mtu = reply.unpack()
    return socket.socket(fileno=fds.get(index)), mtu


def readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


def test_acquire_notify(client: Client) -> None:
    device = client.connect()
    device.set("Trusted", True)
    steps = client.characteristic(STEPS)
    packets, mtu = acquire(client, steps.path)
    assert packets.type == socket.SOCK_SEQPACKET and mtu == 517
    assert steps.get("NotifyAcquired") is True
    for call in ("AcquireNotify", "StartNotify"):
        with raises_bus_error("org.bluez.Error.NotPermitted") as caught:
            steps.call(call, *([NO_OPTIONS] if call == "AcquireNotify" else []))
        assert caught[0].message == "Notify acquired"

    client.chips[0].call("Step", 3)
    client.chips[0].call("Step", 4)
    frames = []
    for _ in range(2):
        wait_for(lambda: readable(packets), what="a packet")
        frames.append(int.from_bytes(packets.recv(512)[1:5], "little"))
    assert frames[1] - frames[0] == 4
    assert steps.announced("Value") == []

    client.control.call("DropLink", client.device_path)
    wait_for(lambda: readable(packets), what="the end of the file")
    assert packets.recv(512) == b""
    packets.close()
    with raises_bus_error("org.bluez.Error.Failed"):
        steps.call("AcquireNotify", NO_OPTIONS)

    device.call("Connect")
    device.wait_property("ServicesResolved", True)
    packets, _ = acquire(client, steps.path)
    packets.close()
    steps.wait_property("NotifyAcquired", False)
    steps.call("StartNotify")
    with raises_bus_error("org.bluez.Error.InProgress"):
        steps.call("AcquireNotify", NO_OPTIONS)


# Faults


def test_errors_are_injected_and_counted(client: Client) -> None:
    device = client.connect()
    client.control.call("ClearCalls")
    client.inject("Device1.Connect", error="NotReady", message="later", count=1, skip=1)
    device.call("Connect")
    with raises_bus_error("org.bluez.Error.NotReady") as caught:
        device.call("Connect")
    assert caught[0].message == "later"
    device.call("Connect")
    assert client.control.call("CallCount", "Device1.Connect") == 3
    own = client.bus.connection.get_unique_name()
    log = [call for call in client.control.call("CallLog") if call[1] == own]
    assert [call[3] for call in log] == ["Device1.Connect"] * 3
    assert {call[2] for call in log} == {client.device_path}


def test_rules_are_bound_to_paths(client: Client) -> None:
    device = client.find()
    client.inject("Properties.Set", "/org/bluez/hci", error="Failed")
    device.set("Trusted", True)
    client.inject("Properties.Set", "/org/bluez/hci0", error="org.example.Odd")
    with raises_bus_error("org.example.Odd"):
        device.set("Trusted", False)
    client.control.call("ClearFaults")
    device.set("Trusted", False)


def test_calls_that_are_never_answered(client: Client) -> None:
    client.connect()
    steps = client.characteristic(STEPS)
    client.inject("GattCharacteristic1.AcquireNotify", steps.path, never_answer=True, count=1)
    client.inject(
        "GattCharacteristic1.AcquireNotify",
        steps.path,
        error="NotPermitted",
        message="Notify acquired",
    )
    pending = steps.call_async("AcquireNotify", NO_OPTIONS)
    with raises_bus_error("org.bluez.Error.NotPermitted"):
        steps.call("AcquireNotify", NO_OPTIONS)
    assert not pending.done
    client.control.call("ClearFaults")
    with raises_bus_error("org.freedesktop.DBus.Error.NoReply"):
        pending.wait()


def test_link_drops_at_a_call(client: Client) -> None:
    device = client.connect()
    client.inject("GattCharacteristic1.ReadValue", drop_link_after=True)
    client.characteristic(HARDWARE_REVISION).call("ReadValue", NO_OPTIONS)
    device.wait_property("ServicesResolved", False)


def test_read_that_is_cut_off_returns_nothing(client: Client) -> None:
    """As in bluetoothd 5.66, where ATT error 0 of a lost link is taken for success."""
    client.connect()
    client.inject("GattCharacteristic1.ReadValue", drop_link_after=True)
    revision = client.characteristic(HARDWARE_REVISION)
    assert revision.call("ReadValue", NO_OPTIONS) == []


def test_object_goes_during_a_call(client: Client) -> None:
    device = client.find()
    client.inject("Device1.Connect", remove_before=True, delay_ms=10)
    with raises_bus_error(UNKNOWN_OBJECT):
        device.call("Connect")
    assert client.device_path not in client.objects
    assert not [signal for signal in client.removed if signal.args[0] == client.device_path]


def test_object_removed_by_hand(client: Client) -> None:
    client.find()
    client.control.call("RemoveObject", client.device_path, False)
    client.removed.wait(lambda signal: signal.args[0] == client.device_path)
    client.find().call("Connect")


def test_wrong_signals(client: Client) -> None:
    client.find()
    changes = client.changes(client.device_path)
    wrong = {"Connected": GLib.Variant("s", "maybe")}
    client.control.call("EmitProperties", client.device_path, DEVICE, wrong, ["RSSI"])
    assert changes.wait()[0].args == (DEVICE, {"Connected": "maybe"}, ["RSSI"])


def test_flash_of_connected(client: Client) -> None:
    device = client.find()
    client.inject(
        "Device1.Connect",
        error="Failed",
        message="le-connection-abort-by-local",
        flash_connected=True,
        count=1,
    )
    with raises_bus_error("org.bluez.Error.Failed"):
        device.call("Connect")
    assert device.announced("Connected") == [True, False]
    device.call("Connect")


def test_remembered_device_with_a_stale_connection(client: Client) -> None:
    options = {
        "Trusted": GLib.Variant("b", True),
        "stale-connection": GLib.Variant("u", 200),
    }
    address = "C8:0F:10:00:00:07"
    path = client.control.call("RememberDevice", "/org/bluez/hci0", address, options)
    device = client.bluez.remote(path, DEVICE)
    device.wait_property("Connected", False)
    assert device.get("Trusted") is True and device.get("ServicesResolved") is False


def test_flood_has_its_rate_and_number(client: Client) -> None:
    client.connect()
    steps = client.characteristic(STEPS)
    options = {
        "times": GLib.Variant("u", 2000),
        "rate": GLib.Variant("u", 20000),
        "increment": GLib.Variant("u", 1),
    }
    client.control.call("EmitValue", steps.path, b"\x00\x00\x00\x00\x00", options)
    wait_for(lambda: len(steps.announced("Value")) == 2000, what="2000 values")
    counts = [int.from_bytes(bytes(value)[1:5], "little") for value in steps.announced("Value")]
    assert counts == list(range(2000))


def test_control_refuses_what_it_does_not_know(client: Client) -> None:
    invalid = "org.freedesktop.DBus.Error.InvalidArgs"
    with raises_bus_error(invalid):
        client.inject("Device1.Connect", misspelt=True)
    with raises_bus_error(invalid):
        client.set_options(connect_delay=-5)
    with raises_bus_error(invalid):
        client.control.call("AddDevice", "/org/bluez/hci0", "no address", {})
    with raises_bus_error(UNKNOWN_OBJECT):
        client.control.call("SetInRange", "/org/bluez/hci9", True)
    assert client.bluez.remote("/org/bluez/hci0", ADAPTER).get("Powered") is True
