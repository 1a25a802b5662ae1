# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl watch as lines, as JSON and as a live view, and what else core2ctl does on a terminal."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib
from harness import CORE2, SOURCE, STANDING, Bus, Core2d, Process, VirtualBluez, VirtualChips
from harness import build_directory, chip_address, wait_for
from harness.bus import DBUS
from harness.terminal import Terminal

StartTerminal = Callable[..., Terminal]

CORE2CTL = build_directory() / "client-tool" / "core2ctl"


class World:
    def __init__(self, chips: VirtualChips, daemon: Core2d) -> None:
        self.chips = chips
        self.daemon = daemon
        self.chip = daemon.chip(0)


@pytest.fixture
def world(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> World:
    """A chip that stands still, connected, with a goal."""
    virtual_bluez()
    chips = virtual_chip("hci1", args=[*STANDING, "--battery=62"])
    daemon = core2d()
    daemon.add(0, alias=GLib.Variant("s", "my shoe"), side=GLib.Variant("s", "left"))
    world = World(chips, daemon)
    world.chip.wait_property("BatteryStatus", "current")
    world.chip.call("SetDailyGoal", 100)
    chips[0].call("Tilt", 111, 222)
    return world


@pytest.fixture
def terminal(bus: Bus) -> Iterator[StartTerminal]:
    started: list[Terminal] = []

    def start(*argv: str | Path, **options: Any) -> Terminal:
        env = bus.env | options.pop("env", {})
        started.append(Terminal([CORE2CTL, *argv], env, **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def watch(bus: Bus, *argv: str) -> Process:
    return bus.start([CORE2CTL, "watch", *argv], label="watch")


def wait_line(process: Process, wanted: str) -> None:
    wait_for(lambda: wanted in process.stdout, what=f"{wanted!r} in the lines of watch")


def events(process: Process) -> list[dict[str, Any]]:
    """The complete lines so far; each must be one JSON object."""
    return [json.loads(line) for line in process.stdout.split("\n")[:-1]]


def wait_event(process: Process, kind: str, **members: Any) -> dict[str, Any]:
    def find() -> dict[str, Any]:
        for event in events(process):
            if event["event"] == kind and all(event.get(k) == v for k, v in members.items()):
                return event
        return {}

    return wait_for(find, what=f"event {kind} {members}")


def test_lines(bus: Bus, world: World) -> None:
    process = watch(bus)
    wait_line(process, "my shoe: ")
    world.chips[0].call("Step", 5)
    wait_line(process, "my shoe: steps +5: 5 today, 5 % of 100")
    wait_line(process, "my shoe: orientation x 111  y 222 (raw)")
    world.chip.call("Disconnect")
    wait_line(process, world.chip.get("StatusText"))
    world.daemon.manager.call("RemoveChip", world.chip.path, {})
    wait_line(process, "my shoe: removed")
    assert "\x1b" not in process.stdout
    assert process.stop(signal.SIGTERM) == 0
    bus.processes.remove(process)


def test_json_lines(bus: Bus, world: World) -> None:
    process = watch(bus, "--json", "--interval", "2500")
    first = wait_event(process, "chip")
    assert first["address"] == chip_address()
    assert first["battery"] == 62
    world.chip.wait_property("OrientationInterval", 2500)

    world.chips[0].call("Step", 5)
    steps = wait_event(process, "steps", delta=5)
    assert (steps["steps_today"], steps["alias"], steps["daily_goal"]) == (5, "my shoe", 100)
    assert wait_event(process, "orientation")["orientation"] == {"x": 111, "y": 222}

    pairing = world.chip.call_async("Pair", {})
    world.chips[0].wait_property("PairingWaitsForShake", True)
    world.chips[0].call("Shake")
    pairing.wait()
    world.chips[0].call("Step", 3)
    reset = wait_event(process, "counter_reset")
    assert (reset["before"], reset["reason"]) == (5, "pairing")
    assert all(event["time"].endswith("Z") for event in events(process))

    assert process.stop(signal.SIGINT) == 0
    bus.processes.remove(process)
    world.chip.wait_property("OrientationInterval", 0)


def test_one_chip_of_two(bus: Bus, world: World, virtual_chip: Callable[..., VirtualChips]) -> None:
    path = world.daemon.manager.call("AddChip", chip_address(1), {})
    process = watch(bus, "--json", "left", "--interval", "0")
    wait_event(process, "chip")
    world.daemon.chip(path).call("SetAlias", "other")
    world.chips[0].call("Step", 5)
    wait_event(process, "steps", delta=5)
    assert {event["address"] for event in events(process)} == {chip_address()}
    assert world.chip.get("OrientationInterval") == 0


def test_goes_on_after_a_restart_of_the_daemon(bus: Bus, world: World) -> None:
    process = watch(bus, "--json")
    wait_event(process, "chip")
    world.chip.wait_property("OrientationInterval", 2000)
    world.daemon.restart()
    wait_event(process, "daemon_gone")
    wait_event(process, "daemon_back")
    chip = world.daemon.chip(0)
    chip.wait_property("OrientationInterval", 2000)
    chip.wait_property("State", "ready")

    def kinds() -> list[str]:
        return [event["event"] for event in events(process)]

    wait_for(lambda: "chip" in kinds()[kinds().index("daemon_back") :], what="the chip once more")
    assert "removed" not in kinds()
    before = chip.get("StepsTotal")
    world.chips[0].call("Step", 7)
    wait_event(process, "steps", steps_total=before + 7)


def test_a_chip_added_later_is_followed(bus: Bus, world: World) -> None:
    process = watch(bus, "--json")
    wait_event(process, "chip")
    world.daemon.manager.call("AddChip", chip_address(1), {"alias": GLib.Variant("s", "second")})
    wait_event(process, "chip", address=chip_address(1))
    world.daemon.manager.call("RemoveChip", world.daemon.chip(1).path, {})
    wait_event(process, "removed", address=chip_address(1))


def test_reader_that_goes_away(bus: Bus, world: World) -> None:
    """`core2ctl watch | head -n 1` ends."""
    before = len(world.chip.changes)
    process = bus.start(
        ["bash", "-o", "pipefail", "-c", f"'{CORE2CTL}' watch --json | head -n 1"], label="head"
    )
    process.expect_end()
    wait_line(process, '"event":"chip"')
    world.chip.wait_change("OrientationInterval", 2000, before)
    wait_for(lambda: world.chips[0].call("Step", 1) or process.status is not None, what="its end")
    assert process.wait() == 0


def test_bus_that_goes_away(bus: Bus, world: World) -> None:
    process = watch(bus)
    wait_line(process, "my shoe")
    for other in bus.processes:
        other.expect_end()
    bus.daemon.send_signal(signal.SIGKILL)
    assert process.wait() == 6
    assert "the system bus has gone" in process.stderr
    for other in list(bus.processes):
        other.wait()
        bus.processes.remove(other)


def test_wrong_interval(bus: Bus, world: World, run_command: Callable[..., Any]) -> None:
    assert run_command("core2ctl", "watch", "--interval", "-1").status == 2
    assert run_command("core2ctl", "watch", "--interval", "3600001").status == 2
    assert run_command("core2ctl", "watch", "nobody").status == 3


def test_live_view(world: World, terminal: StartTerminal) -> None:
    view = terminal("watch", columns=100, rows=24)
    view.wait_text("my shoe  left  " + chip_address())
    world.chips[0].call("Step", 40)
    view.wait_text("40 of 100 steps today")
    view.wait_text("40 %")
    view.wait_text("battery 62 %")
    view.wait_text("x 111  y 222 (raw)")
    frame = view.wait_frame(lambda frame: any("x 111  y 222 (raw)" in line for line in frame))
    assert any("█" in line for line in frame), frame  # the bar and the sparkline
    dial = [line[2:10] for line in frame[3:7]]
    assert all(0x2800 <= ord(dot) < 0x2900 for row in dial for dot in row), frame

    view.resize(60, 4)
    # No room for a block: one line a chip.
    row = re.compile(r"my shoe +40 +40 % +\d+/min +62 %")
    frame = view.wait_frame(lambda frame: any(row.search(line) for line in frame))
    assert len(frame) <= 4 and max(map(len, frame)) <= 60

    view.send("\x03")
    assert view.wait() == 0
    assert view.output.startswith("\x1b[?1049h")
    assert view.output.endswith("\x1b[?25h\x1b[?1049l")
    assert view.mode == view.mode_before
    world.chip.wait_property("OrientationInterval", 0)


def test_live_view_over_a_restart(world: World, terminal: StartTerminal) -> None:
    view = terminal("watch")
    view.wait_text("my shoe")
    world.chip.wait_property("OrientationInterval", 2000)
    world.daemon.stop()
    view.wait_text("core2d has stopped; waiting for it")
    frame = view.wait_frame(lambda frame: any("core2d has stopped" in line for line in frame))
    assert any("my shoe" in line for line in frame)
    world.daemon.start()
    world.daemon.chip(0).wait_property("OrientationInterval", 2000)
    view.wait_frame(lambda frame: not any("stopped" in line for line in frame))
    view.send("q")
    assert view.wait() == 0
    assert view.mode == view.mode_before


def test_no_color(world: World, terminal: StartTerminal) -> None:
    coloured = terminal("status")
    assert coloured.wait() == 0
    assert "\x1b[1m" in coloured.output
    plain = terminal("status", env={"NO_COLOR": "1"})
    assert plain.wait() == 0
    assert "\x1b" not in plain.output
    assert "my shoe" in plain.output


def test_daemon_that_is_being_started(make_bus: Callable[..., Bus], tmp_path: Path) -> None:
    """The bus starts core2d for core2ctl; while that lasts it says so, and then goes on."""
    go_on = tmp_path / "go-on"
    os.mkfifo(go_on)
    (state := tmp_path / "state").mkdir(mode=0o700)
    program = build_directory() / "daemon" / "core2d"
    script = tmp_path / "start"
    script.write_text(f"#!/bin/sh\nread word <'{go_on}'\nexec '{program}' --state-directory='{state}'\n")
    script.chmod(0o755)
    (services := tmp_path / "services").mkdir()
    (services / f"{CORE2}.service").write_text(f"[D-BUS Service]\nName={CORE2}\nExec={script}\n")
    # Only a session's bus starts programs by itself.
    bus = make_bus(extra=f"<type>session</type><servicedir>{services}</servicedir>")

    screen = Terminal([CORE2CTL, "status"], bus.env)
    screen.wait_text("starting core2d ...")
    go_on.write_text("word\n")
    screen.wait_text("No chip has been added yet.")
    assert screen.wait() == 0
    screen.close()
    pid = bus.call(*DBUS, "GetConnectionUnixProcessID", GLib.Variant("(s)", (CORE2,)))
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), what="the end of core2d")


def test_connecting_on_a_terminal(world: World, terminal: StartTerminal) -> None:
    """What goes on is shown in the daemon's words, on one line, which is gone at the end."""
    world.chip.call("Disconnect")
    world.chips[0].call("Sleep")
    screen = terminal("connect", "--timeout", "100")
    world.chip.wait_property("State", "waiting")
    screen.wait_text("my shoe: " + world.chip.get("StatusText"))
    world.chips[0].call("Shake")
    screen.wait_text("is connected")
    assert screen.wait() == 0
    assert screen.output.rsplit("\r", 2)[-2].startswith("\x1b[K" + "my shoe (")


def test_pairing_on_a_terminal(world: World, terminal: StartTerminal) -> None:
    screen = terminal("pair", "--timeout", "100")
    screen.wait_text("SHAKE THE CHIP NOW")
    screen.wait_text("s left")
    world.chips[0].call("Shake")
    screen.wait_text("is paired")
    assert screen.wait() == 0
    assert world.chip.get("Paired") is True


def test_cancelled_pairing(world: World, terminal: StartTerminal) -> None:
    screen = terminal("pair", "--timeout", "100")
    screen.wait_text("SHAKE THE CHIP NOW")
    screen.send("\x03")
    screen.wait_text("pairing cancelled")
    assert screen.wait() == 130
    world.chip.wait_property("PairingState", lambda state: state in ("idle", "failed"))
    assert world.chip.get("Paired") is False


def test_progress_of_a_scan(world: World, terminal: StartTerminal) -> None:
    world.chips[0].call("Sleep")
    screen = terminal("scan", "--timeout", "60")
    screen.wait_text("looking for chips")
    screen.wait_text("shake them now")
    screen.send("\x03")
    assert screen.wait() == 130
    world.daemon.manager.wait_property("Scanning", False)


#: How to start each shell without anybody's settings, and what has it know of core2ctl.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {completion}/core2ctl.bash"),
    "fish": (["fish", "--no-config", "-i"], "source {completion}/core2ctl.fish"),
    "zsh": (["zsh", "-f", "-i"], "fpath=({completion} $fpath); autoload -U compinit; compinit -u -D"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_in_a_shell(world: World, bus: Bus, shell: str, tmp_path: Path) -> None:
    """Somebody types the beginnings of words: the shell completes verb, option and chip, and quotes where that is needed."""
    argv, setting = SHELLS[shell]
    env = bus.env | {"PATH": f"{CORE2CTL.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    screen = Terminal(argv, env, columns=160)
    setting = setting.format(completion=SOURCE / "client-tool" / "completion")
    # In the answer, unlike in what was typed, the words stand together.
    screen.send(setting + "; echo 're''ady'\n")
    screen.wait_text("ready")
    for typed in ("F1", "F1:4F:B", "F1:4F:", "le", "my"):
        for option in ("--c\t", "--chip="):
            seen = len(screen.text)
            screen.send(f"core2ctl bat\t{option}{typed}\t\n")
            screen.wait_text("battery         62 %", seen)
    screen.send("exit\n")
    screen.wait()
    screen.close()


AGENT = """#!/usr/bin/python3
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
with open({record!r}, "w") as record:
    print(*sys.argv[1:], file=record, flush=True)
    os.close(int(sys.argv[sys.argv.index("--notify-fd") + 1]))
    signal.sigwait([signal.SIGTERM])
    print("ended", file=record)
"""


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A folder that other users reach, which pytest's own and the build's may not be."""
    with tempfile.TemporaryDirectory(prefix="core2ctl-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


def test_password_agent_on_a_terminal(bus: Bus, world: World, public_directory: Path) -> None:
    """polkit's agent is started for a verb that may need a password, and ends with it."""
    record = public_directory / "record"
    agent = public_directory / "pkttyagent"
    agent.write_text(AGENT.format(record=str(record)))
    agent.chmod(0o755)
    core2ctl = public_directory / "core2ctl"
    shutil.copy(CORE2CTL, core2ctl)
    polkit = bus.connect()
    polkit.call_sync(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
        GLib.Variant("(su)", ("org.freedesktop.PolicyKit1", 0)), None, Gio.DBusCallFlags.NONE, -1,
        None,
    )  # fmt: skip
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    user = nobody if os.geteuid() == 0 else []
    env = bus.env | {"PATH": f"{public_directory}:{os.environ['PATH']}"}

    scan = Terminal([*user, core2ctl, "scan", "--timeout", "1"], env)
    assert scan.wait() == 5  # this polkit knows nobody
    scan.close()
    started, ended = record.read_text().splitlines()
    assert re.fullmatch(r"--fallback --process \d+ --notify-fd \d+", started)
    assert ended == "ended"

    record.unlink()
    status = Terminal([*user, core2ctl, "status"], env)
    assert status.wait() == 0
    status.close()
    assert not record.exists()
    polkit.close(None, None)
