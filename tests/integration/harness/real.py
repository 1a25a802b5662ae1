# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real system bus and the real bluetoothd, for tests inside the virtual machine of tests/real-bluez.

They take the places of the private bus and of virtual BlueZ when CORE2_REAL_BLUEZ is set.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from .bus import PROPERTIES, Bus, BusError, environment
from .loop import TIMEOUT, wait_for
from .process import Process
from .remote import Remote

#: Whether the tests run in the virtual machine, against the real bluetoothd.
enabled = bool(os.environ.get("CORE2_REAL_BLUEZ"))

BLUEZ = "org.bluez"


def adapter_address(index: int) -> str:
    """What btvirt gives its index-th controller."""
    return f"00:AA:01:{index:02X}:00:{index:02X}"


def chip_options() -> list[str]:
    """What virtual chips need here besides: bluetoothd keeps the GAP and GATT services to itself."""
    return []


def systemctl(*args: str) -> str:
    """Run systemctl and return what it printed."""
    done = subprocess.run(
        ["systemctl", *args], check=False, text=True, capture_output=True, timeout=2 * TIMEOUT
    )
    assert done.returncode == 0, f"systemctl {' '.join(args)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


class Units:
    """The units of systemd by its own interface: in the virtual machine systemctl takes long to start."""

    NAME, PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    def call(self, method: str, signature: str, *args: Any) -> Any:
        interface, values = f"{self.NAME}.Manager", GLib.Variant(signature, args)
        return self.bus.call(self.NAME, self.PATH, interface, method, values, timeout=2 * TIMEOUT)

    def _job(self, method: str, unit: str) -> None:
        """Queue a job, and wait until it is done."""
        removed = self.bus.signals(self.NAME, self.PATH, f"{self.NAME}.Manager", "JobRemoved")
        job = self.call(method, "(ss)", unit, "replace")
        what = f"{method} of {unit}"
        ended = removed.wait(lambda end: end.args[1] == job, timeout=2 * TIMEOUT, what=what)
        assert ended[0].args[3] == "done", f"{what}: {ended[0].args[3]}"

    def start(self, unit: str) -> None:
        self._job("StartUnit", unit)

    def stop(self, unit: str) -> None:
        self._job("StopUnit", unit)

    def restart(self, unit: str) -> None:
        self._job("RestartUnit", unit)

    def kill(self, unit: str, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        self.call("KillUnit", "(ssi)", unit, "main", number)

    def forget_starts(self, unit: str) -> None:
        """Earlier starts and failures count no more against the limit of the unit."""
        try:
            self.call("ResetFailedUnit", "(s)", unit)
        except BusError as error:
            # systemd unloads a unit that does nothing, and with it all that it counted.
            assert error.name == f"{self.NAME}.NoSuchUnit", error

    def get(self, unit: str, prop: str) -> Any:
        """A property of a unit or of its service."""
        path = self.call("LoadUnit", "(s)", unit)
        kind = "Unit" if prop in ("ActiveState", "LoadState") else "Service"
        args = GLib.Variant("(ss)", (f"{self.NAME}.{kind}", prop))
        return self.bus.call(self.NAME, path, PROPERTIES, "Get", args)

    def pid(self, unit: str) -> int:
        """The main process of a service, 0 while there is none."""
        return self.get(unit, "MainPID")


class SystemBus(Bus):
    """The machine's own bus, with its policy."""

    # As for a person, who may be asked for a password: core2d then has patience with a slow polkitd.
    call_flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kind = "system"
        self.socket_path = Path("/run/dbus/system_bus_socket")
        self.address = f"unix:path={self.socket_path}"
        self.processes: list[Process] = []
        self.env = environment(directory, self.address)
        self.connection = self.connect()

    def release(self) -> None:
        """Nothing was made."""


class RealBluez:
    """bluetoothd as systemd runs it, in the place of virtual BlueZ: hci0 is the central, the others are the chips'."""

    name = BLUEZ
    unit = "bluetooth.service"

    def __init__(self, bus: Bus, *args: str) -> None:
        """args: those of virtual BlueZ. --gap is granted, as nothing here asks for the GAP service."""
        assert set(args) <= {"--gap"}, f"the real bluetoothd cannot {args}"
        self.bus = bus
        self.units = Units(bus)
        self.start()
        self.forget_devices()

    def start(self) -> None:
        """Start it, if it does not run, and wait until its adapters are on."""
        self.units.start(self.unit)
        wait_for(self.adapters_are_on, what="all adapters on")

    def stop(self) -> None:
        self.units.stop(self.unit)

    def kill(self) -> None:
        """SIGKILL. systemd does not start it again by itself, as on Debian."""
        self.units.kill(self.unit, signal.SIGKILL)
        self.bus.wait_name_gone(self.name)

    def restart(self) -> None:
        self.units.restart(self.unit)
        wait_for(self.adapters_are_on, what="all adapters on")

    @property
    def pid(self) -> int:
        return self.units.pid(self.unit)

    def remote(self, path: str, interface: str) -> Remote:
        """An object of BlueZ: remote("/org/bluez/hci0", "org.bluez.Adapter1")."""
        return Remote(self.bus, self.name, path, interface)

    def objects(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Everything bluetoothd shows; empty while it does not run."""
        return self.bus.managed_objects(self.name, "/") if self.bus.owner(self.name) else {}

    def adapters_are_on(self) -> bool:
        adapters = [
            interfaces["org.bluez.Adapter1"]
            for interfaces in self.objects().values()
            if "org.bluez.Adapter1" in interfaces
        ]
        return len(adapters) == int(os.environ["CONTROLLERS"]) and all(
            adapter["Powered"] for adapter in adapters
        )

    def find_device(self, address: str, adapter: str = "hci0") -> str | None:
        """The path of a device on an adapter, or None."""
        path = f"/org/bluez/{adapter}/dev_{address.replace(':', '_')}"
        return path if path in self.objects() else None

    def discover(self, address: str, adapter: str = "hci0") -> str:
        """Scan until a device is there; its path."""
        remote = self.remote(f"/org/bluez/{adapter}", "org.bluez.Adapter1")
        remote.call("SetDiscoveryFilter", {"Transport": GLib.Variant("s", "le")})
        remote.call("StartDiscovery")
        try:
            return wait_for(lambda: self.find_device(address, adapter), what=f"{address} in a scan")
        finally:
            remote.call("StopDiscovery")

    def forget_devices(self) -> None:
        """Remove every remote device that BlueZ remembers, on every adapter."""
        for path, interfaces in self.objects().items():
            if "org.bluez.Device1" in interfaces:
                adapter = self.remote(path.rsplit("/", 1)[0], "org.bluez.Adapter1")
                adapter.call("RemoveDevice", path)
        wait_for(
            lambda: not any("org.bluez.Device1" in ifs for ifs in self.objects().values()),
            what="an empty list of devices",
        )
