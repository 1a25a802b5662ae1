# SPDX-License-Identifier: LGPL-2.1-or-later
"""Remote devices used directly: what a client of BlueZ sees without core2d."""

from gi.repository import GLib
from harness import Remote, wait_for


class Device:
    """A remote device, by its object path."""

    def __init__(self, bluez, path):
        self.bluez = bluez
        self.path = path
        self.remote = bluez.remote(path, "org.bluez.Device1")

    def connect(self):
        self.remote.call("Connect")
        wait_for(lambda: self.remote.get("ServicesResolved"), what="services resolved")

    def disconnect(self):
        self.remote.call("Disconnect")

    def find_characteristic(self, uuid):
        """Waits for the characteristic: ServicesResolved can come before the objects."""
        return Characteristic(self.bluez, wait_for(lambda: self.look_up(uuid), what=f"characteristic {uuid}"))

    def look_up(self, uuid):
        for path, interfaces in self.bluez.objects().items():
            if path.startswith(self.path + "/") and \
               interfaces.get("org.bluez.GattCharacteristic1", {}).get("UUID") == uuid:
                return path
        return None


class Characteristic:
    """A characteristic of a remote device."""

    def __init__(self, bluez, path):
        self.remote: Remote = bluez.remote(path, "org.bluez.GattCharacteristic1")

    def read(self):
        return bytes(self.remote.call("ReadValue", {}))

    def write(self, value):
        self.remote.call("WriteValue", value, {"type": GLib.Variant("s", "request")})

    def subscribe(self):
        self.remote.call("StartNotify")

    @property
    def values(self):
        """What has arrived since this object was made, notified or read, in order."""
        return [bytes(value) for value in self.remote.announced("Value")]


