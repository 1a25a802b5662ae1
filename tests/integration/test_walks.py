# SPDX-License-Identifier: LGPL-2.1-or-later
"""No step is lost and none is made up, whatever happens to links and to bluetoothd."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import TIMEOUT, Core2d, Remote, SignalLog, VirtualBluez, VirtualChips, real, wait_for

pytestmark = pytest.mark.real_bluez

#: The virtual controllers of Linux carry one link of a central at a time.
RADIOS = ["hci1"] if real.enabled else ["hci1", "hci2"]

Bluez = Callable[..., VirtualBluez]
Chips = Callable[..., VirtualChips]
Daemon = Callable[..., Core2d]

#: The chips' clocks show morning, so that no midnight resets them on the way.
STANDING = ["--walk=0", "--time=2024-05-06 08:00:00"]


def published(stepped: SignalLog) -> int:
    return sum(delta for _steps, delta, _time in stepped.args)


def await_totals(chips: list[Remote], played: list[Remote], logs: list[SignalLog]) -> None:
    """Both ways of counting, the property and the sum of the signals, reach the truth and stay there."""
    for chip, model, log in zip(chips, played, logs, strict=True):
        model.call("Stop")
        chip.wait_property("State", "ready", timeout=2 * TIMEOUT)
        walked = model.get("StepsWalked")
        assert walked > 0
        chip.wait_property("StepsTotal", walked, timeout=2 * TIMEOUT)
        wait_for(lambda: published(log) >= walked, what="StepsChanged of all steps")
        # A fresh read makes one more sample, and it must not count anything again.
        assert chip.call("ReadSteps")[0] == model.get("Counter")
        assert chip.get("StepsTotal") == walked
        assert published(log) == walked


def await_counter(chip: Remote, model: Remote) -> None:
    """Wait until core2d knows what the chip has counted."""
    counter = model.get("Counter")
    chip.wait_property("Steps", lambda steps: steps >= counter, timeout=2 * TIMEOUT)


def advance(chips: list[Remote], played: list[Remote], seconds: int) -> None:
    """Let the chips walk for so long, and wait until core2d knows of it."""
    for chip, model in zip(chips, played, strict=True):
        model.call("Advance", seconds)
        await_counter(chip, model)


def test_links_that_drop_lose_no_step(
    virtual_bluez: Bluez,
    virtual_chip: Chips,
    core2d: Daemon,
    record_property: Callable[..., None],
    tmp_path: Path,
) -> None:
    """The chips walk for ten minutes of their time; 20 times one of them loses its link."""
    seed = random.SystemRandom().randrange(2**32)
    record_property("seed", seed)
    print(f"seed {seed}")
    dice = random.Random(seed)

    virtual_bluez()
    models = virtual_chip(*RADIOS, args=[*STANDING, f"--seed={seed & 0xffff}"])
    # Of 20 links each lasts for a moment only.
    config = tmp_path / "core2d.conf"
    config.write_text("[Link]\nBackoffMaxSec=1\n")
    daemon = core2d(f"--config={config}")
    chips = [daemon.add_counting(index) for index in range(len(RADIOS))]
    logs = [chip.signals("StepsChanged") for chip in chips]
    played = [models[radio] for radio in RADIOS]
    for model in played:
        model.call("Walk", dice.randint(80, 140))

    # 20 rounds of 30 s. What is walked at once stays below the jump that core2d would not believe.
    for _ in range(20):
        linked = dice.randint(10, 20)
        victim = dice.randrange(len(RADIOS))
        advance(chips, played, linked)
        played[victim].call("DropLink")
        if dice.random() < 0.5:
            # The link comes back while the chip walks on, or only then.
            chips[victim].wait_property("State", "ready", timeout=2 * TIMEOUT)
        for model in played:
            model.call("Advance", 30 - linked)
        if dice.random() < 0.2:
            played[victim].call("DropLink")
        for chip, model in zip(chips, played, strict=True):
            await_counter(chip, model)

    # What is walked now comes over the link that is there after the last drop.
    for chip, model in zip(chips, played, strict=True):
        model.call("Step", 1)
        await_counter(chip, model)
    await_totals(chips, played, logs)
    assert sum(model.get("StepsWalked") for model in played) > len(RADIOS) * 10 * 70


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_bluetoothd_restarts(
    virtual_bluez: Bluez, virtual_chip: Chips, core2d: Daemon, end: str
) -> None:
    bluez = virtual_bluez()
    models = virtual_chip(*RADIOS, args=STANDING)
    daemon = core2d()
    chips = [daemon.add_counting(index) for index in range(len(RADIOS))]
    logs = [chip.signals("StepsChanged") for chip in chips]
    played = [models[radio] for radio in RADIOS]
    pid = daemon.pid

    for _ in range(2):
        for model in played:
            model.call("Step", 7)
        for chip, model in zip(chips, played, strict=True):
            chip.wait_property("StepsTotal", model.get("StepsWalked"))
        getattr(bluez, end)()
        daemon.manager.wait_property("AdapterState", "no-bluez")
        for chip in chips:
            chip.wait_property("Connected", False)
            assert chip.get("StatusText")
        for model in played:
            model.call("Step", 5)
        bluez.start()
        daemon.manager.wait_property("AdapterState", "on")
        for chip in chips:
            chip.wait_property("State", "ready", timeout=2 * TIMEOUT)

    await_totals(chips, played, logs)
    assert daemon.pid == pid and daemon.running
    assert played[0].get("StepsWalked") == 24


@pytest.mark.real_bluez_usual
def test_core2d_restarts(virtual_bluez: Bluez, virtual_chip: Chips, core2d: Daemon) -> None:
    """What was walked while core2d was not there counts, too; what was counted is not counted again."""
    virtual_bluez()
    models = virtual_chip("hci1", args=STANDING)
    daemon = core2d()
    chip = daemon.add_counting(0)
    models[0].call("Step", 40)
    chip.wait_property("StepsTotal", 40)
    daemon.stop()
    models[0].call("Step", 11)
    daemon.start()
    chip = daemon.chip(0)
    chip.wait_property("State", "ready")
    chip.wait_property("StepsTotal", 51)


def test_counter_resets_are_told_and_do_not_touch_the_total(
    virtual_bluez: Bluez, virtual_chip: Chips, core2d: Daemon
) -> None:
    virtual_bluez()
    models = virtual_chip("hci1", args=STANDING)
    chip = core2d().add_counting(0)
    log = chip.signals("StepsChanged")
    reset = chip.signals("CounterReset")
    models[0].call("Step", 50)
    chip.wait_property("StepsTotal", 50)
    models[0].call("ResetCounter", "battery")
    # One sample may be a stray; the walk on from it tells that it was a reset.
    models[0].call("Walk", 120)
    before, _after, reason = reset.wait()[0].args
    assert (before, reason) == (50, "chip")
    await_totals([chip], [models[0]], [log])
    assert chip.get("Steps") == chip.get("StepsTotal") - 50
