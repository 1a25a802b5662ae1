# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl history and export, on a history that is known to the day."""

from __future__ import annotations

import configparser
import csv
import datetime
import io
import json
import os
import re
import shlex
import signal
import sqlite3
import stat
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fake_polkit import FakePolkit
from gi.repository import GLib
from harness import (
    SOURCE,
    Bus,
    Core2d,
    Result,
    VirtualBluez,
    VirtualChips,
    VirtualClock,
    build_directory,
    chip_address,
    wait_for,
)
from harness.terminal import Terminal

Run = Callable[..., Result]
StartDaemon = Callable[..., Core2d]

CORE2CTL = build_directory() / "client-tool" / "core2ctl"
SVG = "{http://www.w3.org/2000/svg}"

#: What the clock of all programs shows at the beginning of a test, so that no day ends in one.
NOON = datetime.datetime(2026, 5, 6, 12, tzinfo=datetime.UTC)

#: The beginning of all samples: long enough ago, on a full minute.
BEGIN = int(datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC).timestamp())


class World:
    """core2d with a left, a right and one other chip, and core2ctl; no chip is connected."""

    def __init__(self, daemon: Core2d, run: Run, home: Path) -> None:
        self.daemon = daemon
        self.state_file = home / "core2ctl" / "export.conf"
        self._run = run
        self._env = {"XDG_STATE_HOME": str(home)}
        for index, side in enumerate(("left", "right", "unknown")):
            options = {"connect": GLib.Variant("b", False), "side": GLib.Variant("s", side)}
            daemon.manager.call("AddChip", chip_address(index), options)

    def fill(self, table: str, rows: list[tuple[int, ...]]) -> None:
        """Add rows, whose first value is the number of the chip, while core2d is stopped."""
        self.daemon.stop()
        path = self.daemon.state_directory / "history.db"
        with closing(sqlite3.connect(path, timeout=30)) as database, database:
            # A chip that has counted nothing is not in it yet; core2d takes its state from the chip's record.
            for index in range(3):
                database.execute(
                    "INSERT OR IGNORE INTO chips (address, total, state) VALUES (?, 0, '')",
                    (chip_address(index),),
                )
            ids = dict(database.execute("SELECT address, id FROM chips"))
            marks = ", ".join("?" * len(rows[0]))
            database.executemany(
                f"INSERT INTO {table} VALUES ({marks})",
                [(ids[chip_address(row[0])], *row[1:]) for row in rows],
            )
        self.daemon.start()

    def __call__(self, *argv: str | Path, status: int = 0, **env: str) -> Result:
        result = self._run("core2ctl", *argv, env=self._env | env)
        assert result.status == status, (argv, result)
        return result

    def json(self, *argv: str | Path) -> dict[str, Any]:
        document = json.loads(self(*argv, "--json").stdout)
        assert isinstance(document, dict)
        return document


@pytest.fixture
def ctl(bus: Bus, core2d: StartDaemon, run_command: Run, tmp_path: Path) -> World:
    VirtualClock(bus, NOON)
    return World(core2d(), run_command, tmp_path / "home")


def day(ago: int) -> str:
    return str(NOON.date() - datetime.timedelta(days=ago))


def day_row(chip: int, ago: int, steps: int, goal: int = 0, estimated: int = 0) -> tuple[int, ...]:
    return (chip, int(day(ago).replace("-", "")), steps, estimated, 0, 0, goal, 0)


@pytest.fixture
def days(ctl: World) -> World:
    """Of the third day before today nothing is known; the right chip was away the day before that."""
    ctl.fill(
        "days",
        [
            day_row(0, 1, 9000, 8000),
            day_row(1, 1, 8800, 8000),
            day_row(2, 1, 100),
            day_row(0, 2, 100, 8000),
            day_row(1, 2, 4000, 8000, estimated=5),
            day_row(0, 4, 12034, 8000),
            day_row(0, 200, 777),
        ],
    )
    return ctl


