# SPDX-License-Identifier: LGPL-2.1-or-later
"""Virtual BlueZ that misbehaves as it is told, chips that stand still, and core2d."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from harness import (
    HCI0,
    TIMEOUT,
    BluezFaults,
    Core2d,
    Remote,
    VirtualBluez,
    VirtualChips,
    chip_address,
    device_path,
    wait_for,
)

ERROR = "org.example.Core2.Error."
FEE0 = "0000fee0-0000-1000-8000-00805f9b34fb"
STEPS = "00000007-0000-3512-2118-0009af100700"
BATTERY = "00002a19-0000-1000-8000-00805f9b34fb"

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

ASLEEP = "asleep: shake the chip"

#: For what takes its time in core2d on purpose.
PATIENCE = 2 * TIMEOUT


class Call(NamedTuple):
    """A call of BlueZ, as virtual BlueZ remembers it."""

    time: int
    sender: str
    path: str
    method: str


class World(BluezFaults):
    """The programs, and what most tests do with them. `chip` is core2d's, `hands` move the chip itself."""

    def __init__(self, bluez: VirtualBluez, chips: VirtualChips, daemon: Core2d) -> None:
        self.bluez = bluez
        self.chips = chips
        self.hands = chips[0]
        self.daemon = daemon

    @property
    def chip(self) -> Remote:
        if not hasattr(self, "_chip"):
            self._chip = self.daemon.chip(0)
        return self._chip

    def connect(self) -> None:
        """The first chip is added and its counter known."""
        self._chip = self.daemon.add(0, ready=False)
        self.chip.wait_property("StepsUpdated", lambda time: time > 0)
        self.chip.wait_property("State", "ready")
        self.daemon.wait_idle(self.chip)

    def know(self, index: int = 0, adapter: str = HCI0, **options: Any) -> str:
        """BlueZ knows the chip from earlier days."""
        return self.control("RememberDevice", adapter, chip_address(index), {"Trusted": True} | options)

    def adapter_paths(self) -> tuple[str, str]:
        """Of two adapters the one that the chip is known on, and the other."""
        paths = {HCI0, "/org/bluez/hci1"}
        address = self.chip.get("Adapter")
        (used,) = {path for path in paths if self.bluez.remote(path, ADAPTER).get("Address") == address}
        (other,) = paths - {used}
        return used, other

    @property
    def device(self) -> Remote:
        return self.bluez.remote(device_path(), DEVICE)

    def characteristic(self, uuid: str = STEPS) -> Remote:
        for path, interfaces in self.bluez.bus.managed_objects("org.bluez", "/").items():
            found = interfaces.get(CHARACTERISTIC)
            if found and found["UUID"] == uuid and path.startswith(device_path()):
                return self.bluez.remote(path, CHARACTERISTIC)
        raise LookupError(uuid)

    def properties_changed(self, path: str, interface: str, **changed: Any) -> None:
        """A PropertiesChanged signal that may be false."""
        self.control("EmitProperties", path, interface, changed, [])

    def calls(self, *methods: str) -> list[Call]:
        """core2d's calls of these methods, in order."""
        owner = self.daemon.bus.owner(self.daemon.name)
        log = [Call(*call) for call in self.control("CallLog")]
        return [call for call in log if call.sender == owner and call.method in methods]

    def wait_count(self, method: str, count: int) -> None:
        wait_for(lambda: self.count_calls(method) >= count, PATIENCE, f"{count} calls of {method}")

    def lose_link(self) -> int:
        """The link breaks; the chip advertises again at once. Returns what wait_change() needs for what follows."""
        before = len(self.chip.changes)
        self.hands.call("DropLink")
        self.chip.wait_change("Connected", False, before)
        return before

    def ready_again(self) -> None:
        """Ready, and what was walked meanwhile is counted, once."""
        self.chip.wait_property("State", "ready", timeout=PATIENCE)
        self.hands.call("Step", 4)
        self.chip.wait_property("StepsTotal", self.hands.get("StepsWalked"), timeout=PATIENCE)


#: Makes a World: make_world("--gap", centrals=1, chips=2, chip_args=[…], daemon_args=[…], connected=True).
MakeWorld = Callable[..., World]
