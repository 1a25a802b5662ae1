# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl's verbs against core2d and virtual chips."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import STANDING, Bus, Core2d, Process, Result, VirtualBluez, VirtualChips
from harness import build_directory, chip_address, wait_for

Run = Callable[..., Result]
StartBluez = Callable[..., VirtualBluez]
StartChips = Callable[..., VirtualChips]
StartDaemon = Callable[..., Core2d]

CORE2CTL = build_directory() / "client-tool" / "core2ctl"


class World:
    """One chip that stands still on hci1, connected, and core2ctl."""

    def __init__(self, chips: VirtualChips, daemon: Core2d, run: Run) -> None:
        self.chips = chips
        self.daemon = daemon
        self._run = run

    def __call__(self, *argv: str | Path, status: int = 0, **options: Any) -> Result:
        result = self._run("core2ctl", *argv, **options)
        assert result.status == status, (argv, result)
        return result

    def json(self, *argv: str | Path, status: int = 0) -> dict[str, Any]:
        document = json.loads(self(*argv, "--json", status=status).stdout)
        assert isinstance(document, dict)
        return document

    def error(self, *argv: str | Path, status: int) -> dict[str, Any]:
        error = self.json(*argv, status=status)["error"]
        assert error["exit_code"] == status
        assert isinstance(error, dict)
        return error


@pytest.fixture
def ctl(
    virtual_bluez: StartBluez, virtual_chip: StartChips, core2d: StartDaemon, run_command: Run
) -> World:
    virtual_bluez()
    chips = virtual_chip("hci1", args=[*STANDING, "--battery=62"])
    daemon = core2d()
    daemon.add(0, alias=GLib.Variant("s", "running shoe"), side=GLib.Variant("s", "left"))
    return World(chips, daemon, run_command)


@pytest.fixture
def fresh(
    virtual_bluez: StartBluez, virtual_chip: StartChips, core2d: StartDaemon, run_command: Run
) -> World:
    """The same before the chip has been added."""
    virtual_bluez()
    chips = virtual_chip("hci1", args=STANDING)
    return World(chips, core2d(), run_command)


def test_from_scan_to_steps(fresh: World) -> None:
    """What a person does on the first day."""
    assert "No chip has been added yet" in fresh("status").stdout
    assert fresh.json()["chips"] == []

    found = fresh.json("scan", "--first", "--timeout", "60")
    assert [chip["address"] for chip in found["chips"]] == [chip_address()]
    assert found["chips"][0]["remembered"] is False
    assert isinstance(found["chips"][0]["rssi"], int)
    assert f"core2ctl add {chip_address()}" in fresh("scan", "--first").stdout
    assert f"core2ctl add {chip_address()}" in fresh("status").stdout

    added = fresh.json("add", chip_address().lower(), "--alias", "my shoe", "--side", "right")
    assert (added["address"], added["alias"], added["side"]) == (chip_address(), "my shoe", "right")
    assert added["remembered"] is True
    chip = fresh.daemon.chip(0)
    chip.wait_property("State", "ready")
    # What the chip had counted before the first reading does not count.
    chip.wait_property("StepsUpdated", lambda time: time > 0)

    fresh.chips[0].call("Step", 12)
    chip.wait_property("StepsToday", 12)
    steps = fresh.json("steps")
    assert (steps["steps_today"], steps["steps_total"]) == (12, 12)
    assert steps["steps"] == fresh.chips[0].get("Counter")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", steps["steps_updated"])

    text = fresh("status").stdout
    assert "my shoe  right  " + chip_address() in text
    assert "12 today" in text
    assert "\x1b" not in text
    # What is said of the time is another thing a moment later.
    wait_for(lambda: fresh("status").stdout == fresh().stdout, what="the same without a verb")


def test_values(ctl: World) -> None:
    ctl.daemon.chip(0).wait_property("BatteryStatus", "current")
    assert ctl.json("battery")["battery"] == 62
    assert "62 %" in ctl("battery").stdout

    ctl.chips[0].call("SetBattery", 41)
    assert ctl.json("battery", "--fresh", "left")["battery"] == 41

    ctl.chips[0].call("Tilt", 512, 1023)
    fresh_pair = ctl.json("orientation", "--fresh")["orientation"]
    assert fresh_pair == {"x": 512, "y": 1023}
    assert "x 512  y 1023 (raw)" in ctl("orientation", "running shoe").stdout

    ctl.chips[0].call("Step", 7)
    assert ctl.json("steps", "--fresh")["steps"] == ctl.chips[0].get("Counter")
    assert "today" in ctl("steps").stdout


