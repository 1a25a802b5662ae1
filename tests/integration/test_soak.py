# SPDX-License-Identifier: LGPL-2.1-or-later
"""Days of churn in seconds. tests/soak runs weeks of it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from churn import START, Churn, Footprint
from harness import CORE2, Bus, Core2d, VirtualBluez, VirtualChips, VirtualClock

#: What tests/soak sets.
DAYS = int(os.environ.get("CORE2_SOAK_DAYS", "3"))
CHIPS = int(os.environ.get("CORE2_SOAK_CHIPS", "10"))
STEP_S = float(os.environ.get("CORE2_SOAK_STEP", "3600"))
#: How much more memory there may be at the end than after the first day. A sanitizer has a heap of its own.
GROWTH = 1.05
SANITIZED_GROWTH = 1.5
SEED = int(os.environ.get("CORE2_SEED") or random.SystemRandom().randrange(2**32))


def test_soak(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    record_property: Callable[..., None],
) -> None:
    record_property("seed", SEED)
    print(f"seed {SEED}: {CHIPS} chips, {DAYS} days", flush=True)
    dice = random.Random(SEED)
    clock = VirtualClock(bus, START)
    zone = {"TZ": "Europe/Madrid"}
    bluez = virtual_bluez("--peripherals", str(CHIPS), env=zone)
    models = virtual_chip(
        *(f"hci{i + 1}" for i in range(CHIPS)),
        args=["--walk=0", "--quirk", "idle-timeout=0"],
        env=zone,
    )
    churn = Churn(bus, clock, bluez, models, core2d(env=zone), dice, STEP_S)
    owner = bus.owner(CORE2)
    assert owner is not None
    sanitized = "libasan" in Path(f"/proc/{churn.daemon.pid}/maps").read_text()

    footprints = []
    for day in range(1, DAYS + 1):
        churn.run_until(START + timedelta(days=day))
        footprints.append(Footprint.of(bus, churn.daemon.pid, owner))
        print(f"day {day}: {footprints[-1]}", flush=True)
    churn.finish()
    print(f"{sum(chip.walked for chip in churn.chips)} steps; {churn.events}")
    first, last = footprints[0], footprints[-1]
    assert last.descriptors == first.descriptors
    assert last.matches == first.matches <= 4
    assert last.rss_kib <= first.rss_kib * (SANITIZED_GROWTH if sanitized else GROWTH)
    record_property("rss_kib", f"{first.rss_kib} {last.rss_kib}")
