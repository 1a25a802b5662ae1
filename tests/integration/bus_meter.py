# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the bus holds for a program: match rules, and calls without an answer."""

from __future__ import annotations

from collections.abc import Iterator

from gi.repository import GLib
from harness import Bus, wait_for


def match_rules(bus: Bus, name: str) -> int:
    """How many match rules a program has, by the bus."""
    arguments = GLib.Variant("(s)", (bus.owner(name),))
    driver = ("org.freedesktop.DBus", "/org/freedesktop/DBus")
    return bus.call(*driver, "org.freedesktop.DBus.Debug.Stats", "GetConnectionStats", arguments)[
        "MatchRules"
    ]


class CallMeter:
    """How many calls of a program were without an answer at once, by dbus-monitor."""

    def __init__(self, bus: Bus, name: str) -> None:
        owner = bus.owner(name)
        rules = [f"sender='{owner}'", f"destination='{owner}'"]
        argv = ["dbus-monitor", "--address", bus.address, "--profile", *rules]
        self.owner = owner
        self.process = bus.start(argv)
        wait_for(lambda: self.process.stdout, what="dbus-monitor")

    def most(self) -> tuple[int, int, int]:
        """Of Device1.Connect, which waits for chips that sleep, of all others, and of all together."""
        self.process.expect_end()
        self.process.stop()
        waiting: dict[str, str] = {}
        connects = others = calls = 0
        for kind, serial, sender, method in self._messages():
            if kind == "mc" and sender == self.owner and method != "Disconnect":
                waiting[serial] = method
                pending = sum(one == "Connect" for one in waiting.values())
                connects = max(connects, pending)
                others = max(others, len(waiting) - pending)
                calls = max(calls, len(waiting))
            elif kind in ("mr", "err"):
                waiting.pop(method, None)
        return connects, others, calls

    def _messages(self) -> Iterator[tuple[str, str, str, str]]:
        """Kind, serial, sender, and the method or the serial that is answered."""
        for line in self.process.stdout.splitlines():
            fields = line.split("\t")
            if fields[0] in ("mc", "mr", "err") and len(fields) >= 6:
                yield fields[0], fields[2], fields[3], fields[-1] if fields[0] == "mc" else fields[5]