def test_days_as_json(days: World) -> None:
    history = days.json("history", "--days", "30")
    assert (history["first"], history["last"]) == (day(29), day(0))
    shown = {entry["date"]: entry for entry in history["days"]}
    assert len(shown) == 30
    steps = {date: entry["steps"] for date, entry in shown.items() if entry["steps"] is not None}
    assert steps == {day(1): 9100, day(2): 4000, day(4): 12034}
    assert shown[day(2)]["estimated"] is True and shown[day(1)]["estimated"] is False
    assert shown[day(3)]["goal"] is None and shown[day(1)]["goal"] == 8000
    assert [chip["steps"] for chip in shown[day(2)]["chips"]] == [100, 4000, None]
    assert (history["steps"], history["days_counted"], history["average"]) == (25134, 3, 8378)
    assert (history["days_with_goal"], history["days_goal_reached"]) == (3, 2)

    alone = days.json("history", "--chip", "right")
    assert len(alone["days"]) == 14
    assert (alone["steps"], alone["days_counted"]) == (12800, 2)
    assert days.json("history", "--days", "3660")["steps"] == 25134 + 777


def test_weeks_as_json(days: World) -> None:
    history = days.json("history", "--weeks", "40")
    first = datetime.date.fromisoformat(history["first"])
    assert first.isoweekday() == 1
    assert len(history["weeks"]) == 40
    assert sum(week["steps"] or 0 for week in history["weeks"]) == 25134 + 777
    weeks = {week["week"]: week for week in history["weeks"]}
    old = datetime.date.fromisoformat(day(200)).isocalendar()
    assert weeks[f"{old.year}-W{old.week:02}"]["steps"] == 777
    assert weeks[f"{old.year}-W{old.week:02}"]["goal"] is None


def test_bars_fit_the_terminal(days: World, bus: Bus) -> None:
    lines = days("history", "--days", "5", COLUMNS="70").stdout.splitlines()
    assert len(lines) == 5 + 5
    numbers = [re.search(r" ([\d ]+|-)(~?) +(█|$)", line[10:]) for line in lines[:5]]
    assert [match and match[1].strip() for match in numbers] == ["12 034", "-", "4 000", "9 100", "-"]
    assert [match and match[2] for match in numbers] == ["", "", "~", "", ""]
    assert max(map(len, lines[:5])) == 70 == len(lines[0])
    assert max(map(len, lines)) == 70
    assert lines[6].startswith("25 134 steps; 8 378 a day on 3 days; most on ") and lines[6].endswith(": 12 034;")
    assert lines[7] == "goal reached on 2 of 3 days"
    assert lines[8].startswith("~ some steps") and lines[9]

    for columns in (40, 120):
        screen = Terminal([CORE2CTL, "history", "--days", "5"], bus.env, columns=columns)
        assert screen.wait() == 0
        shown = screen.text.splitlines()[:5]
        assert max(map(len, shown)) == columns
        assert "\x1b[32m█" in screen.output  # the goal was reached
        screen.close()


def test_picture(days: World, tmp_path: Path) -> None:
    file = tmp_path / "steps.svg"
    assert str(file) in days("history", "--svg", file).stdout
    svg = ElementTree.parse(file).getroot()
    titles = [title.text or "" for title in svg.iter(f"{SVG}title")]
    assert [title.split(": ")[1] for title in titles] == [
        "12 034 steps", "4 000 steps, estimated", "9 100 steps"
    ]  # fmt: skip
    texts = [text.text or "" for text in svg.iter(f"{SVG}text")]
    assert any("25 134 steps" in text for text in texts)

    assert days("history", "--svg", "-").stdout == file.read_text()
    days.daemon.chip(0).call("SetAlias", "<b>&shoe")
    ElementTree.fromstring(days("history", "--chip", "left", "--svg", "-").stdout.encode())
    assert "&lt;b&gt;&amp;shoe: Steps" in days("history", "-c", "left", "--svg", "-").stdout
    assert [name for name in os.listdir(tmp_path) if name.startswith("steps.svg")] == ["steps.svg"]
    days("history", "--svg", tmp_path / "no" / "folder.svg", status=1)


