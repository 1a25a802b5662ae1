# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of org.bluez on virtual BlueZ, for the tests of virtual BlueZ itself."""

from __future__ import annotations

from typing import Any

from gi.repository import Gio, GLib
from harness import Bus, Remote, SignalLog, VirtualBluez, VirtualChips, chip_address, wait_for
from harness.bus import OBJECT_MANAGER, PROPERTIES

CHIP_SERVICE = "0000fee0-0000-1000-8000-00805f9b34fb"
STEPS = "00000007-0000-3512-2118-0009af100700"
ORIENTATION = "00000003-0000-3512-2118-0009af100700"
HARDWARE_REVISION = "00002a27-0000-1000-8000-00805f9b34fb"

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
SERVICE = "org.bluez.GattService1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

NO_OPTIONS: dict[str, GLib.Variant] = {}


class Application:
    """A GATT application of the test: one characteristic, which is read and indicates."""

    SERVICE = "12345678-0000-1000-8000-00805f9b34fb"
    CHARACTERISTIC = "12345679-0000-1000-8000-00805f9b34fb"
    XML = """<node>
      <interface name='org.freedesktop.DBus.ObjectManager'>
        <method name='GetManagedObjects'><arg type='a{oa{sa{sv}}}' direction='out'/></method>
      </interface>
      <interface name='org.bluez.GattCharacteristic1'>
        <method name='ReadValue'>
          <arg type='a{sv}' direction='in'/><arg type='ay' direction='out'/>
        </method>
        <method name='StartNotify'/><method name='StopNotify'/><method name='Confirm'/>
      </interface></node>"""

    def __init__(self, bus: Bus) -> None:
        self.connection = bus.connect()
        self.calls: list[tuple[str, Any]] = []
        self.error: tuple[str, str] | None = None
        node = Gio.DBusNodeInfo.new_for_xml(self.XML)
        for path, interface in (("/test", 0), ("/test/service/one", 1)):
            self.connection.register_object(path, node.interfaces[interface], self._on_call)

    def _on_call(self, _connection, _sender, _path, _interface, method, args, invocation):
        if method == "GetManagedObjects":
            service = {"UUID": GLib.Variant("s", self.SERVICE)}
            characteristic = {
                "UUID": GLib.Variant("s", self.CHARACTERISTIC),
                "Service": GLib.Variant("o", "/test/service"),
                "Flags": GLib.Variant("as", ["read", "indicate"]),
            }
            objects = {
                "/test/service": {"org.bluez.GattService1": service},
                "/test/service/one": {CHARACTERISTIC: characteristic},
            }
            invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (objects,)))
            return
        self.calls.append((method, args.unpack()))
        if self.error is not None:
            invocation.return_dbus_error(*self.error)
        elif method == "ReadValue":
            invocation.return_value(GLib.Variant("(ay)", (b"value",)))
        else:
            invocation.return_value(None)

    def indicate(self, value: bytes) -> None:
        changed = {"Value": GLib.Variant("ay", value)}
        self.connection.emit_signal(
            None,
            "/test/service/one",
            PROPERTIES,
            "PropertiesChanged",
            GLib.Variant("(sa{sv}as)", (CHARACTERISTIC, changed, [])),
        )

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


class Client:
    """virtual BlueZ with one chip on hci1, and the test as a client of hci0."""

    def __init__(self, bus: Bus, bluez: VirtualBluez, chips: VirtualChips) -> None:
        self.bus = bus
        self.bluez = bluez
        self.chips = chips
        self.control = bluez.control
        self.adapter = bluez.remote("/org/bluez/hci0", ADAPTER)
        self.device_path = f"/org/bluez/hci0/dev_{chip_address().replace(':', '_')}"
        self.added = self.signals("/", OBJECT_MANAGER, "InterfacesAdded")
        self.removed = self.signals("/", OBJECT_MANAGER, "InterfacesRemoved")

    def signals(self, path: str | None, interface: str, member: str) -> SignalLog:
        return self.bus.signals("org.bluez", path, interface, member)

    @property
    def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        return self.bus.managed_objects("org.bluez", "/")

    @property
    def device(self) -> Remote:
        return self.bluez.remote(self.device_path, DEVICE)

    def find(self) -> Remote:
        """Discover until the chip is there."""
        self.adapter.call("StartDiscovery")
        wait_for(lambda: self.device_path in self.objects, what="the chip in a discovery")
        self.adapter.call("StopDiscovery")
        return self.device

    def connect(self) -> Remote:
        """Discover, connect, and wait for the services."""
        device = self.find()
        device.call("Connect")
        device.wait_property("ServicesResolved", True)
        return device

    def characteristic(self, uuid: str) -> Remote:
        paths = [
            path
            for path, interfaces in self.objects.items()
            if path.startswith(self.device_path)
            and interfaces.get(CHARACTERISTIC, {}).get("UUID") == uuid
        ]
        return self.bluez.remote(paths[0], CHARACTERISTIC)

    def services(self) -> dict[str, str]:
        """UUID of each of the chip's services, by path."""
        return {
            path: interfaces[SERVICE]["UUID"]
            for path, interfaces in self.objects.items()
            if path.startswith(self.device_path) and SERVICE in interfaces
        }

    def changes(self, path: str) -> SignalLog:
        return self.signals(path, PROPERTIES, "PropertiesChanged")

    def call_from(self, connection: Gio.DBusConnection, remote: Remote, method: str) -> Any:
        """Call a method without arguments as another client."""
        return remote.call_async(method, connection=connection).wait()

    def set_options(self, **options: int | bool) -> None:
        """SetOptions with - for _: integers are milliseconds."""
        self.control.call(
            "SetOptions",
            {
                key.replace("_", "-"): GLib.Variant("b" if isinstance(value, bool) else "i", value)
                for key, value in options.items()
            },
        )

    def inject(self, method: str, path: str = "/", **options: Any) -> None:
        """InjectFault with - for _; text is s, truth b, numbers u."""
        types = {str: "s", bool: "b", int: "u"}
        self.control.call(
            "InjectFault",
            method,
            path,
            {
                key.replace("_", "-"): GLib.Variant(types[type(value)], value)
                for key, value in options.items()
            },
        )


class Profile:
    """A GattProfile1 of the test: connect devices with these UUIDs."""

    XML = """<node><interface name='org.freedesktop.DBus.ObjectManager'>
      <method name='GetManagedObjects'><arg type='a{oa{sa{sv}}}' direction='out'/></method>
      </interface></node>"""

    def __init__(self, bus: Bus, uuid: str) -> None:
        node = Gio.DBusNodeInfo.new_for_xml(self.XML)
        self.uuid = uuid
        bus.connection.register_object("/test/profile", node.interfaces[0], self._on_call)

    def _on_call(self, _connection, _sender, _path, _interface, _method, _args, invocation):
        properties = {"UUIDs": GLib.Variant("as", [self.uuid])}
        objects = {"/test/profile/one": {"org.bluez.GattProfile1": properties}}
        invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (objects,)))