def test_json_of_status_has_stable_names(ctl: World) -> None:
    status = ctl.json("status")
    assert set(status) == {"version", "adapter_state", "scanning", "chips"}
    assert status["adapter_state"] == "on"
    (chip,) = status["chips"]
    assert set(chip) == {
        "address", "alias", "side", "name", "adapter", "remembered", "auto_connect", "connected",
        "paired", "state", "status_text", "last_error", "last_connected", "last_seen", "rssi",
        "pairing_state", "pairing_deadline", "battery", "battery_status", "battery_updated",
        "steps", "steps_updated", "steps_today", "steps_total", "cadence", "daily_goal",
        "run_steps", "walk_steps", "distance_m", "energy_kcal", "orientation",
        "orientation_updated", "orientation_interval_ms",
    }  # fmt: skip
    assert chip["connected"] is True
    assert chip["state"] == "ready"
    assert chip["daily_goal"] is None
    assert chip["last_error"] is None


#: Every verb with --json, in an order in which each has something to tell; `pair`, `watch` and `export` have
#: tests of their own, and `metrics` has a format of its own.
JSON_RUNS = [
    ["status"], ["scan", "--timeout", "1"], ["today"], ["goal"], ["goal", "100"], ["history", "--days", "2"],
    ["history", "--weeks", "2"], ["steps"], ["steps", "--fresh"], ["battery"], ["battery", "--fresh"],
    ["orientation", "--fresh"], ["info"], ["info", "--fresh"], ["time"], ["time", "--set"],
    ["set", "alias", ""], ["diagnose"], ["key", "show"], ["disconnect"], ["connect"], ["add", chip_address()],
    ["remove", chip_address()],
]  # fmt: skip
JSON_TIMES = re.compile(r"time|last_seen|last_connected|\w+_updated|updated|\w+_deadline")
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def check_json(value: Any, name: str = "") -> int:
    """Names and values are as core2ctl(1) promises; the number of times among them."""
    if isinstance(value, dict):
        assert value and all(re.fullmatch(r"[a-z][a-z0-9_]*", member) for member in value), value
        return sum(check_json(child, member) for member, child in value.items())
    if isinstance(value, list):
        return sum(check_json(child) for child in value)
    # What is not known is null, and no text that has to be known.
    assert value not in ("", "unknown", "never", 255) or name == "battery_status", (name, value)
    if not JSON_TIMES.fullmatch(name) or value is None:
        return 0
    assert ISO_8601.fullmatch(value), (name, value)
    return 1


def test_json_of_every_verb(ctl: World) -> None:
    ctl.daemon.chip(0).call("SetKey", bytes(range(16)))
    ctl.chips[0].call("Step", 5)
    ctl.daemon.chip(0).wait_property("StepsToday", 5)
    times = {}
    for argv in JSON_RUNS:
        times[argv[0]] = times.get(argv[0], 0) + check_json(ctl.json(*argv))
    # The names of times were recognised.
    for verb in ("status", "steps", "battery", "orientation", "info", "time", "diagnose"):
        assert times[verb] > 0, verb
    tested = {argv[0] for argv in JSON_RUNS} | {"pair", "watch", "export", "metrics"}
    assert tested == {line.split("\t")[0] for line in ctl("complete", "--", "").stdout.splitlines()}
    assert ctl.error("metrics", status=2)["message"].startswith("metrics have a format of their own")


