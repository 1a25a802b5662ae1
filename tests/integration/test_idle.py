# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d sleeps while nothing happens. tests/bench/bench-idle looks at it for minutes."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime

from gi.repository import GLib
from harness import STANDING, Bus, Core2d, VirtualBluez, VirtualChips, VirtualClock, wait_for

#: Seconds. The battery is read more rarely than that, and days end at midnight.
LONG = 600
NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def test_no_timer_runs_while_nothing_happens(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    """Connected to chips that stand still it asks the kernel for a sleep of minutes, or without an end."""
    clock = VirtualClock(bus, NOON)
    virtual_bluez("--peripherals=3")
    models = virtual_chip("hci1", "hci2", args=STANDING)
    daemon = core2d()
    for index in range(2):
        daemon.add_counting(index)
    daemon.add(2, ready=False, connect=GLib.Variant("b", False))
    models[0].call("Step", 5)
    daemon.chip(0).wait_property("StepsTotal", 5)

    trace = bus.start(["strace", "-e", "trace=ppoll,poll", "-p", str(daemon.pid)])
    trace.expect_end()
    wait_for(lambda: "attached" in trace.stderr, what="strace to attach")

    woken_at = 0

    def sleeps_long() -> bool:
        """What it waits for now; whatever was begun before becomes due first.

        A message would wake it, too, but then it asks some time later whether the bus is well.
        """
        nonlocal woken_at
        lines = trace.stderr.splitlines()
        if len(lines) <= woken_at:
            return False  # it still has to notice that a second is over
        last = lines[-1]
        until = re.search(r"poll\(\[.*\], \d+, (?:(NULL)|\{tv_sec=(\d+), tv_nsec=\d+\}), NULL, 8$", last)
        if until is None or until[2] == "0":
            return False
        if until[1] or int(until[2]) >= LONG:
            return True
        clock.let_answer()
        woken_at = len(lines)
        clock.add(1)
        daemon.process.send_signal(signal.SIGHUP)
        return False

    wait_for(sleeps_long, what="core2d to fall asleep")
    trace.stop()
    assert daemon.chip(0).get("State") == daemon.chip(1).get("State") == "ready"
