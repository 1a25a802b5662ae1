# SPDX-License-Identifier: LGPL-2.1-or-later
"""Waiting for conditions on GLib's main context, and the programs whose death ends the waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gi.repository import GLib

if TYPE_CHECKING:
    from .process import Process

T = TypeVar("T")

#: Seconds. Far more than anything needs, so that only a condition that never comes reaches it. Where all is slow, as in the
#: virtual machine, the environment has more.
TIMEOUT = float(os.environ.get("CORE2_TEST_TIMEOUT", "60"))

#: Milliseconds between two looks at conditions that no event of the main context announces. Looking costs, too.
TICK = int(TIMEOUT / 3)

#: Every running program under test. Waiting fails as soon as one of them ends unasked.
running: list[Process] = []


def wait_for(
    predicate: Callable[[], T], timeout: float = TIMEOUT, what: str = "", died_ok: bool = False
) -> T:
    """Run the main context until predicate() is true, and return what it returned.

    Fails after timeout seconds, and at once when a program under test ends that nobody stopped
    (unless died_ok).
    """
    context = GLib.MainContext.default()
    deadline = GLib.get_monotonic_time() + int(timeout * 1_000_000)
    tick = GLib.timeout_add(TICK, lambda: GLib.SOURCE_CONTINUE)
    try:
        while True:
            result = predicate()
            if result:
                return result
            if not died_ok:
                for process in running:
                    process.check_alive()
            if GLib.get_monotonic_time() > deadline:
                name = what or getattr(predicate, "__name__", repr(predicate))
                raise AssertionError(f"waited {timeout:g} s in vain for: {name}")
            context.iteration(True)
    finally:
        GLib.source_remove(tick)


def iterate() -> None:
    """Handle what is there already, without waiting."""
    context = GLib.MainContext.default()
    while context.iteration(False):
        pass