def test_two_chips(
    virtual_bluez: StartBluez, virtual_chip: StartChips, core2d: StartDaemon, run_command: Run
) -> None:
    virtual_bluez()
    chips = virtual_chip("hci1", "hci2", args=STANDING)
    daemon = core2d()
    ctl = World(chips, daemon, run_command)
    daemon.add(0, side=GLib.Variant("s", "right"))
    daemon.add(1, side=GLib.Variant("s", "left"))
    for index in range(2):
        daemon.chip(index).wait_property("BatteryStatus", "current")

    both = ctl.json("battery")["chips"]
    assert [chip["side"] for chip in both] == ["left", "right"]
    assert ctl.json("battery", "--chip", "left")["address"] == chip_address(1)
    assert ctl.json("battery", chip_address(0).lower())["side"] == "right"
    assert ctl("battery").stdout.count("●") == 2
    assert [chip["side"] for chip in ctl.json("status", "right")["chips"]] == ["right"]

    error = ctl.error("connect", status=2)
    assert "2 chips" in error["message"]
    assert chip_address(0) in error["advice"] and chip_address(1) in error["advice"]
    assert ctl.error("battery", "--chip", "nobody", status=3)["name"] == "NotFound"
    ctl("set", "alias", "same", "--chip", "left")
    ctl("set", "alias", "same", "--chip", "right")
    assert ctl.error("battery", "same", status=3)["name"] == "Ambiguous"


def test_empty_scan_says_what_to_do(
    virtual_bluez: StartBluez, virtual_chip: StartChips, core2d: StartDaemon, run_command: Run
) -> None:
    virtual_bluez()
    chips = virtual_chip("hci1", args=["--asleep"])
    ctl = World(chips, core2d(), run_command)
    text = ctl("scan", "--timeout", "1").stdout
    assert "No chip was found" in text and "shake it" in text
    assert "No other Bluetooth device was seen" in text
    assert ctl.json("scan", "-t", "1") == {"chips": [], "other_devices_seen": 0}


def test_empty_scan_tells_of_other_devices(
    virtual_bluez: StartBluez, virtual_chip: StartChips, core2d: StartDaemon, run_command: Run
) -> None:
    virtual_bluez()
    band = virtual_chip("hci1", args=["--name=Mi Band 3", "--walk=100"])
    band[0].wait_property("Advertising", True)
    ctl = World(band, core2d(), run_command)
    text = ctl("scan", "--timeout", "4").stdout
    assert "1 other Bluetooth device was seen" in text and "shake it" in text


def test_scan_and_timeout_limits(fresh: World) -> None:
    for argv in (["scan", "-t", "0"], ["scan", "-t", "61"]):
        assert "1 to 60" in fresh(*argv, status=2).stderr
    assert "1 to 600" in fresh("connect", "-t", "601", status=2).stderr
    assert "1 to 120" in fresh("pair", "-t", "121", status=2).stderr


def test_no_chip_yet(fresh: World) -> None:
    for verb in ("steps", "battery", "orientation", "connect", "info", "time", "pair"):
        error = fresh.error(verb, status=3)
        assert error["message"] == "no chip has been added yet."
        assert "core2ctl scan" in error["advice"]


def test_malformed_address(fresh: World) -> None:
    error = fresh.error("add", "F1:4F:BB", status=2)
    assert error["name"] == "InvalidArguments"
    assert fresh.error("add", chip_address(), "--side", "up", status=2)
    assert fresh.json()["chips"] == []


def test_asleep(fresh: World) -> None:
    fresh.chips[0].call("Sleep")
    fresh("add", chip_address(), "--no-connect")
    assert fresh.error("steps", status=7)["name"] == "NoData"
    assert fresh.error("battery", status=7)["name"] == "NoData"
    assert fresh.error("orientation", status=7)["name"] == "NoData"
    assert fresh.error("info", status=7)["name"] == "NoData"
    error = fresh.error("connect", "--timeout", "1", status=4)
    assert error["name"] == "Asleep"
    assert "Shake" in error["advice"]


def test_connect_and_disconnect(ctl: World) -> None:
    chip = ctl.daemon.chip(0)
    assert "is disconnected" in ctl("disconnect").stdout
    chip.wait_property("State", "disconnected")
    rows = [line.split(maxsplit=1) for line in ctl("status").stdout.splitlines()]
    assert rows.count(["state", chip.get("StatusText")]) == 1
    assert "is connected" in ctl("connect", "left").stdout
    assert chip.get("State") == "ready"
    assert ctl.json("disconnect")["connected"] is False
    assert ctl.json("connect")["connected"] is True


def test_without_bluetooth(core2d: StartDaemon, run_command: Run) -> None:
    core2d()
    status = run_command("core2ctl")
    assert status.status == 0
    assert "Bluetooth service does not run" in status.stdout
    scan = run_command("core2ctl", "--json", "scan")
    assert scan.status == 6
    assert json.loads(scan.stdout)["error"]["exit_code"] == 6


