# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests of the virtual chip say to it and read of it."""

from __future__ import annotations

from gi.repository import GLib

INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"


def quirk(value: str | bytes | int | bool) -> GLib.Variant:
    """The value of a quirk, in the type that SetQuirk wants."""
    signature = {bool: "b", int: "u", str: "s", bytes: "ay"}[type(value)]
    return GLib.Variant(signature, value)


def steps_of(frame: bytes) -> int:
    """The counter in a frame of steps."""
    return int.from_bytes(frame[1:5], "little")