def test_nothing_to_show(ctl: World) -> None:
    for argv in (["history"], ["export"], ["export", "--since-last"]):
        error = json.loads(ctl(*argv, "--json", status=7).stdout)["error"]
        assert error["name"] == "NoData"
    assert not ctl.state_file.exists()


@pytest.mark.parametrize(
    "argv",
    [
        ["history", "--days", "0"],
        ["history", "--days", "3661"],
        ["history", "--weeks", "-2"],
        ["history", "--weeks", "2", "--days", "3"],
        ["export", "--format", "xml"],
        ["export", "--format", "csv", "--json"],
    ],
)
def test_wrong_usage(ctl: World, argv: list[str]) -> None:
    assert ctl(*argv, status=2).stderr.startswith("core2ctl: ")


def sample_rows(first: int, n: int) -> list[tuple[int, ...]]:
    """Minutes from the one with the number `first` on, of the left and the right chip."""
    return [
        (chip, BEGIN + 60 * minute, 0, 60, 100 + chip)
        for chip in (0, 1)
        for minute in range(first, first + n)
    ]


def times(rows: list[dict[str, str]]) -> list[int]:
    """The minutes, counted from BEGIN, that the left chip has in an export."""
    return [
        (int(datetime.datetime.fromisoformat(row["time"][:-1] + "+00:00").timestamp()) - BEGIN) // 60
        for row in rows
        if row["chip"] == chip_address(0)
    ]


def test_export(ctl: World, tmp_path: Path) -> None:
    ctl.fill("samples", sample_rows(0, 2500))
    text = ctl("export").stdout
    assert text.count("chip,time") == 1
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["chip"] for row in rows] == [chip_address(0)] * 2500 + [chip_address(1)] * 2500
    assert times(rows) == list(range(2500))
    assert rows[0]["steps"] == "100" and rows[-1]["steps"] == "101" and rows[0]["kind"] == "measured"

    lines = [json.loads(line) for line in ctl("export", "--format", "jsonl").stdout.splitlines()]
    assert [{name: str(value) for name, value in line.items()} for line in lines] == rows
    assert ctl("export", "--json").stdout == ctl("export", "--format=jsonl").stdout
    assert len(ctl("export", "--chip", "right").stdout.splitlines()) == 2501

    file = tmp_path / "steps.csv"
    file.write_text("old")
    done = ctl.json("export", "--output", file)
    assert (done["file"], done["format"], done["rows"]) == (str(file), "csv", 5000)
    assert file.read_text() == text
    assert [name for name in os.listdir(tmp_path) if name.startswith("steps")] == ["steps.csv"]
    assert not ctl.state_file.exists()


def test_export_since_last(ctl: World, tmp_path: Path) -> None:
    """Each row comes once, whatever happens in between; what failed comes again."""
    ctl.fill("samples", sample_rows(0, 10))
    first = tmp_path / "first.csv"
    assert "20 rows" in ctl("export", "--since-last", "-o", first).stdout
    assert stat.S_IMODE(os.stat(ctl.state_file).st_mode) == 0o600
    remembered = ctl.state_file.read_text()
    assert "nothing new" in ctl("export", "--since-last", "-o", first, status=7).stderr
    assert len(first.read_text().splitlines()) == 21
    assert ctl.state_file.read_text() == remembered

    # Move the end of that export back, as if the next ten minutes had passed since.
    until = (BEGIN + 10 * 60) * 1_000_000
    ctl.state_file.write_text(re.sub(r"until=\d+", f"until={until}", remembered))
    ctl.fill("samples", sample_rows(10, 10))
    remembered = ctl.state_file.read_text()
    assert "No space left" in ctl("export", "--since-last", "-o", "/dev/full", status=1).stderr
    assert "No such file" in ctl("export", "--since-last", "-o", tmp_path / "no" / "x", status=1).stderr
    assert ctl.state_file.read_text() == remembered

    left = ctl("export", "--since-last", "--chip", "left").stdout
    assert times(list(csv.DictReader(io.StringIO(left)))) == list(range(10, 20))
    rest = list(csv.DictReader(io.StringIO(ctl("export", "--since-last").stdout)))
    assert [row["chip"] for row in rest] == [chip_address(1)] * 10
    ctl("export", "--since-last", status=7)

    # The clock had been years ahead: not just nothing new until then.
    ahead = (int(NOON.timestamp()) + 10**8) * 1_000_000
    ctl.state_file.write_text(re.sub(r"until=\d+", f"until={ahead}", remembered))
    result = ctl("export", "--since-last", status=1)
    assert "in the future" in result.stderr and f"Remove {ctl.state_file}" in result.stderr


