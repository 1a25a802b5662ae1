# SPDX-License-Identifier: LGPL-2.1-or-later
"""A chip in a shoe and the daemon connected to it, for tests of keys and pairing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gi.repository import GLib
from harness import HCI0, Core2d, Remote, VirtualBluez, wait_for
from harness.programs import let_bluez_answer, let_chips_answer, let_core2d_answer

CHARACTERISTIC = "org.bluez.GattCharacteristic1"
ERROR = "org.example.Core2.Error."
OLD_KEY = bytes(range(0x30, 0x40))
OTHER_KEY = bytes(range(0xA0, 0xB0))


class Shoe:
    """A chip that stands still on hci1, and core2d connected to it."""

    def __init__(self, hands: Remote, daemon: Core2d, bluez: VirtualBluez) -> None:
        self.hands = hands
        self.daemon = daemon
        self.bluez = bluez
        self.chip = daemon.add(0)

    @property
    def key(self) -> bytes:
        """The key that the chip has accepted."""
        return bytes(self.hands.get("Key"))

    @property
    def stored_key(self) -> bytes:
        return bytes(self.chip.call("GetKey"))

    @property
    def keys(self) -> Path:
        return self.daemon.state_directory / "keys"

    def quirks(self, **values: Any) -> None:
        for name, value in values.items():
            variant = value if isinstance(value, GLib.Variant) else GLib.Variant("s", value)
            self.hands.call("SetQuirk", name.replace("_", "-"), variant)

    def find_characteristic(self, uuid: str) -> str:
        """Its path."""
        objects = self.bluez.bus.managed_objects("org.bluez", "/")
        return next(
            path
            for path, interfaces in objects.items()
            if interfaces.get(CHARACTERISTIC, {}).get("UUID") == uuid and path.startswith(HCI0)
        )

    def pair(self, **options: GLib.Variant) -> None:
        self.chip.call("Pair", options)

    def give_key(self, key: bytes = OLD_KEY) -> None:
        """Chip and core2d know this key from before, and have used it on this connection."""
        self.hands.call("SetKey", key)
        self.chip.call("SetKey", key)
        self.hands.wait_property("Authenticated", True)
        self.chip.wait_property("Paired", True)

    def wait_key(self) -> None:
        """The key in the store is the chip's, nothing else is left there, and the chip knows us."""
        self.hands.wait_property("Authenticated", True)
        self.chip.wait_property("Paired", True)
        wait_for(lambda: self.kinds_of_keys() == [".key"], what="the end of the pending key")
        wait_for(lambda: self.stored_key == self.key, what="the chip's key in the store")
        # The chip was content; now core2d has heard of it, too.
        let_chips_answer(self.bluez.bus)
        let_bluez_answer(self.bluez.bus)
        let_core2d_answer(self.bluez.bus)

    def kinds_of_keys(self) -> list[str]:
        """Of this chip: .key for the one in use, .pending for that of an interrupted pairing."""
        return sorted(file.suffix for file in self.keys.iterdir())

    def walk(self, steps: int) -> None:
        before = self.chip.get("StepsTotal")
        self.hands.call("Step", steps)
        self.chip.wait_property("StepsTotal", before + steps)

    def reconnect(self) -> None:
        before = len(self.chip.changes)
        self.hands.call("DropLink")
        self.chip.wait_change("State", "ready", before)
