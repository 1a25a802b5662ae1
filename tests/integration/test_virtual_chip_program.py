# SPDX-License-Identifier: LGPL-2.1-or-later
"""The program virtual-chip: its options, its control interface, many chips of one process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from central import Central
from harness import (
    SOURCE,
    STANDING,
    Bus,
    Result,
    VirtualBluez,
    VirtualChips,
    build_directory,
    raises_bus_error,
    wait_for,
)
from virtual_chip_client import INVALID_ARGS, quirk, steps_of

pytestmark = pytest.mark.real_bluez
many_radios = pytest.mark.virtual_bluez(
    "btvirt has eight controllers at most, and one link of a central at a time"
)

STEPS = "V0007"
PROGRAM = build_directory() / "tests/virtual-chip/virtual-chip"

Start = Callable[..., VirtualChips]


def test_bad_control_calls_change_nothing(
    virtual_bluez: Callable[..., VirtualBluez], virtual_chip: Start
) -> None:
    virtual_bluez()
    chips = virtual_chip("hci1", args=STANDING)
    chips[0].wait_property("Advertising", True)
    before = chips[0].get_all()
    for call in [
        ("Walk", 301),
        ("Step", 1_000_001),
        ("StepEach", 1_000_001),
        ("Advance", 604_801),
        ("SetTime", "soon"),
        ("SetKey", b"short"),
        ("SetQuirk", "nonsense", quirk(1)),
        ("SetQuirk", "step-flags", quirk("3")),
        ("SetQuirk", "auth-key", quirk("maybe")),
        ("Notify", "nonsense", b""),
        ("Notify", "steps", bytes(513)),
    ]:
        with raises_bus_error(INVALID_ARGS):
            chips[0].call(*call)
    assert chips[0].get_all() == before


@pytest.mark.parametrize(
    "args",
    [
        ["--speed=0"],
        ["--walk=301"],
        ["--battery=101"],
        ["--seed=4294967296"],
        ["--steps-flags=16"],
        ["--quirk=nonsense"],
        ["--time=soon"],
        ["--adapter=hci 1"],
        ["--adapter=hci1", "--adapter=hci1"],
        ["hci1"],
        ["--nonsense"],
    ],
)
def test_bad_options(run_command: Callable[..., Result], args: list[str]) -> None:
    result = run_command(PROGRAM, *args)
    assert result.status == 1 and result.stderr.startswith("virtual-chip: ")


def test_quirks_are_documented(run_command: Callable[..., Result]) -> None:
    help_text = run_command(PROGRAM, "--help-quirks").stdout
    names = set(re.findall(r"^  (\S+) ", help_text, re.M))
    readme = Path(SOURCE / "tests/virtual-chip/README.md").read_text()
    table = readme[readme.index("## Quirks") :]
    documented = set()
    for cell in re.findall(r"^\| ([a-z, -]+) \| (?:u|b|s|ay) \|", table, re.M):
        documented |= set(cell.split(", "))
    assert len(names) > 20 and names == documented


@many_radios
def test_many_chips_on_one_connection(
    bus: Bus, virtual_bluez: Callable[..., VirtualBluez], virtual_chip: Start
) -> None:
    count = 200
    virtual_bluez("--peripherals", str(count))
    adapters = [f"hci{1 + i}" for i in range(count)]
    chips = virtual_chip(*adapters, args=["--walk=0"])

    def advertising() -> int:
        objects = bus.managed_objects(chips.name, "/org/example/VirtualChip")
        return sum(o["org.example.VirtualChip1"]["Advertising"] for o in objects.values())

    wait_for(lambda: advertising() == count)
    last = Central(bus, count - 1)
    last.connect()
    chips[count - 1].call("Step", 9)
    assert steps_of(last[STEPS].read()) == 9
    assert chips[0].get("Counter") == 0
