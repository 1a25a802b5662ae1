# SPDX-License-Identifier: LGPL-2.1-or-later
"""The smallest peripheral: one service, one characteristic, one advertisement, in BlueZ's API."""

from gi.repository import Gio, GLib

import stack

SERVICE = "a0b40001-926d-4d61-98df-8c5c62ee53b3"
CHARACTERISTIC = "a0b40002-926d-4d61-98df-8c5c62ee53b3"
FIRST_VALUE = b"real"

ROOT = "/org/example/sensor"

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


class Sensor:
    """Registers itself on an adapter, answers reads, notifies."""

    def __init__(self, bus, adapter):
        self.bus = bus
        self.adapter = adapter
        self.notifying = False
        self.objects = []
        node = Gio.DBusNodeInfo.new_for_xml(XML)
        for path, interface in ((ROOT, stack.OBJECT_MANAGER),
                                (f"{ROOT}/advertisement", "org.bluez.LEAdvertisement1"),
                                (f"{ROOT}/service/value", "org.bluez.GattCharacteristic1")):
            self.objects.append(bus.connection.register_object(
                path, node.lookup_interface(interface), self.on_call, self.on_get, None))

    def on_call(self, _connection, _sender, _path, _interface, method, _arguments, invocation):
        answers = {
            "GetManagedObjects": lambda: GLib.Variant("(a{oa{sa{sv}}})", (self.describe(),)),
            "ReadValue": lambda: GLib.Variant("(ay)", (FIRST_VALUE,)),
        }
        if method in ("StartNotify", "StopNotify"):
            self.notifying = method == "StartNotify"
        invocation.return_value(answers.get(method, lambda: None)())

    @staticmethod
    def on_get(_connection, _sender, _path, _interface, prop):
        return {"Type": GLib.Variant("s", "peripheral"), "ServiceUUIDs": GLib.Variant("as", [SERVICE]),
                "LocalName": GLib.Variant("s", "sensor")}[prop]

    @staticmethod
    def describe():
        service = f"{ROOT}/service"
        return {
            service: {"org.bluez.GattService1": {
                "UUID": GLib.Variant("s", SERVICE), "Primary": GLib.Variant("b", True)}},
            f"{service}/value": {"org.bluez.GattCharacteristic1": {
                "UUID": GLib.Variant("s", CHARACTERISTIC), "Service": GLib.Variant("o", service),
                "Flags": GLib.Variant("as", ["read", "notify"])}},
        }

    def register(self):
        for manager, method, path in (("GattManager1", "RegisterApplication", ROOT),
                                      ("LEAdvertisingManager1", "RegisterAdvertisement", f"{ROOT}/advertisement")):
            self.bus.call(stack.BLUEZ, self.adapter.path, f"org.bluez.{manager}", method,
                          GLib.Variant("(oa{sv})", (path, {})))

    def unregister(self):
        for manager, method, path in (("LEAdvertisingManager1", "UnregisterAdvertisement", f"{ROOT}/advertisement"),
                                      ("GattManager1", "UnregisterApplication", ROOT)):
            self.bus.call(stack.BLUEZ, self.adapter.path, f"org.bluez.{manager}", method,
                          GLib.Variant("(o)", (path,)))
        for identifier in self.objects:
            self.bus.connection.unregister_object(identifier)

    def notify(self, value):
        self.bus.connection.emit_signal(
            None, f"{ROOT}/service/value", stack.PROPERTIES, "PropertiesChanged",
            GLib.Variant("(sa{sv}as)", ("org.bluez.GattCharacteristic1", {"Value": GLib.Variant("ay", value)}, [])))
