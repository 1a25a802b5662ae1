# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benches share: what a process used, medians and ratios, tables, bars, a bus of either kind."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from .bars import Bars  # noqa: E402
from .machine import describe_machine, pin, private_bus, split_processors  # noqa: E402
from .proc import Memory, Usage, memory, usage  # noqa: E402
from .table import Series, Table, interleave  # noqa: E402

__all__ = [
    "Bars",
    "Memory",
    "Series",
    "Table",
    "Usage",
    "describe_machine",
    "interleave",
    "memory",
    "pin",
    "private_bus",
    "split_processors",
    "usage",
]
