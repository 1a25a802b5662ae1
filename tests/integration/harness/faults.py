# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests do to virtual BlueZ so that core2d meets a BlueZ that misbehaves."""

from __future__ import annotations

from typing import Any

from gi.repository import GLib

from .programs import VirtualBluez, chip_address
from .remote import Remote

#: Virtual chips that make no step by themselves, do not fall asleep, and have no midnight before them.
STANDING = ["--walk=0", "--quirk=idle-timeout=0", "--time=2024-05-06 08:00:00"]
HCI0 = "/org/bluez/hci0"


def device_path(index: int = 0, adapter: str = HCI0) -> str:
    """Where BlueZ shows the index-th chip."""
    return f"{adapter}/dev_{chip_address(index).replace(':', '_')}"


def variant(value: Any) -> GLib.Variant:
    """A D-Bus value of the type that options take it in."""
    if isinstance(value, GLib.Variant):
        return value
    return GLib.Variant({str: "s", bool: "b", int: "u", bytes: "ay", list: "as"}[type(value)], value)


class BluezFaults:
    """For a set-up with a virtual BlueZ in `bluez`. Names of options have _ here where BlueZ's have -."""

    bluez: VirtualBluez

    @property
    def adapter(self) -> Remote:
        return self.bluez.remote(HCI0, "org.bluez.Adapter1")

    def control(self, method: str, *args: Any) -> Any:
        """A method of virtual BlueZ's control interface; values of a dictionary get their types here."""
        typed = [
            {key: variant(value) for key, value in arg.items()} if isinstance(arg, dict) else arg
            for arg in args
        ]
        return self.bluez.control.call(method, *typed)

    def options(self, **options: Any) -> None:
        """SetOptions; numbers are milliseconds, -1 = never."""
        typed = {
            key.replace("_", "-"): GLib.Variant("b" if isinstance(value, bool) else "i", value)
            for key, value in options.items()
        }
        self.control("SetOptions", typed)

    def fault(self, method: str, path: str = "/", **options: Any) -> None:
        """InjectFault: calls of method on path and below go wrong."""
        self.control("InjectFault", method, path, {k.replace("_", "-"): v for k, v in options.items()})

    def count_calls(self, method: str) -> int:
        """How often method was called."""
        return self.control("CallCount", method)
