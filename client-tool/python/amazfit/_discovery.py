# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which chips there are: those in the air and those that core2d knows."""

from __future__ import annotations

import math
import time
from typing import Any

from ._client import CORE2, START_TIMEOUT, Client, GLib

ROOT = "/org/example/Core2"
MANAGER_PATH = f"{ROOT}/Manager"
MANAGER = f"{CORE2}.Manager"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"

#: The longest scan that core2d takes, in seconds. Longer searches are several.
LONGEST_SCAN = 60

#: Properties of org.example.Core2 by name.
Properties = dict[str, Any]


def known_chips(client: Client) -> dict[str, Properties]:
    """All chips of core2d by object path, in reach or not. Raises Core2Error."""
    objects = client.call(ROOT, OBJECT_MANAGER, "GetManagedObjects", timeout=START_TIMEOUT)
    return {path: chip[CORE2] for path, chip in objects.items() if CORE2 in chip}


def _connected(chips: dict[str, Properties]) -> list[str]:
    return [path for path, chip in chips.items() if chip["Connected"]]


def search(client: Client, timeout: float, first_only: bool) -> list[Properties]:
    """Look for chips for timeout seconds; a connected one counts as found.

    Raises Core2Error, for instance when no Bluetooth adapter is on.
    """
    found = dict.fromkeys(_connected(known_chips(client)))
    deadline = time.monotonic() + timeout
    while not (first_only and found):
        left = min(max(1, math.ceil(deadline - time.monotonic())), LONGEST_SCAN)
        options = {
            "timeout": GLib.Variant("u", left),
            "max": GLib.Variant("u", 1 if first_only else 0),
        }
        args = GLib.Variant("(a{sv})", (options,))
        found |= dict.fromkeys(client.call(MANAGER_PATH, MANAGER, "Scan", args))
        if time.monotonic() >= deadline:
            break
    chips = known_chips(client)
    # Connected meanwhile, because core2d heard the chip first.
    found |= dict.fromkeys(_connected(chips))
    return [chips[path] for path in found if path in chips]


def get_path(client: Client, address: str) -> str:
    """The object of the chip with this address, in any case of letters.

    One that core2d does not know is added, without a connection over restarts. Raises Core2Error,
    also for what is no address.
    """
    for path, chip in known_chips(client).items():
        if chip["Address"] == address.upper():
            return path
    args = GLib.Variant("(sa{sv})", (address, {"connect": GLib.Variant("b", False)}))
    path: str = client.call(MANAGER_PATH, MANAGER, "AddChip", args)
    return path
