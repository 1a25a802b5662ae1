# SPDX-License-Identifier: LGPL-2.1-or-later
"""A clock that the test moves, for all programs of the project on a bus."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from datetime import UTC, datetime

from gi.repository import GLib

from .bus import Bus
from .loop import wait_for
from .programs import build_directory, let_bluez_answer, let_chips_answer, let_core2d_answer


class VirtualClock:
    """Time goes on by itself, and a test lets more of it go by.

    Programs that are started on the bus after it was made live in its time; the bus and the test do not.
    """

    def __init__(self, bus: Bus, start: datetime | None = None) -> None:
        """start: what the wall clock shows now, in UTC, which is the programs' zone then; None: the true time."""
        path = bus.directory / "clock"
        path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            # As numbers, so that each is stored at once: the programs read it at any time.
            self._offsets = memoryview(mmap.mmap(file.fileno(), 24)).cast("q")
        self._bus = bus
        self._wall = 0
        self._running = 0
        if start is not None:
            self._wall = int(start.timestamp() * 1e6) - GLib.get_real_time()
            bus.env["TZ"] = "UTC"
        self._write()
        bus.env |= {
            "LD_PRELOAD": str(build_directory() / "tests/virtual-clock/virtual-clock.so"),
            "VIRTUAL_CLOCK": str(path),
            # The library is to come before that of a sanitizer, which it does not disturb; and in days of
            # seconds what was freed is not to be kept as it is otherwise.
            "ASAN_OPTIONS": bus.env.get("ASAN_OPTIONS", "")
            + ":verify_asan_link_order=0:quarantine_size_mb=1",
        }

    def _write(self) -> None:
        self._offsets[0] = self._wall
        self._offsets[1] = self._offsets[2] = self._running

    def now(self) -> datetime:
        return datetime.fromtimestamp((GLib.get_real_time() + self._wall) / 1e6, UTC)

    def monotonic(self) -> float:
        """Seconds of the programs' monotonic clock."""
        return (GLib.get_monotonic_time() + self._running) / 1e6

    def add(self, seconds: float) -> None:
        """Let time go by on all clocks. Programs that wait learn of it when something wakes them."""
        microseconds = int(seconds * 1e6)
        self._wall += microseconds
        self._running += microseconds
        self._write()

    def let_answer(self) -> None:
        """Return when requests that core2d has sent are answered: to the chip and back."""
        let_bluez_answer(self._bus)
        let_chips_answer(self._bus)
        let_bluez_answer(self._bus)

    def wait(self, happened: Callable[[], object], what: str) -> float:
        """Let time go by until that has happened, and tell how many seconds it took.

        Requests to the chip are answered before the next second, so that none comes too late.
        """
        begin = self.monotonic()

        def look() -> bool:
            if happened():
                return True
            self.add(1)
            let_core2d_answer(self._bus)
            self.let_answer()
            let_core2d_answer(self._bus)
            return False

        wait_for(look, what=what)
        return self.monotonic() - begin

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock so much later (or earlier): nobody waited meanwhile."""
        self._wall += int(seconds * 1e6)
        self._write()
