# SPDX-License-Identifier: LGPL-2.1-or-later
"""After an absence the chip's own memory of the minutes replaces the estimate, when that is switched on."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable

import pytest
from harness import Bus, Core2d, Remote, Result, VirtualBluez, VirtualChips, VirtualClock, wait_for
from history_client import INTERFACE, days_of, query

AWAY = 1800
CADENCE = 100


def move_back(daemon: Core2d, seconds: int) -> None:
    """Make the record of the chip say that it was heard so long ago; core2d must not run."""
    chips = daemon.state_directory / "chips"
    (chips / "live").unlink()
    [record] = chips.glob("*.conf")
    body, _check = record.read_text().split("[Check]")
    body = re.sub(
        r"WallTime=(\d+)", lambda found: f"WallTime={int(found[1]) - seconds * 1_000_000}", body
    )
    body = re.sub(r"(?m)^Boot=\d+", "Boot=0", body)
    seal = hashlib.sha256(body.encode()).hexdigest()
    record.write_text(f"{body}[Check]\nSha256={seal}\n")


@pytest.fixture
def away(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    run_command: Callable[..., Result],
) -> Callable[..., tuple[Core2d, Remote]]:
    """core2d, stopped, and a chip that has walked for half an hour since it was heard last."""

    def prepare(quirk: str, fetch: int) -> tuple[Core2d, Remote]:
        virtual_bluez()
        # By the clock of the programs' zone.
        begin = run_command("date", f"--date=@{int(time.time()) - AWAY}", "+%F %T").stdout.strip()
        quirks = ["idle-timeout=0", "midnight-reset=false", f"history={quirk}"]
        args = [arg for quirk in quirks for arg in ("--quirk", quirk)]
        models = virtual_chip("hci1", args=["--walk=0", f"--time={begin}", *args])
        daemon = core2d()
        daemon.add_counting(0)
        daemon.stop()
        move_back(daemon, AWAY)
        models[0].call("Walk", CADENCE)
        models[0].call("Advance", AWAY)
        models[0].call("Stop")
        config = daemon.state_directory.parent / "core2d.conf"
        config.write_text(f"[History]\nFetchFromChip={fetch}\n")
        daemon.argv.append(f"--config={config}")
        daemon.start()
        return daemon, models[0]

    return prepare


def rows(daemon: Core2d) -> dict[str, list[int]]:
    """The steps of the samples by kind. Asks core2d first, which writes what it has."""
    daemon.chip(0, INTERFACE).call("GetSamples", 0, 1, 60)
    found: dict[str, list[int]] = {"estimated": [], "fetched": []}
    for kind, steps in query(daemon.state_directory, "SELECT kind, steps FROM samples ORDER BY time"):
        found[{1: "estimated", 3: "fetched"}[kind]].append(steps)
    return found


@pytest.mark.parametrize("quirk", ["answer", "gap"])
def test_estimate_is_replaced(away: Callable[..., tuple[Core2d, Remote]], quirk: str) -> None:
    """Also when the second packet of each transfer is lost: it is asked again from there."""
    daemon, model = away(quirk, fetch=1)
    chip = daemon.chip(0)
    walked = model.get("StepsWalked")
    chip.wait_property("StepsTotal", walked)
    wait_for(lambda: rows(daemon)["fetched"], what="minutes from the chip")
    found = rows(daemon)
    # The minutes at both ends are not whole.
    assert len(found["fetched"]) >= AWAY / 60 - 2
    assert all(abs(steps - CADENCE) <= 25 for steps in found["fetched"][1:-1])
    assert sum(found["estimated"]) <= 2 * 60 / 60 * CADENCE * 1.25
    assert sum(found["estimated"]) + sum(found["fetched"]) == walked
    assert sum(days_of(daemon.chip(0, INTERFACE)).values()) == walked
    assert chip.get("StepsTotal") == walked
    assert model.get("HistoryDeletes") == 0


@pytest.mark.parametrize("quirk", ["refuse", "fail"])
def test_estimate_stays(
    away: Callable[..., tuple[Core2d, Remote]], quirk: str, bus: Bus
) -> None:
    """A chip that refuses, or breaks off in the middle again and again, takes nothing away."""
    daemon, model = away(quirk, fetch=1)
    walked = model.get("StepsWalked")
    daemon.chip(0).wait_property("StepsTotal", walked)
    wait_for(lambda: "memory" in daemon.stderr, what="the end of the attempts")
    found = rows(daemon)
    assert sum(found["estimated"]) + sum(found["fetched"]) == walked
    assert bool(found["fetched"]) == (quirk == "fail")
    assert daemon.chip(0).get("State") == "ready"
    assert model.get("HistoryDeletes") == 0


def test_silent_chip(away: Callable[..., tuple[Core2d, Remote]], bus: Bus) -> None:
    """It is asked three times; when it has not answered for ten seconds again the estimate stays."""
    clock = VirtualClock(bus)
    begin = clock.monotonic()
    daemon, model = away("silent", fetch=1)
    walked = model.get("StepsWalked")
    daemon.chip(0).wait_property("StepsTotal", walked)
    daemon.wait_idle(daemon.chip(0))
    clock.wait(lambda: "memory" in daemon.stderr, "the end of the attempts")
    assert clock.monotonic() - begin >= 30
    found = rows(daemon)
    assert not found["fetched"]
    assert sum(found["estimated"]) == walked
    assert daemon.chip(0).get("State") == "ready"


def test_off_by_default(away: Callable[..., tuple[Core2d, Remote]]) -> None:
    daemon, model = away("answer", fetch=0)
    walked = model.get("StepsWalked")
    daemon.chip(0).wait_property("StepsTotal", walked)
    daemon.chip(0).wait_property("State", "ready")
    daemon.chip(0).call("ReadBattery")
    assert not rows(daemon)["fetched"]
    assert sum(rows(daemon)["estimated"]) == walked