def test_steps_made_while_away_are_exported_once(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: StartDaemon,
    run_command: Run,
    tmp_path: Path,
) -> None:
    """A chip tells in the morning what was walked since the evening; an export was made in the night between."""
    clock = VirtualClock(bus, datetime.datetime(2026, 5, 1, 22, 0, 5, tzinfo=datetime.UTC))
    virtual_bluez()
    quirks = ["--quirk=idle-timeout=0", "--quirk=midnight-reset=false"]
    hands = virtual_chip("hci1", args=["--walk=0", *quirks])[0]
    daemon = core2d()
    chip = daemon.add_counting(0)
    # While the time jumps nothing is asked of the chip: there would be no answer in time.
    daemon.chip(0, "org.example.Core2.Info").wait_property("Updated", lambda time: time > 0)
    walked = 0

    def walk(steps: int) -> None:
        nonlocal walked
        walked += steps
        hands.call("Step", steps)
        clock.wait(lambda: chip.get("StepsTotal") == walked, "the steps")

    def export() -> list[dict[str, Any]]:
        env = {"XDG_STATE_HOME": str(tmp_path)}
        result = run_command("core2ctl", "export", "--since-last", "--json", env=env)
        assert result.status == 0, result
        return [json.loads(line) for line in result.stdout.splitlines()]

    walk(30)
    clock.add(120)
    walk(5)
    hands.call("Vanish")
    chip.wait_property("State", lambda state: state != "ready")
    clock.add(5 * 3600)
    rows = export()
    assert sum(row["steps"] for row in rows) in (30, 35)
    hands.call("Step", 600)
    clock.add(5 * 3600)
    hands.call("Appear")
    walked += 600
    clock.wait(lambda: chip.get("StepsTotal") == walked, "the steps of the night")
    for _ in range(2):
        clock.add(120)
        walk(7)
    rows += export()
    # At most the minute in which it was heard last is missing; the night's estimate has two parts.
    assert sum(row["steps"] for row in rows) in (walked - 7, walked)
    night = [row["time"][:10] for row in rows if row["seconds"] > 3600]
    assert night == ["2026-05-01", "2026-05-02"]
    assert len({(row["time"], row["kind"]) for row in rows}) == len(rows)


def test_progress_of_an_export(ctl: World, bus: Bus, tmp_path: Path) -> None:
    ctl.fill("samples", sample_rows(0, 10))
    screen = Terminal([CORE2CTL, "export", "-o", tmp_path / "steps.csv"], bus.env)
    screen.wait_text("exporting left chip: ")
    screen.wait_text("20 rows are in ")
    assert screen.wait() == 0
    assert screen.output.rsplit("\r\x1b[K", 1)[1].startswith("20 rows")
    screen.close()


