# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits that core2d wants to keep: printed as met or not. Nothing fails."""

from __future__ import annotations


class Bars:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def at_most(self, name: str, what: str, value: float, limit: float, digits: int = 2) -> None:
        """at_most("P1", "CPU, ratio to bare sd-bus", 1.7, 2.0) says `P1 met: …, 1.70 (bar 2.00)`."""
        verdict = "met" if value <= limit else "NOT met"
        self._say(f"{name} {verdict}: {what} {value:.{digits}f} (bar {limit:.{digits}f})")

    def unknown(self, name: str, why: str) -> None:
        """It was not measured this time."""
        self._say(f"{name} not measured: {why}")

    def _say(self, line: str) -> None:
        self.lines.append(line)
        print(line, flush=True)