def test_bluetooth_off(
    virtual_bluez: StartBluez, core2d: StartDaemon, run_command: Run
) -> None:
    bluez = virtual_bluez()
    daemon = core2d()
    daemon.manager.wait_property("AdapterState", "on")
    bluez.remote("/org/bluez/hci0", "org.bluez.Adapter1").set("Powered", False)
    daemon.manager.wait_property("AdapterState", "off")
    assert "bluetoothctl power on" in run_command("core2ctl").stdout
    scan = run_command("core2ctl", "scan")
    assert scan.status == 6
    assert "bluetoothctl power on" in scan.stderr


def test_daemon_that_hangs(bus: Bus, ctl: World) -> None:
    ctl.daemon.process.send_signal(signal.SIGSTOP)
    try:
        result = ctl("status", status=6)
    finally:
        ctl.daemon.process.send_signal(signal.SIGCONT)
    assert "does not answer" in result.stderr
    assert ctl("status").status == 0


def test_battery_without_an_answer(ctl: World) -> None:
    ctl.daemon.chip(0).wait_property("BatteryStatus", "current")
    ctl.chips[0].call("SetQuirk", "battery-payload", GLib.Variant("ay", b""))
    ctl.daemon.chip(0).wait_property("State", "ready")
    assert ctl.error("battery", "--fresh", status=7)["name"] == "NoData"
    old = ctl.json("battery")
    assert (old["battery"], old["battery_status"]) == (62, "stale")


def test_remove(ctl: World) -> None:
    assert "name the chip" in ctl("remove", status=2).stderr
    assert ctl.json("remove", "left")["removed"] is True
    ctl.error("remove", "left", status=3)
    assert all(not chip["remembered"] for chip in ctl.json()["chips"])


def test_settings(ctl: World) -> None:
    chip = ctl.daemon.chip(0)
    assert ctl.json("set", "goal", "8000")["daily_goal"] == 8000
    assert chip.get("DailyGoal") == 8000
    assert "0 % of 8000" in ctl("status").stdout
    assert ctl.json("set", "goal", "0")["daily_goal"] is None
    assert ctl.json("set", "side", "right")["side"] == "right"
    assert ctl.json("set", "auto-connect", "off")["auto_connect"] is False
    assert ctl.json("set", "auto-connect", "on")["auto_connect"] is True
    assert 'alias is now "Füße"' in ctl("set", "alias", "Füße").stdout
    assert ctl.json("set", "alias", "")["alias"] is None
    before = chip.get_all()
    for argv in (["goal", "many"], ["goal", "1000001"], ["goal", "-1"], ["side", "up"],
                 ["auto-connect", "maybe"], ["alias", "x" * 65], ["weight", "70"]):  # fmt: skip
        ctl("set", *argv, status=2)
    names = ("DailyGoal", "Side", "AutoConnect", "Alias")
    assert [chip.get(name) for name in names] == [before[name] for name in names]


def test_info(ctl: World) -> None:
    ctl.daemon.chip(0, "org.example.Core2.Info").wait_property("Updated", lambda t: t > 0)
    known = ctl.json("info")
    fresh = ctl.json("info", "--fresh")
    assert known["serial_number"] == fresh["serial_number"] is not None
    assert known["firmware_revision"] is None
    assert re.fullmatch(r"[0-9a-f]{16}", known["system_id"])
    text = ctl("info").stdout
    assert known["serial_number"] in text
    assert "firmware" not in text


def test_time(ctl: World) -> None:
    ctl.chips[0].call("SetTime", "2020-02-29 12:34:56")
    shown = ctl.json("time")
    assert shown["time"].startswith("2020-02-29T12:3")
    assert shown["ahead_s"] < -100_000_000
    assert "days slow" in ctl("time").stdout

    set_now = ctl.json("time", "--set")
    assert set_now["set"] is True
    assert abs(set_now["ahead_s"]) < 3600
    assert ctl.chips[0].get("WrittenTime") != ""


def test_time_refused(ctl: World) -> None:
    ctl.chips[0].call("SetQuirk", "time-write", GLib.Variant("s", "refuse"))
    assert ctl.error("time", "--set", status=1)["name"] == "NotSupported"


