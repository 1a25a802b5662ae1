# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Bluetooth central of the test's own, on BlueZ's API: what core2d is to a chip."""

from __future__ import annotations

from typing import Any

from gi.repository import GLib
from harness import Bus, Remote, SignalLog, chip_address, wait_for

ADAPTER = "/org/bluez/hci0"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"


def full_uuid(uuid: str) -> str:
    """2a19 on the Bluetooth base UUID, V0007 on that of the chip's maker, others as they are."""
    if uuid.startswith("V"):
        return f"0000{uuid[1:]}-0000-3512-2118-0009af100700"
    return uuid if len(uuid) == 36 else f"0000{uuid}-0000-1000-8000-00805f9b34fb"


class Characteristic:
    """A characteristic of a connected peripheral. Values are bytes."""

    def __init__(self, bus: Bus, path: str) -> None:
        self.path = path
        self._remote = Remote(bus, "org.bluez", path, CHARACTERISTIC)

    def read(self) -> bytes:
        return bytes(self._remote.call("ReadValue", {}))

    def write(self, value: bytes, kind: str = "request") -> None:
        """kind: request, or command for a write without response."""
        self._remote.call("WriteValue", value, {"type": GLib.Variant("s", kind)})

    def read_async(self) -> Any:
        return self._remote.call_async("ReadValue", {})

    def subscribe(self) -> None:
        self._remote.call("StartNotify")

    def unsubscribe(self) -> None:
        self._remote.call("StopNotify")

    @property
    def values(self) -> list[bytes]:
        """Every value that came since the connection: by notifications and by reads."""
        return [bytes(value) for value in self._remote.announced("Value")]

    def forget_values(self) -> None:
        self._remote.changes.clear()

    def wait_values(self, count: int) -> list[bytes]:
        wait_for(lambda: len(self.values) >= count, what=f"{count} values of {self.path}")
        return self.values


class Central:
    """A peripheral as the central on hci0 sees it."""

    def __init__(self, bus: Bus, index: int = 0) -> None:
        """index: of the peripheral's radio, as in chip_address()."""
        self.bus = bus
        self.address = chip_address(index)
        self.path = f"{ADAPTER}/dev_{self.address.replace(':', '_')}"
        self.adapter = Remote(bus, "org.bluez", ADAPTER, "org.bluez.Adapter1")

    @property
    def device(self) -> Remote:
        return Remote(self.bus, "org.bluez", self.path, "org.bluez.Device1")

    def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        return self.bus.managed_objects("org.bluez", "/")

    def discover(self) -> dict[str, Any]:
        """Scan until the peripheral is found; what BlueZ tells of it."""
        added: SignalLog = self.bus.signals("org.bluez", "/", None, "InterfacesAdded")
        self.adapter.call("SetDiscoveryFilter", {"Transport": GLib.Variant("s", "le")})
        self.adapter.call("StartDiscovery")
        if self.path not in self.objects():
            added.wait(lambda signal: signal.args[0] == self.path, what=f"{self.address} in a scan")
        return self.device.get_all()

    def connect(self) -> None:
        """Discover if need be, connect, and wait for the services."""
        if self.path not in self.objects():
            self.discover()
            self.adapter.call("StopDiscovery")
        device = self.device
        device.call("Connect")
        device.wait_property("ServicesResolved", True)

    def is_connected(self) -> bool:
        """Whether BlueZ says so; not when it does not know the peripheral."""
        return self.objects().get(self.path, {}).get("org.bluez.Device1", {}).get("Connected", False)

    def disconnect(self) -> None:
        self.device.call("Disconnect")

    def characteristics(self) -> dict[str, str]:
        """Path of each characteristic by full UUID."""
        return {
            interfaces[CHARACTERISTIC]["UUID"]: path
            for path, interfaces in self.objects().items()
            if path.startswith(self.path + "/") and CHARACTERISTIC in interfaces
        }

    def service_of(self, uuid: str) -> str:
        """Full UUID of the service that has this characteristic."""
        objects = self.objects()
        path = self.characteristics()[full_uuid(uuid)]
        service = objects[path][CHARACTERISTIC]["Service"]
        return objects[service]["org.bluez.GattService1"]["UUID"]

    def has(self, uuid: str) -> bool:
        return full_uuid(uuid) in self.characteristics()

    def __getitem__(self, uuid: str) -> Characteristic:
        """A characteristic by UUID, as full_uuid() takes it."""
        wait_for(lambda: self.has(uuid), what=f"characteristic {uuid}")
        return Characteristic(self.bus, self.characteristics()[full_uuid(uuid)])
