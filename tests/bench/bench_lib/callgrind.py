# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callgrind counted: instructions by function, and who called whom how often."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_POSITION = re.compile(r"(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn)=\((\d+)\)(?: (.*))?")


class Function(NamedTuple):
    object: str  #: file name without folder and version: "libsystemd"
    name: str


class Call(NamedTuple):
    caller: Function
    callee: Function


@dataclass
class Profile:
    instructions: Counter[Function] = field(default_factory=Counter)
    calls: Counter[Call] = field(default_factory=Counter)
    #: Instructions of those calls, with all that is called in turn.
    costs: Counter[Call] = field(default_factory=Counter)

    def __sub__(self, other: Profile) -> Profile:
        difference = Profile(Counter(self.instructions), Counter(self.calls), Counter(self.costs))
        difference.instructions.subtract(other.instructions)
        difference.calls.subtract(other.calls)
        difference.costs.subtract(other.costs)
        return difference

    def by_object(self) -> Counter[str]:
        totals: Counter[str] = Counter()
        for function, count in self.instructions.items():
            totals[function.object] += count
        return totals

    def times_called(self) -> Counter[Function]:
        totals: Counter[Function] = Counter()
        for call, count in self.calls.items():
            totals[call.callee] += count
        return totals


def _short(path: str) -> str:
    return re.sub(r"\.so\b.*", "", Path(path).name)


def read_profile(path: Path) -> Profile:
    """The format is in valgrind's manual: names are written once and then go by number; the line after `calls=` has
    what the call cost, which the called function has, too."""
    profile = Profile()
    names: dict[tuple[str, str], str] = {}
    at: dict[str, str] = {}
    call: Call | None = None
    for line in path.read_text(errors="replace").splitlines():
        if position := _POSITION.fullmatch(line):
            kind, number, name = position.groups()
            table = {"ob": "ob", "fn": "fn"}.get(kind.removeprefix("c"), "file")
            if name is not None:
                names[table, number] = _short(name) if table == "ob" else name.split("'")[0]
            at[kind] = names[table, number]
        elif line.startswith("calls="):
            callee = Function(at.pop("cob", at["ob"]), at["cfn"])
            call = Call(Function(at["ob"], at["fn"]), callee)
            profile.calls[call] += int(line.removeprefix("calls=").split()[0])
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            count = int(line.split()[1])
            if call is None:
                profile.instructions[Function(at["ob"], at["fn"])] += count
            else:
                profile.costs[call] += count
                call = None
    return profile
