# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a process has used so far, from /proc; all of its threads together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Since the process began. Take the difference of two."""

    cpu_ns: int  #: user and system time, as the scheduler counts it: not in ticks
    voluntary: int  #: context switches because it waited
    involuntary: int  #: context switches because it was pushed off its processor

    @property
    def switches(self) -> int:
        return self.voluntary + self.involuntary

    def __sub__(self, before: Usage) -> Usage:
        return Usage(
            self.cpu_ns - before.cpu_ns,
            self.voluntary - before.voluntary,
            self.involuntary - before.involuntary,
        )


def usage(pid: int) -> Usage:
    """Threads that have ended are forgotten: compare only while the same threads run."""
    cpu = voluntary = involuntary = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0])
        for line in (task / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "voluntary_ctxt_switches":
                voluntary += int(value)
            elif name == "nonvoluntary_ctxt_switches":
                involuntary += int(value)
    return Usage(cpu, voluntary, involuntary)


@dataclass(frozen=True)
class Memory:
    """KiB."""

    rss: int  #: all pages in memory
    pss: int  #: with its share of the pages that other processes have, too
    private: int  #: pages that only it has: what ending it would free
    heap: int  #: of the private ones, those of the heap (brk)
    anonymous: int  #: of the private ones, those of no file: heap, stacks, buffers


def memory(pid: int) -> Memory:
    """Reading it takes the kernel a moment, in which the process may stand still."""
    totals = _sums(Path(f"/proc/{pid}/smaps_rollup").read_text())
    heap = 0
    inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):
            inside = line.endswith("[heap]")
        elif inside and first in ("Private_Clean:", "Private_Dirty:"):
            heap += int(line.split()[1])
    private = totals["Private_Clean"] + totals["Private_Dirty"]
    return Memory(totals["Rss"], totals["Pss"], private, heap, totals["Anonymous"])


def _sums(text: str) -> dict[str, int]:
    """The lines `Name:  123 kB` of smaps."""
    fields = [line.split() for line in text.splitlines()]
    return {field[0].rstrip(":"): int(field[1]) for field in fields if field[-1] == "kB"}