def test_interrupted_and_denied(ctl: World, bus: Bus, tmp_path: Path) -> None:
    """polkit decides who reads the history. While it thinks, Ctrl-C ends it, and leaves nothing behind."""
    ctl.fill("samples", sample_rows(0, 10))
    polkit = FakePolkit(bus)
    (folder := tmp_path / "out").mkdir()
    export = ["export", "--since-last", "-o", str(folder / "steps.csv")]
    env = bus.env | {"XDG_STATE_HOME": str(ctl.state_file.parent.parent)}
    for argv in (export, ["history"]):
        for answer, status in ((None, 130), (False, 5)):
            asked = len(polkit.questions)
            process = subprocess.Popen([CORE2CTL, *argv], env=env, stderr=subprocess.PIPE, text=True)
            question = polkit.wait_question(asked + 1)
            assert question.action == "org.example.core2.history"
            if answer is None:
                process.send_signal(signal.SIGINT)
            else:
                question.answer(answer)
            wait_for(lambda: process.poll() is not None, what="the end of core2ctl")
            assert process.stderr is not None
            assert (process.returncode, process.stderr.read().count("core2ctl: ")) == (status, 1)
            process.stderr.close()
    assert os.listdir(folder) == []
    assert not ctl.state_file.exists()
    polkit.close()


def test_export_with_a_broken_memory(ctl: World) -> None:
    """It is not taken for an empty one, which would write everything again."""
    ctl.fill("samples", sample_rows(0, 3))
    ctl.state_file.parent.mkdir(parents=True)
    ctl.state_file.write_text("no key file")
    result = ctl("export", "--since-last", status=1)
    assert str(ctl.state_file) in result.stderr and "Remove the file" in result.stderr
    assert result.stdout == ""
    assert ctl.state_file.read_text() == "no key file"
    ctl("export")


def test_export_to_a_reader_that_goes_away(ctl: World, bus: Bus) -> None:
    """Half of it was not read: it is not remembered as exported."""
    ctl.fill("samples", sample_rows(0, 4000))
    home = ctl.state_file.parent.parent
    script = f"XDG_STATE_HOME='{home}' '{CORE2CTL}' export --since-last | head -n 1; echo ${{PIPESTATUS[0]}}"
    process = bus.start(["bash", "-c", script], label="bash")
    process.expect_end()
    assert process.wait() == 0
    head, status = process.stdout.splitlines()
    assert head == "chip,time,seconds,steps,kind"
    assert status == "1" and "Broken pipe" in process.stderr
    assert not ctl.state_file.exists()


def read_unit(name: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(build_directory() / "systemd" / name)
    return unit


@pytest.mark.parametrize("name", ["core2-export", "core2-metrics"])
def test_sample_units_are_valid(run_command: Run, tmp_path: Path, name: str) -> None:
    program = read_unit(f"{name}.service")["Service"]["ExecStart"].split()[0]
    text = (build_directory() / "systemd" / f"{name}.service").read_text()
    (tmp_path / f"{name}.service").write_text(
        text if program == "/bin/sh" else text.replace(program, str(CORE2CTL))
    )
    timer = tmp_path / f"{name}.timer"
    timer.write_text((SOURCE / "systemd" / f"{name}.timer").read_text())
    argv = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    result = run_command(*argv, tmp_path / f"{name}.service", timer)
    assert (result.status, result.stderr) == (0, "")


def test_periodic_export(ctl: World, bus: Bus, tmp_path: Path) -> None:
    """What core2-export.service runs, with systemd's specifiers put in."""
    ctl.fill("samples", sample_rows(0, 5))
    service = read_unit("core2-export.service")["Service"]
    (folder := tmp_path / "core2-export").mkdir()
    specifiers = {"%S": str(tmp_path), "%%": "%"}
    command, setting = (
        re.sub("%.", lambda match: specifiers[match[0]], service[key])
        for key in ("ExecStart", "Environment")
    )
    env = bus.env | dict([setting.split("=")])
    shell, option, script = shlex.split(command)
    script = re.sub(r"\S*/core2ctl ", f"{CORE2CTL} ", script, count=1)
    run = subprocess.run([shell, option, script], env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (file,) = folder.glob("steps-*.csv")
    assert re.fullmatch(r"steps-\d{8}T\d{6}Z\.csv", file.name)
    assert len(file.read_text().splitlines()) == 11
    again = subprocess.run([shell, option, script], env=env, capture_output=True, text=True)
    assert again.returncode == int(service["SuccessExitStatus"]) == 7
    assert list(folder.glob("steps-*")) == [file]
