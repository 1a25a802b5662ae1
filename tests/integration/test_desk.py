# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2-desk in a real window: what a screen reader is told of it, and what the keyboard does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import TIMEOUT, Bus, Core2d, Process, Remote, Result, VirtualBluez, VirtualChips
from harness import build_directory, chip_address, wait_for

SOURCES = Path(__file__).resolve().parents[2] / "client-tool" / "desktop"
EYES = Path(__file__).with_name("desk-eyes.py")
A11Y = "org.a11y.Bus"


#: What a desktop would give, but for what moves: drawing it takes most of the time where no graphics card helps.
SETTINGS = """[Settings]
gtk-enable-animations=0
gtk-cursor-blink=0
"""


class Eyes:
    """desk-eyes.py, which looks at a window as long as that is there."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["/usr/bin/python3", "-Wignore", EYES],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._output.fileno(), False)

    def look(self, pattern: str, reach: bool) -> dict[str, Any]:
        self._input.write(json.dumps({"pattern": pattern, "reach": reach}).encode() + b"\n")
        self._input.flush()
        told = b""

        def is_told() -> bool:
            nonlocal told
            told += self._output.read() or b""
            return told.endswith(b"\n") or self._process.poll() is not None

        wait_for(is_told, 3 * TIMEOUT, f"a look at {pattern}")
        assert told.endswith(b"\n"), f"desk-eyes.py ended with {self._process.returncode}: {told!r}"
        return json.loads(told)

    def close(self) -> None:
        self._input.close()
        self._output.close()
        self._process.terminate()
        self._process.wait()


class Screen:
    """An X server without a screen, an accessibility bus, and core2-desk on them."""

    def __init__(self, bus: Bus, run_command: Callable[..., Result]) -> None:
        self.bus = bus
        self._run = run_command
        self.x, display = self._start_x()
        runtime = Path(bus.env["HOME"]) / "runtime"
        runtime.mkdir(mode=0o700)
        settings = Path(bus.env["HOME"]) / ".config" / "gtk-4.0" / "settings.ini"
        settings.parent.mkdir(parents=True)
        settings.write_text(SETTINGS)
        self.env = {
            "DISPLAY": f":{display}",
            "XDG_RUNTIME_DIR": str(runtime),
            "DBUS_SESSION_BUS_ADDRESS": bus.address,
            "GDK_BACKEND": "x11",
            "GSK_RENDERER": "cairo",
            "GDK_DEBUG": "gl-disable",
            # GTK's own remarks about the missing desktop are not this program's.
            "G_DEBUG": "fatal-criticals",
        }
        launcher = ["/usr/libexec/at-spi-bus-launcher", "--launch-immediately"]
        self.a11y = bus.start(launcher, self.env)
        bus.wait_name(A11Y)
        self.desk: Process
        self._eyes: Eyes | None = None

    def _start_x(self) -> tuple[Process, str]:
        read, write = os.pipe()
        # Not one that Xvfb finds free: a server that is ending removes the socket of the next with its number.
        display = 100 + os.getpid() % 50_000
        # With a reset it would begin anew whenever its last client goes, and turn away who comes at that moment.
        options = ["-noreset", "-displayfd", str(write), "-screen", "0", "1000x800x24"]
        process = self.bus.start(["Xvfb", f":{display}", *options, "-nolisten", "tcp"], inherit=[write])
        os.close(write)
        os.set_blocking(read, False)
        told = b""

        def is_told() -> bool:
            nonlocal told
            with contextlib.suppress(BlockingIOError):
                told += os.read(read, 16)
            return told.endswith(b"\n")

        wait_for(is_told, what="Xvfb")
        os.close(read)
        return process, told.decode().strip()

    def open(self) -> None:
        program = build_directory() / "client-tool" / "desktop" / "core2-desk"
        self.desk = self.bus.start([program], self.env)
        self.see("frame: Steps")

    def see(self, pattern: str, reach: bool = False) -> str:
        """Wait until something on the window matches, see desk-eyes.py."""
        self._eyes = self._eyes or Eyes(self.bus.env | self.env)
        seen = self._eyes.look(pattern, reach)
        if seen["found"] is None:
            raise AssertionError("\n".join([f"{pattern} is not there, but", *seen["tree"]]))
        return seen["found"]

    def reach(self, pattern: str) -> None:
        """Press Tab until the focus is there."""
        self.see(pattern, reach=True)

    def press(self, *keys: str) -> None:
        for key in keys:
            assert self._run("xdotool", "key", key, env=self.env).status == 0

    def type(self, text: str) -> None:
        assert self._run("xdotool", "type", text, env=self.env).status == 0

    def count_colour(self, colour: str) -> int:
        """How many pixels of the screen have about that colour."""
        picture = ["import", "-window", "root", "png:-"]
        shot = subprocess.run(picture, env=self.bus.env | self.env, capture_output=True, check=True)
        count = ["convert", "png:-", "-fuzz", "3%", "-fill", "black", "+opaque", colour]
        count += ["-fill", "white", "-opaque", colour, "-format", "%[fx:mean*w*h]", "info:"]
        result = subprocess.run(count, input=shot.stdout, capture_output=True, check=True)
        return round(float(result.stdout))

    def close(self) -> None:
        """End the helpers, whose status says nothing; the first one ends the bus that it started."""
        if self._eyes is not None:
            self._eyes.close()
        for process in (self.a11y, self.x):
            process.stop()
            self.bus.processes.remove(process)


@pytest.fixture
def screen(bus: Bus, run_command: Callable[..., Result]) -> Iterator[Screen]:
    screen = Screen(bus, run_command)
    yield screen
    if hasattr(screen, "desk") and screen.desk.status is None:
        screen.desk.stop()
    screen.close()


@pytest.fixture
def shoes(
    virtual_bluez: Callable[..., VirtualBluez], virtual_chip: Callable[..., VirtualChips]
) -> VirtualChips:
    """Two chips that stand still."""
    virtual_bluez()
    return virtual_chip("hci1", "hci2", args=["--walk=0", "--battery=62", "--quirk=idle-timeout=0"])


def text(value: str) -> GLib.Variant:
    return GLib.Variant("s", value)


def test_steps(shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen) -> None:
    daemon = core2d()
    left = daemon.add_counting(0, alias=text("Mum <3"), side=text("left"))
    daemon.add_counting(1, side=text("right"))
    left.call("SetDailyGoal", 40)
    screen.open()
    screen.see(r"list item: Mum <3, 0 steps today, Connected")
    screen.see(r"list item: Right chip, 0 steps today, Connected")
    screen.see(r"level bar: Steps today \(0 of 40 steps\)")
    shoes[0].call("Step", 12)
    screen.see(r"level bar: Steps today \(12 of 40 steps\)")
    screen.see(r"label: of 40 steps")
    screen.see(r"list item: Mum <3, 12 steps today, Connected")
    screen.see(r"image: Steps of the last seven days \(.*: nothing counted, .*day: 12\)")
    screen.see(r"label: 62 %")


def test_a_new_day(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen, tmp_path: Path
) -> None:
    """The page stays open while the day ends, which began in the evening; the bars of the week move on by one."""
    configuration = tmp_path / "core2d.conf"
    configuration.write_text("[Days]\nDayStart=18:00\n")
    daemon = core2d(f"--config={configuration}")
    chip = daemon.add_counting(0)
    screen.open()
    shoes[0].call("Step", 12)
    week = r"image: Steps of the last seven days "
    screen.see(week + r"\(.*: nothing counted, \w+day: 12\)")
    # As if it was midnight: noon is in another day now.
    configuration.write_text("[Days]\nDayStart=00:00\n")
    daemon.process.send_signal(signal.SIGHUP)
    chip.wait_property("StepsToday", 0)
    screen.see(week + r"\(.*: nothing counted, \w+day: 12, \w+day: 0\)")
    shoes[0].call("Step", 5)
    screen.see(week + r"\(.*: nothing counted, \w+day: 12, \w+day: 5\)")


def test_ring_is_drawn(shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen) -> None:
    """The more of the goal, the more of the ring; a goal that is reached has a colour of its own."""
    accent, success = "#1c71d8", "#1b8553"
    daemon = core2d()
    daemon.add_counting(0).call("SetDailyGoal", 40)
    screen.open()
    shoes[0].call("Step", 10)
    screen.see(r"level bar: Steps today \(10 of 40 steps\)")
    wait_for(lambda: screen.count_colour(accent) > 0, what="a ring")
    quarter = screen.count_colour(accent)
    shoes[0].call("Step", 20)
    screen.see(r"level bar: Steps today \(30 of 40 steps\)")
    wait_for(lambda: screen.count_colour(accent) > 1.5 * quarter, what="a longer ring")
    assert screen.count_colour(success) == 0
    shoes[0].call("Step", 15)
    screen.see(r"level bar: Steps today \(45 of 40 steps\)")
    wait_for(lambda: screen.count_colour(success) > 0, what="a ring that says well done")


def test_without_core2d(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    screen.open()
    screen.see("label: core2d Is Not Running")
    daemon = core2d()
    screen.see("label: No Chip Yet")
    daemon.add_counting(0, alias=text("Dad"))
    screen.see("list item: Dad, 0 steps today, Connected")
    daemon.kill()
    screen.see("label: core2d Is Not Running")
    daemon.start()
    screen.see("list item: Dad, 0 steps today, Connected")


#: GDBus waits 25 seconds for an answer.
@pytest.mark.parametrize("seconds", [0, pytest.param(30, marks=pytest.mark.long)])
def test_core2d_that_does_not_answer(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen, seconds: int
) -> None:
    """It is there and says nothing yet: the window is open, says so, and can be used, for however long."""
    daemon = core2d()
    daemon.add_counting(0, alias=text("Dad"))
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        screen.open()
        screen.see("label: Starting")
        end = GLib.get_monotonic_time() + seconds * 1_000_000
        wait_for(lambda: GLib.get_monotonic_time() >= end, what="a call to be given up")
        screen.see("label: Starting")
        screen.press("ctrl+question")
        screen.see("label: Quit")
        screen.press("Escape")
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    screen.see("list item: Dad, 0 steps today, Connected")


def test_without_bluetooth(
    shoes: VirtualChips,
    core2d: Callable[..., Core2d],
    screen: Screen,
    run_command: Callable[..., Result],
) -> None:
    core2d().add(0)
    screen.open()
    screen.see("list item: HM0D, 0 steps today, Connected")
    assert run_command("busctl", "--system", "set-property", "org.bluez", "/org/bluez/hci0",
                       "org.bluez.Adapter1", "Powered", "b", "false").status == 0
    screen.see("label: Bluetooth is switched off")


def test_orientation_is_claimed_while_it_is_shown(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    chip = core2d().add(0)
    shoes[0].call("Tilt", 300, 40000)
    screen.open()
    chip.wait_property("OrientationInterval", lambda interval: interval > 0)
    screen.see(r"image: Orientation \(300, 40000\)")
    screen.desk.expect_end()
    screen.press("ctrl+w")
    chip.wait_property("OrientationInterval", 0)
    assert screen.desk.wait() == 0
    screen.bus.processes.remove(screen.desk)


def begin_pairing(daemon: Core2d, screen: Screen, shows: str) -> Remote:
    """Add a chip and pair it by keyboard, to the moment when it is to be shaken, which is over after half a minute."""
    chip = daemon.add_counting(0, alias=text("Dad"))
    screen.open()
    screen.see("list item: Dad, .*")
    screen.press("ctrl+p")
    screen.see("label: Pair Dad")
    screen.press("Return")
    screen.see(shows)
    return chip


def test_pairing_by_keyboard(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    chip = begin_pairing(core2d(), screen, r"progress bar:.*\[0\.\d+ of 1\]")
    shoes[0].call("Shake")
    screen.see("label: Paired")
    chip.wait_property("Paired", True)


def test_closing_cancels_the_pairing(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    chip = begin_pairing(core2d(), screen, "label: Shake the Chip Now")
    screen.press("Escape")
    chip.wait_property("PairingState", lambda state: state in ("idle", "failed"))
    assert not chip.get("Paired")


def test_adding_by_keyboard(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    daemon = core2d()
    screen.open()
    screen.see("label: No Chip Yet")
    screen.press("ctrl+n")
    screen.see(f"label: {chip_address(1)}")
    screen.reach("list item: HM0D.*")
    screen.press("Return")
    screen.see("list item: HM0D, 0 steps today, .*")
    wait_for(lambda: any(chip["org.example.Core2"]["Remembered"] for chip in chips(daemon)))


def test_choosing_and_removing_by_keyboard(
    shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen
) -> None:
    daemon = core2d()
    daemon.add(0, alias=text("Dad"), side=text("left"))
    daemon.add(1, alias=text("Mum"), side=text("right"))
    screen.open()
    screen.reach("list item: Dad, .*")
    screen.press("Down")
    screen.reach("push button: .*Remove…")
    screen.press("Return")
    screen.see("label: Remove Mum\\?")
    screen.reach("push button: .*Remove")
    screen.press("Return")
    wait_for(lambda: [chip["Alias"] for chip in remembered(daemon)] == ["Dad"], what="the removal")
    screen.see("label: Dad")


def chips(daemon: Core2d) -> list[dict[str, Any]]:
    return [found for found in daemon.objects().values() if "org.example.Core2" in found]


def remembered(daemon: Core2d) -> list[dict[str, Any]]:
    found = [chip["org.example.Core2"] for chip in chips(daemon)]
    return [chip for chip in found if chip["Remembered"]]


def test_settings(shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen) -> None:
    chip = core2d().add(0)
    screen.open()
    screen.see("list item: HM0D, .*")
    screen.reach("list item: Orientation")
    screen.press("Tab")
    screen.type("Gran")
    screen.press("Return")
    chip.wait_property("Alias", "Gran")
    screen.see("list item: Gran, .*")
    screen.reach("combo box: Shoe")
    screen.press("Tab", "ctrl+a")
    screen.type("9000")
    screen.press("Return")
    chip.wait_property("DailyGoal", 9000)
    screen.reach("check box: Stay Connected")
    screen.press("space")
    chip.wait_property("AutoConnect", False)


def test_errors_are_told(shoes: VirtualChips, core2d: Callable[..., Core2d], screen: Screen) -> None:
    chip = core2d().add(0)
    screen.open()
    screen.reach("combo box: Shoe")
    screen.press("Tab", "ctrl+a")
    screen.type("many")
    screen.press("Return")
    screen.see("label: The goal must be a number.*")
    assert chip.get("DailyGoal") == 0


def test_metadata() -> None:
    """The files by which a desktop knows the application."""
    name = "org.example.Core2.Desk"
    for command in (
        ["desktop-file-validate", f"{name}.desktop"],
        ["appstreamcli", "validate", "--no-net", "--no-color", f"{name}.metainfo.xml"],
        ["xmllint", "--noout", f"{name}.svg"],
    ):
        result = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
    icon = re.search(r"^Icon=(.*)$", (SOURCES / f"{name}.desktop").read_text(), re.MULTILINE)
    assert icon and (SOURCES / f"{icon[1]}.svg").exists()
