# SPDX-License-Identifier: LGPL-2.1-or-later
"""Repeated measurements, and tables of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class Series:
    """The same thing measured several times."""

    def __init__(self, values: Iterable[float]) -> None:
        self.values = sorted(values)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Half the distance from the lower to the upper quartile: half of all values are within median ± spread
        or so. 0 for a single value."""
        if len(self.values) < 2:
            return 0.0
        lower, _, upper = statistics.quantiles(self.values, n=4, method="inclusive")
        return (upper - lower) / 2

    def ratio(self, other: Series) -> float:
        """Of the medians."""
        return self.median / other.median if other.median else float("nan")

    def text(self, digits: int = 1) -> str:
        """`median ±spread`."""
        if len(self.values) < 2:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ±{self.spread:.{digits}f}"


class Table:
    """Rows of texts under a heading, in columns: Markdown that is also readable as it is."""

    def __init__(self, title: str, *columns: str) -> None:
        self.title = title
        self.columns = columns
        self.rows: list[tuple[str, ...]] = []

    def add(self, *cells: str | int | float | Series) -> None:
        assert len(cells) == len(self.columns), (cells, self.columns)
        self.rows.append(tuple(_text(cell) for cell in cells))

    def __str__(self) -> str:
        rows = [self.columns, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.columns))]
        lines = [_line(row, widths) for row in rows]
        # The first column names the row, the others are numbers.
        rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines.insert(1, f"| {' | '.join(rules)} |")
        return "\n".join([f"{self.title}\n", *lines, ""])

    def print(self) -> None:
        print(self, flush=True)


def _text(cell: str | int | float | Series) -> str:
    if isinstance(cell, Series):
        return cell.text()
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first = cells[0].ljust(widths[0])
    others = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
    return f"| {' | '.join([first, *others])} |"


def interleave(rounds: int, measure: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Measure everything once a round, so that what else the machine does hits all alike.

    Each round begins with another one, because the first of a round may find colder caches.
    """
    names = list(measure)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            results[name].append(measure[name]())
    return results
