# SPDX-License-Identifier: LGPL-2.1-or-later
"""What callgrind counted: instructions by function, and how often one object called functions of others."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_POSITION = re.compile(r"(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn)=\((\d+)\)(?: (.*))?")


@dataclass
class Profile:
    """Names of objects are those of their files, without folders and versions."""

    #: Instructions by (object, function).
    instructions: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: How often functions were called, by (calling object, called object, called function).
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    #: What those calls cost with all that they called in turn, by the same keys.
    costs: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __sub__(self, other: Profile) -> Profile:
        difference = Profile(Counter(self.instructions), Counter(self.calls), Counter(self.costs))
        difference.instructions.subtract(other.instructions)
        difference.calls.subtract(other.calls)
        difference.costs.subtract(other.costs)
        return difference

    def by_object(self) -> Counter[str]:
        totals: Counter[str] = Counter()
        for (name, _function), count in self.instructions.items():
            totals[name] += count
        return totals

    def calls_from(self, name: str) -> Counter[tuple[str, str]]:
        """Calls out of an object, by (object, function)."""
        return _from(self.calls, name)

    def costs_from(self, name: str) -> Counter[tuple[str, str]]:
        """The same for what they cost. What calls back into the object includes what that does."""
        return _from(self.costs, name)


def _from(counts: Counter[tuple[str, str, str]], name: str) -> Counter[tuple[str, str]]:
    return Counter({key[1:]: n for key, n in counts.items() if key[0] == name and key[1] != name})


def _short(path: str) -> str:
    return re.sub(r"\.so\b.*", "", Path(path).name)


def read_profile(path: Path) -> Profile:
    """The format is in callgrind's manual: names are written once and then go by number; the line after `calls=` has
    what the call cost, which the called function has, too."""
    profile = Profile()
    names: dict[tuple[str, str], str] = {}
    at: dict[str, str] = {}
    calls = 0
    callee = ("", "", "")
    for line in path.read_text(errors="replace").splitlines():
        if position := _POSITION.fullmatch(line):
            kind, number, name = position.groups()
            table = {"ob": "ob", "fn": "fn"}.get(kind.removeprefix("c"), "fl")
            if name is not None:
                names[table, number] = _short(name) if table == "ob" else name.split("'")[0]
            at[kind] = names[table, number]
        elif line.startswith("calls="):
            calls = int(line.removeprefix("calls=").split()[0])
            callee = (at["ob"], at.get("cob", at["ob"]), at["cfn"])
            profile.calls[callee] += calls
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if not calls:
                profile.instructions[at["ob"], at["fn"]] += int(line.split()[1])
            else:
                profile.costs[callee] += int(line.split()[1])
                calls = 0
                at.pop("cob", None)
    return profile
