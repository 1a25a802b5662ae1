# SPDX-License-Identifier: LGPL-2.1-or-later
"""The smallest peripheral: one service, one characteristic, one advertisement, in BlueZ's API."""

from gi.repository import Gio, GLib
from harness.bus import OBJECT_MANAGER, PROPERTIES

SERVICE = "a0b40001-926d-4d61-98df-8c5c62ee53b3"
CHARACTERISTIC = "a0b40002-926d-4d61-98df-8c5c62ee53b3"
FIRST_VALUE = b"real"

ROOT = "/org/example/sensor"
ADVERTISEMENT = f"{ROOT}/advertisement"
SERVICE_PATH = f"{ROOT}/service"
VALUE_PATH = f"{SERVICE_PATH}/value"

XML = """
<node>
  <interface name="org.freedesktop.DBus.ObjectManager">
    <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
  </interface>
  <interface name="org.bluez.LEAdvertisement1">
    <method name="Release"/>
    <property name="Type" type="s" access="read"/>
    <property name="ServiceUUIDs" type="as" access="read"/>
    <property name="LocalName" type="s" access="read"/>
  </interface>
  <interface name="org.bluez.GattCharacteristic1">
    <method name="ReadValue"><arg type="a{sv}" direction="in"/><arg type="ay" direction="out"/></method>
    <method name="StartNotify"/>
    <method name="StopNotify"/>
  </interface>
</node>
"""

variant = GLib.Variant


class Sensor:
    """Registers itself on an adapter, answers reads, notifies."""

    def __init__(self, bus, bluez):
        self.connection = bus.connect()
        self.bluez = bluez
        self.adapter = None
        self.notifying = False
        node = Gio.DBusNodeInfo.new_for_xml(XML)
        for path, interface in ((ROOT, OBJECT_MANAGER), (ADVERTISEMENT, "org.bluez.LEAdvertisement1"),
                                (VALUE_PATH, "org.bluez.GattCharacteristic1")):
            self.connection.register_object(path, node.lookup_interface(interface), self.on_call, self.on_get, None)

    def on_call(self, _connection, _sender, _path, _interface, method, _arguments, invocation):
        answer = None
        if method == "GetManagedObjects":
            answer = variant("(a{oa{sa{sv}}})", (self.describe(),))
        elif method == "ReadValue":
            answer = variant("(ay)", (FIRST_VALUE,))
        elif method in ("StartNotify", "StopNotify"):
            self.notifying = method == "StartNotify"
        invocation.return_value(answer)

    @staticmethod
    def on_get(_connection, _sender, _path, _interface, prop):
        return {"Type": variant("s", "peripheral"), "ServiceUUIDs": variant("as", [SERVICE]),
                "LocalName": variant("s", "sensor")}[prop]

    @staticmethod
    def describe():
        return {
            SERVICE_PATH: {"org.bluez.GattService1": {
                "UUID": variant("s", SERVICE), "Primary": variant("b", True)}},
            VALUE_PATH: {"org.bluez.GattCharacteristic1": {
                "UUID": variant("s", CHARACTERISTIC), "Service": variant("o", SERVICE_PATH),
                "Flags": variant("as", ["read", "notify"])}},
        }

    def call(self, interface, method, *args):
        remote = self.bluez.remote(self.adapter, f"org.bluez.{interface}")
        remote.call_async(method, *args, connection=self.connection).wait()

    def register(self, adapter):
        self.adapter = adapter
        self.call("GattManager1", "RegisterApplication", ROOT, {})
        self.call("LEAdvertisingManager1", "RegisterAdvertisement", ADVERTISEMENT, {})

    def unregister(self):
        self.call("LEAdvertisingManager1", "UnregisterAdvertisement", ADVERTISEMENT)
        self.call("GattManager1", "UnregisterApplication", ROOT)
        self.connection.close(None, None)

    def notify(self, value):
        self.connection.emit_signal(
            None, VALUE_PATH, PROPERTIES, "PropertiesChanged",
            variant("(sa{sv}as)", ("org.bluez.GattCharacteristic1", {"Value": variant("ay", value)}, [])))
