# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d with one chip, for the tests of its history."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import STANDING, Core2d, VirtualBluez, VirtualChips


@pytest.fixture
def daemon(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Core2d:
    """core2d with one chip that stands still, at noon."""
    virtual_bluez()
    daemon = core2d()
    daemon.models = virtual_chip("hci1", args=STANDING)
    daemon.add_counting(0)
    return daemon


def walk(daemon: Core2d, steps: int) -> None:
    """Let the chip count, and wait until core2d has."""
    chip = daemon.chip(0)
    total = chip.get("StepsTotal") + steps
    daemon.models[0].call("Step", steps)
    chip.wait_property("StepsTotal", total)
