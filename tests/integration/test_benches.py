# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches run and print what they are to print. What numbers they print is nobody's business here."""

from __future__ import annotations

import os
import re
import subprocess

from harness import SOURCE, build_directory

RELAYS = [
    "core2d", "wire", "sd-bus", "sd-bus, two messages", "sd-bus, AcquireNotify", "GDBus", "bleak",
    "bleak, two messages",
]  # fmt: skip


def rows(text: str, title: str) -> dict[str, list[str]]:
    """The table under that title: the cells of each row by the row's name."""
    table = re.search(rf"^{re.escape(title)}.*\n\n((?:\|.*\n)+)", text, re.M)
    assert table is not None, f"no table {title} in:\n{text}"
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]
    return {name: cells for name, *cells in lines[2:]}


def test_relay_bench() -> None:
    environment = os.environ | {"CORE2_BUILD_DIR": str(build_directory()), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [SOURCE / "tests/bench/bench-relay", "--quick"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    for bus in ("dbus-daemon", "dbus-broker"):
        for title in (
            f"Steps, 90 a second, {bus}, 1 chip",
            f"Steps, 1000 a second, {bus}, 2 chips",
            f"Steps, as fast as they are answered, {bus}, 2 chips",
            f"Memory of the relays, KiB, {bus}, 2 chips",
            f"System calls a message, each notification alone, {bus}, 2 chips",
        ):
            table = rows(result.stdout, title)
            assert list(table) == RELAYS, title
            assert all(re.match(r"\d", cells[0]) for cells in table.values()), title
        growth = rows(result.stdout, f"Orientations, as fast as they are answered, {bus}")
        assert list(growth) == ["core2d, 1", "sd-bus, 1", "core2d, 2", "sd-bus, 2"]
        verdicts = re.findall(rf"^(P\d+) (?:NOT )?met: {bus}\b.* \(bar [\d.]+\)$", result.stdout, re.M)
        assert verdicts == ["P1", "P2", "P2", "P4", "P10", "P10", "P3"]
