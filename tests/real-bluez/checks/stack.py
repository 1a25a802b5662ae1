# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system bus and the Bluetooth stack behind it, for the checks: calls, waiting for conditions."""

import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

BLUEZ = "org.bluez"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
SYSTEMD = "org.freedesktop.systemd1"

# The machine is emulated and may share its processor: generous, and only ever waited for in full by a failure.
PATIENCE = 60


class Bus:
    """A connection to the system bus with a main context that runs while something is waited for."""

    def __init__(self):
        address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
        self.connection = Gio.DBusConnection.new_for_address_sync(
            address,
            Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
            None, None)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if not self.connection.is_closed():
            self.connection.close_sync(None)

    def call(self, name, path, interface, method, arguments=None, timeout=PATIENCE):
        """Calls a method while the main context runs; returns the unpacked reply, raises GLib.Error."""
        answers = []
        self.connection.call(name, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE,
                             timeout * 1000, None, lambda _source, result: answers.append(result))
        self.wait_until(lambda: answers, f"{method} on {path}", timeout + 5)
        reply = self.connection.call_finish(answers[0]).unpack()
        return reply[0] if len(reply) == 1 else reply

    def get(self, name, path, interface, prop):
        return self.call(name, path, PROPERTIES, "Get", GLib.Variant("(ss)", (interface, prop)))

    def set(self, name, path, interface, prop, value):
        self.call(name, path, PROPERTIES, "Set", GLib.Variant("(ssv)", (interface, prop, value)))

    def get_objects(self, name, path="/"):
        return self.call(name, path, OBJECT_MANAGER, "GetManagedObjects")

    def subscribe(self, sender, interface, member, path, handler):
        """Calls handler (path, arguments) for each such signal."""
        return self.connection.signal_subscribe(
            sender, interface, member, path, None, Gio.DBusSignalFlags.NONE,
            lambda _connection, _sender, path, _interface, _member, arguments:
            handler(path, arguments.unpack()))

    @staticmethod
    def wait_until(condition, what, timeout=PATIENCE):
        """Runs the main context until condition () is true and returns its value."""
        context = GLib.MainContext.default()
        limit = time.monotonic() + timeout
        tick = GLib.timeout_add(50, lambda: GLib.SOURCE_CONTINUE)
        try:
            while True:
                value = condition()
                if value:
                    return value
                assert time.monotonic() < limit, f"after {timeout} s still waiting for: {what}"
                context.iteration(True)
        finally:
            GLib.source_remove(tick)


class Adapter:
    """An adapter of BlueZ."""

    def __init__(self, bus, index):
        self.bus = bus
        self.path = f"/org/bluez/hci{index}"

    def get(self, prop):
        return self.bus.get(BLUEZ, self.path, "org.bluez.Adapter1", prop)

    def call(self, method, arguments=None):
        return self.bus.call(BLUEZ, self.path, "org.bluez.Adapter1", method, arguments)

    def is_powered(self):
        interfaces = self.bus.get_objects(BLUEZ).get(self.path, {})
        return interfaces.get("org.bluez.Adapter1", {}).get("Powered", False)

    def find_device(self, address):
        """The path of the device with that address on this adapter, or None."""
        path = f"{self.path}/dev_{address.replace(':', '_')}"
        return path if path in self.bus.get_objects(BLUEZ) else None

    def discover(self, address):
        """Scans until the device is there; returns its path."""
        self.call("SetDiscoveryFilter", GLib.Variant("(a{sv})", ({
            "Transport": GLib.Variant("s", "le"), "DuplicateData": GLib.Variant("b", True)},)))
        self.call("StartDiscovery")
        try:
            return self.bus.wait_until(lambda: self.find_device(address), f"{address} in a scan")
        finally:
            self.call("StopDiscovery")

    def remove_device(self, address):
        """Removes what BlueZ knows of that device, if anything."""
        device = self.find_device(address)
        if device is not None:
            self.call("RemoveDevice", GLib.Variant("(o)", (device,)))
            self.bus.wait_until(lambda: self.find_device(address) is None, f"{address} to be removed")


class Device:
    """A remote device, used directly: what a client of BlueZ sees without core2d."""

    def __init__(self, bus, path):
        self.bus = bus
        self.path = path

    def get(self, prop):
        return self.bus.get(BLUEZ, self.path, "org.bluez.Device1", prop)

    def connect(self):
        self.bus.call(BLUEZ, self.path, "org.bluez.Device1", "Connect")
        self.bus.wait_until(lambda: self.get("ServicesResolved"), "services resolved")

    def disconnect(self):
        self.bus.call(BLUEZ, self.path, "org.bluez.Device1", "Disconnect")

    def find_characteristic(self, uuid):
        """Waits for the characteristic: ServicesResolved can come before the objects."""
        return Characteristic(self.bus, self.bus.wait_until(lambda: self.look_up(uuid), f"characteristic {uuid}"))

    def look_up(self, uuid):
        for path, interfaces in self.bus.get_objects(BLUEZ).items():
            if path.startswith(self.path + "/") and \
               interfaces.get("org.bluez.GattCharacteristic1", {}).get("UUID") == uuid:
                return path
        return None


class Characteristic:
    """A characteristic of a remote device."""

    def __init__(self, bus, path):
        self.bus = bus
        self.path = path
        self.values = []

    def call(self, method, arguments=None):
        return self.bus.call(BLUEZ, self.path, "org.bluez.GattCharacteristic1", method, arguments)

    def read(self):
        return bytes(self.call("ReadValue", GLib.Variant("(a{sv})", ({},))))

    def write(self, value):
        self.call("WriteValue", GLib.Variant("(aya{sv})", (value, {"type": GLib.Variant("s", "request")})))

    def subscribe(self):
        """Values that arrive, notified or read, are appended to self.values."""
        self.bus.subscribe(BLUEZ, PROPERTIES, "PropertiesChanged", self.path, self.on_changed)
        self.call("StartNotify")

    def on_changed(self, _path, arguments):
        if "Value" in arguments[1]:
            self.values.append(bytes(arguments[1]["Value"]))