def pair_and_shake(ctl: World, bus: Bus, *argv: str) -> Process:
    process = bus.start([CORE2CTL, "pair", *argv], label="pair")
    ctl.chips[0].wait_property("PairingWaitsForShake", True)
    # A shake that comes sooner leaves nothing to ask for.
    ctl.daemon.chip(0).wait_property("PairingState", "shake-now")
    process.expect_end()
    ctl.chips[0].call("Shake")
    process.wait()
    return process


def test_pair_tells_a_person_what_happens(bus: Bus, ctl: World) -> None:
    ctl.chips[0].call("Step", 30)
    ctl.daemon.chip(0).wait_property("StepsToday", 30)
    process = pair_and_shake(ctl, bus)
    text = process.stdout
    assert process.status == 0, process.stderr
    assert "step counter starts again from zero" in text
    assert "SHAKE THE CHIP NOW" in text
    assert "is paired" in text
    assert ctl.daemon.chip(0).get("Paired") is True
    assert ctl.json("steps")["steps_today"] == 30

    process = pair_and_shake(ctl, bus, "--json")
    assert json.loads(process.stdout)["paired"] is True


def test_pair_without_a_shake(ctl: World) -> None:
    error = ctl.error("pair", "--timeout", "1", status=1)
    assert error["name"] == "NotShaken"
    assert "shake" in error["advice"]
    assert ctl.json("status")["chips"][0]["paired"] is False


def test_pair_with_the_stored_key_needs_one(ctl: World) -> None:
    assert ctl.error("pair", "--keep-key", status=7)["name"] == "NotPaired"


def test_keys(bus: Bus, ctl: World, tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert ctl.error("key", "show", status=7)["name"] == "NotPaired"
    ctl("key", "export", file, status=7)
    assert not file.exists()

    assert pair_and_shake(ctl, bus).status == 0
    key = bytes(ctl.chips[0].get("Key")).hex()
    assert ctl("key", "show").stdout == key + "\n"
    assert ctl.json("key", "show")["key"] == key
    ctl("key", "export", file)
    assert file.read_text() == key + "\n"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert "--force" in ctl("key", "export", file, status=1).stderr

    file.chmod(0o644)
    ctl("key", "export", "--force", file)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    ctl("key", "import", file)
    ctl("key", "import", "-", stdin=key.upper())
    assert ctl("key", "show").stdout == key + "\n"

    for text in ("", "00", key + "00", "g" * 32):
        file.write_text(text)
        ctl("key", "import", file, status=2)
    ctl("key", "import", tmp_path / "nothing", status=2)
    ctl("key", "import", status=2)
    ctl("key", "lose", status=2)


def test_add_with_key(fresh: World, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("00112233445566778899aabbccddeeff\n")
    fresh("add", chip_address(), "--no-connect", "--key-file", file)
    assert fresh("key", "show").stdout == file.read_text()
    fresh("add", chip_address(), "--key-file", tmp_path / "nothing", status=2)


def test_completion_offers_chips(ctl: World) -> None:
    lines = ctl("complete", "--", "steps", "").stdout.splitlines()
    assert lines == [
        f"{chip_address()}\trunning shoe",
        f"running shoe\t{chip_address()}",
        "left\trunning shoe",
    ]
    assert ctl("complete", "--", "--chip", "le").stdout == "left\trunning shoe\n"


def test_interrupted_scan_ends_in_the_daemon(bus: Bus, fresh: World) -> None:
    fresh.chips[0].call("Sleep")
    process = bus.start([CORE2CTL, "scan", "--timeout", "60"], label="scan")
    fresh.daemon.manager.wait_property("Scanning", True)
    assert process.stop(signal.SIGINT) == 130
    fresh.daemon.manager.wait_property("Scanning", False)
    bus.processes.remove(process)


def test_status_while_connecting_does_not_wait(bus: Bus, fresh: World) -> None:
    """What is known comes at once, also while core2d is busy with the chip."""
    fresh.chips[0].call("Sleep")
    fresh("add", chip_address())
    waiting = bus.start([CORE2CTL, "connect", "--timeout", "600"], label="connect")
    wait_for(lambda: fresh.daemon.chip(0).get("State") != "disconnected", what="a connection begun")
    assert fresh.json("status")["chips"][0]["connected"] is False
    waiting.expect_end()
    fresh.chips[0].call("Shake")
    assert waiting.wait() == 0
