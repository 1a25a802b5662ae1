# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl's verbs about a person's days: today, goal, metrics."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import STANDING, Bus, Core2d, Result, VirtualBluez, VirtualChips, VirtualClock
from harness import chip_address
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

Run = Callable[..., Result]
StartDaemon = Callable[..., Core2d]


class World:
    """A pair of shoes and a chip without a side, counting, and core2ctl."""

    def __init__(self, chips: VirtualChips, daemon: Core2d, run: Run) -> None:
        self.chips = chips
        self.daemon = daemon
        self._run = run
        for index, side in enumerate(("left", "right", "unknown")):
            daemon.add_counting(index, side=GLib.Variant("s", side))

    def __call__(self, *argv: str | Path, status: int = 0) -> Result:
        result = self._run("core2ctl", *argv)
        assert result.status == status, (argv, result)
        return result

    def json(self, *argv: str) -> dict[str, Any]:
        document = json.loads(self(*argv, "--json").stdout)
        assert isinstance(document, dict)
        return document

    def walk(self, *steps: int) -> None:
        for index, count in enumerate(steps):
            before = self.daemon.chip(index).get("StepsToday")
            self.chips[index].call("Step", count)
            self.daemon.chip(index).wait_property("StepsToday", before + count)


@pytest.fixture
def ctl(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: StartDaemon,
    run_command: Run,
) -> World:
    # A day that does not end meanwhile.
    VirtualClock(bus, datetime(2026, 5, 6, 12, tzinfo=UTC))
    virtual_bluez("--peripherals", "3")
    chips = virtual_chip("hci1", "hci2", "hci3", args=STANDING)
    return World(chips, core2d(), run_command)


def test_a_pair_is_counted_once(ctl: World) -> None:
    ctl.walk(40, 30, 5)
    today = ctl.json("today")
    assert today["steps_today"] == 45
    assert today["pair_counted_once"] is True
    assert [chip["steps_today"] for chip in today["chips"]] == [40, 30, 5]
    assert today["daily_goal"] is None and today["goal_percent"] is None
    text = ctl("today").stdout
    assert text.startswith("45 steps today\n")
    assert "larger of the two" in text
    # The other one has the more of the day now.
    ctl.walk(0, 20)
    assert ctl.json("today")["steps_today"] == 55


def test_goal(ctl: World) -> None:
    assert ctl.json("goal")["daily_goal"] is None
    assert "no goal" in ctl("goal").stdout
    assert [chip["daily_goal"] for chip in ctl.json("goal", "200")["chips"]] == [200] * 3
    assert [ctl.daemon.chip(index).get("DailyGoal") for index in range(3)] == [200] * 3
    ctl.walk(50)
    assert (ctl.json("today")["daily_goal"], ctl.json("today")["goal_percent"]) == (200, 25)
    assert ctl("today").stdout.startswith("50 steps today, 25 % of 200\n██████████░")
    # Aligned by columns, whatever the script.
    ctl.daemon.chip(0).call("SetAlias", "Füße")
    rows = ctl("goal").stdout.splitlines()
    assert {row.index("200 steps a day") for row in rows} == {18}
    assert "0 steps a day" not in ctl("goal", "0", "--chip", "left").stdout
    assert [ctl.daemon.chip(index).get("DailyGoal") for index in range(3)] == [0, 200, 200]
    ctl("goal", "much", status=2)
    ctl("goal", "5", "--chip", "nobody", status=3)


def test_without_steps(core2d: StartDaemon, run_command: Run) -> None:
    daemon = core2d()
    for verb in ("today", "goal"):
        assert run_command("core2ctl", verb).status == 3
    daemon.manager.call("AddChip", chip_address(), {})
    result = run_command("core2ctl", "--json", "today")
    assert result.status == 7
    assert json.loads(result.stdout)["error"]["name"] == "NoData"


def samples(text: str) -> dict[tuple[str, str], float]:
    """Value by name and address, as both parsers read it."""
    found: list[dict[tuple[str, str], float]] = []
    for parse in (openmetrics, prometheus):
        found.append({})
        for family in parse(text):
            assert family.documentation, family.name
            for sample in family.samples:
                key = (sample.name, sample.labels.get("address", ""))
                assert key not in found[-1]
                found[-1][key] = sample.value
    assert found[0] == found[1]
    return found[0]


def test_metrics(ctl: World, tmp_path: Path) -> None:
    left, right, other = (chip_address(index) for index in range(3))
    alias = 'my "left\\" shoe'
    ctl.daemon.chip(0).call("SetAlias", alias)
    ctl.daemon.chip(0).call("SetDailyGoal", 100)
    ctl.daemon.chip(0).wait_property("BatteryStatus", "current")
    ctl.walk(40, 30, 5)
    text = ctl("metrics").stdout
    assert text.endswith("\n# EOF\n")
    values = samples(text)
    assert values["core2_steps_today", ""] == 45
    assert values["core2_adapter_on", ""] == 1
    assert [values["core2_chip_steps_total", chip] for chip in (left, right, other)] == [40, 30, 5]
    assert values["core2_chip_connected", left] == 1
    battery = ctl.daemon.chip(0).get("Battery") / 100
    assert values["core2_chip_battery_ratio", left] == pytest.approx(battery)
    updated = ctl.daemon.chip(0).get("StepsUpdated") / 1e6
    assert values["core2_chip_steps_timestamp_seconds", left] == pytest.approx(updated, abs=1e-3)
    assert values["core2_chip_steps_goal", left] == 100
    assert ("core2_chip_steps_goal", right) not in values
    (info,) = [f for f in openmetrics(text) if f.name == "core2_chip_info"]
    labels = {sample.labels["address"]: sample.labels for sample in info.samples}
    assert labels[left] == {"address": left, "alias": alias, "side": "left"}

    # promtool knows best, but its package brings a server along: it is asked where it is.
    if promtool := shutil.which("promtool"):
        lint = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")

    file = tmp_path / "core2.prom"
    file.write_text("old")
    assert ctl("metrics", "--output", file).stdout == ""
    assert samples(file.read_text()).keys() == values.keys()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o644
    assert [name for name in os.listdir(tmp_path) if name.startswith("core2.prom.")] == []
    assert "No such file" in ctl("metrics", "--output", tmp_path / "no" / "file", status=1).stderr


def test_metrics_leave_out_what_is_unknown(core2d: StartDaemon, run_command: Run) -> None:
    daemon = core2d()
    nothing = samples(run_command("core2ctl", "metrics").stdout)
    assert nothing == {("core2_info", ""): 1, ("core2_adapter_on", ""): 0}
    daemon.manager.call("AddChip", chip_address(), {})
    names = {name for name, address in samples(run_command("core2ctl", "metrics").stdout) if address}
    assert names == {"core2_chip_info", "core2_chip_connected", "core2_chip_paired"}
    daemon.stop()


def test_metrics_file_without_daemon(run_command: Run, tmp_path: Path) -> None:
    file = tmp_path / "core2.prom"
    file.write_text("old")
    assert run_command("core2ctl", "metrics", "-o", file).status == 6
    assert file.read_text() == "old"
