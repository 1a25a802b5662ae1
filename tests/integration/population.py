# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many chips at once: remembered, known to BlueZ, and the state of each."""

from __future__ import annotations

import hashlib
from typing import Any

from gi.repository import GLib
from harness import CORE2, STANDING, Bus, Core2d, VirtualBluez, VirtualChips, chip_address

#: Seconds. More than hundreds of chips take on a busy machine.
PATIENCE = 240.0


def remember_many(daemon: Core2d, count: int) -> None:
    """core2d is stopped and started with the record of one chip for all of them."""
    daemon.add(0, ready=False)
    daemon.stop()
    write_records(daemon, count)
    daemon.start()


def write_records(daemon: Core2d, count: int) -> None:
    """While core2d, which has stored the first chip, does not run: it has so many from its next start on."""
    folder = daemon.state_directory / "chips"
    template = (folder / f"{chip_address(0).replace(':', '_')}.conf").read_text()
    body = template[: template.index("[Check]")]
    for i in range(count):
        text = body.replace(chip_address(0), chip_address(i))
        check = f"[Check]\nSha256={hashlib.sha256(text.encode()).hexdigest()}\n"
        (folder / f"{chip_address(i).replace(':', '_')}.conf").write_text(text + check)


def remember_devices(bluez: VirtualBluez, first: int, end: int, centrals: int = 1) -> None:
    """BlueZ knows the chips first to end - 1, each on one of its adapters, and never hears them."""
    name = {"Name": GLib.Variant("s", "HM0D")}
    for begin in range(first, end, 100):
        calls = [
            bluez.control.call_async(
                "RememberDevice", f"/org/bluez/hci{i % centrals}", chip_address(i), name
            )
            for i in range(begin, min(begin + 100, end))
        ]
        for call in calls:
            call.wait(PATIENCE)


def start_models(bus: Bus, count: int, centrals: int = 1) -> VirtualChips:
    """Chips that stand still and stay awake."""
    return VirtualChips(bus, tuple(f"hci{i + centrals}" for i in range(count)), *STANDING)


class States:
    """The state of every chip, as core2d publishes it."""

    def __init__(self, daemon: Core2d) -> None:
        self.states: dict[str, str] = {}
        daemon.bus.connection.signal_subscribe(
            CORE2, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, CORE2, 0, self._changed
        )
        daemon.bus.synchronize()
        daemon.objects(self._begin)

    def _begin(self, objects: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.states |= {path: chip[CORE2]["State"] for path, chip in objects.items() if CORE2 in chip}

    def _changed(self, _bus, _sender, path, _interface, _member, args) -> None:
        changed = args.unpack()[1]
        if "State" in changed:
            self.states[path] = changed["State"]

    def ready(self) -> set[str]:
        return {path for path, state in self.states.items() if state == "ready"}

    def count(self, state: str) -> int:
        return sum(one == state for one in self.states.values())
