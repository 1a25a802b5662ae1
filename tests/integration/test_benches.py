# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benches run and print what they are to print. What numbers they print is nobody's business here."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

import pytest
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


def row_names(text: str, title: str) -> list[str]:
    """As rows, of a table that may name several rows alike."""
    table = re.search(rf"^{re.escape(title)}.*\n\n((?:\|.*\n)+)", text, re.M)
    assert table is not None, f"no table {title} in:\n{text}"
    return [line.strip("|").split(" | ")[0].strip() for line in table[1].splitlines()[2:]]


def run_quick(bench: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CORE2_BUILD_DIR": str(build_directory()), "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [SOURCE / "tests/bench" / bench, "--quick"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_relay_bench() -> None:
    result = run_quick("bench-relay")
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


@dataclass(frozen=True)
class Expected:
    """What a bench prints with --quick: rows of its tables by title, and its bars, measured or not."""

    bench: str
    tables: dict[str, list[str]]
    bars: list[str]


BARE = ["core2d", "bare, sd-bus", "bare, GDBus"]
STATES = ["remembered, no Bluetooth", "asleep", "connected", "connected, walked, history read"]
QUESTIONS = [
    "GetDays, all", "GetSamples, a day by minutes", "GetSamples, all by hours", "Export, all, csv",
    "Export, all, jsonl", "Clear, all",
]  # fmt: skip
OTHERS = [
    Expected("bench-startup", {"Start": BARE * 2}, ["P6", "P6"]),
    Expected(
        "bench-memory",
        {
            "Memory, MiB": [
                STATES[0], *STATES, *["bare program objects-sdbus"] * 2, *["bare program objects-gdbus"] * 2,
                "core2d without SQLite's file",
            ]
        },
        ["P5"] * 3,
    ),
    Expected(
        "bench-idle",
        {"0.2 s in which nothing happens": ["connected, silent, watchdog", "asleep"]},
        ["P9"] * 2,
    ),
    Expected(
        "bench-clients",
        {
            "GetManagedObjects with 10 chips": BARE,
            "Applications that listen, dbus-daemon": ["0", "2"],
            "Applications that listen, dbus-broker": ["0", "2"],
            "One-shot commands with 2 connected chips": [
                "core2ctl status", "core2ctl status --json", "busctl call … GetManagedObjects",
                "busctl --json=short call … GetManagedObjects", "gdbus call … GetManagedObjects",
                "core2ctl steps", "core2ctl battery", "busctl call … ReadSteps", "gdbus call … ReadSteps",
                "core2ctl today", "core2ctl info", "core2ctl metrics", "core2ctl history", "core2ctl --version",
            ],
        },
        ["P7", "P8", "P8"],
    ),
    Expected(
        "bench-history",
        {"20 commits of 20 samples, µs": ["one chip", "20 chips"]}
        | dict.fromkeys(("180 minutes with steps a day", "1440 minutes with steps a day"), QUESTIONS),
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize("expected", OTHERS, ids=lambda expected: expected.bench)
def test_bench(expected: Expected) -> None:
    text = run_quick(expected.bench).stdout
    for title, names in expected.tables.items():
        assert row_names(text, title) == names
    assert re.findall(r"^(P\d+) (?:NOT met|met|not measured): .+$", text, re.M) == expected.bars
