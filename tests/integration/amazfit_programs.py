# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python programs that import amazfit, with core2d and two chips, for the tests of that module."""

from __future__ import annotations

import ast
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import SOURCE, STANDING, Bus, Core2d, Process, Result, VirtualBluez, VirtualChips
from harness import chip_address, real, run_command, wait_for

MODULE = SOURCE / "client-tool" / "python"

no_bluetooth = pytest.mark.virtual_bluez("no Bluetooth in it")


class Programs:
    """A chip that stands still on hci1, core2d, and Python programs that import amazfit."""

    def __init__(self, bus: Bus, chips: VirtualChips, daemon: Core2d, directory: Path) -> None:
        self.bus = bus
        self.chips = chips
        self.daemon = daemon
        self._directory = directory
        self._env = {"PYTHONPATH": str(MODULE), "PYTHONDONTWRITEBYTECODE": "1"}

    def _argv(self, source: str) -> list[str]:
        path = self._directory / f"program{len(list(self._directory.glob('*.py')))}.py"
        path.write_text(source)
        return [sys.executable, "-u", str(path)]

    def start(self, source: str) -> Process:
        return self.bus.start(self._argv(source), self._env, label="program")

    def run(self, source: str, status: int = 0) -> Result:
        result = run_command(self._argv(source), self.bus.env | self._env)
        assert result.status == status, result
        return result

    def connected(self, expression: str) -> tuple[Any, Result]:
        """The value of an expression of the connected chip, and how the program went."""
        source = f"""
from amazfit import Core2
chip = Core2({chip_address()!r})
chip.connect()
print(repr({expression}))
"""
        result = self.run(source)
        return ast.literal_eval(result.stdout), result


@pytest.fixture
def programs(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> Programs:
    virtual_bluez()
    chips = virtual_chip("hci1", "hci2", args=[*STANDING, "--battery=62"])
    # Some programs search for no longer than a second. The virtual machine has no radio for the second chip.
    for index in (0,) if real.enabled else (0, 1):
        chips[index].wait_property("Advertising", True)
    return Programs(bus, chips, core2d(), tmp_path)


def wait_line(process: Process, text: str) -> None:
    def printed() -> bool:
        return text in process.stdout

    wait_for(printed, what=f"{text!r} from the program")


def interrupt(process: Process) -> None:
    """Ctrl+C: the program ends in peace."""
    assert process.stop(signal.SIGINT) == 0, process.stderr
