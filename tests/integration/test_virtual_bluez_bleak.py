# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's python3-bleak judges virtual BlueZ: it must work with it as with bluetoothd."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import both_buses
from harness import TIMEOUT, Result, VirtualBluez, VirtualChips, chip_address

PROGRAM = Path(__file__).with_name("bleak-judge.py")


@both_buses
def test_bleak_finds_connects_reads_and_hears_steps(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    run_command: Callable[..., Result],
) -> None:
    # bleak takes connection and services from the signals that came until then, and loses a race
    # that bluetoothd leaves open.
    virtual_bluez("--signal-connected", "--objects-first")
    virtual_chip("hci1", args=["--walk", "160"])
    result = run_command(sys.executable, PROGRAM, timeout=4 * TIMEOUT)
    assert result.status == 0, result.stderr
    assert f"found {chip_address()}\n" in result.stdout
    assert "revision V0.14.0.2\n" in result.stdout
    steps = re.search(r"steps (\d+) (\d+) (\d+)", result.stdout)
    assert steps, result.stdout
    counts = [int(count) for count in steps.groups()]
    assert counts == sorted(set(counts))
    assert result.stdout.endswith("disconnected\n")
