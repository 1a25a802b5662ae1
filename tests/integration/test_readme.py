# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every example of the README does what it is said to do."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness import (
    SOURCE,
    Bus,
    Core2d,
    Process,
    VirtualBluez,
    VirtualChips,
    build_directory,
    chip_path,
    wait_for,
)
from harness.loop import running

README = (SOURCE / "README.md").read_text()

MARKED = re.compile(
    r"^<!-- example: (?P<name>[\w-]+)(?:, shows: (?P<shows>[^\n]*))? -->\n"
    r"```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Example:
    language: str
    text: str
    shows: str


EXAMPLES = {
    match["name"]: Example(match["language"], match["text"], match["shows"] or "")
    for match in MARKED.finditer(README)
}

BUILD_AND_RUN = 'cc -Wall -Wextra -Wno-unused-parameter -Werror "$0" -o "$0.out" $(pkg-config --cflags --libs gio-2.0)'
BUILD_AND_RUN += '; exec "$0.out"'
PROGRAMS = {
    "sh": ("bash", "-eu"),
    "python": ("/usr/bin/python3",),
    "js": ("gjs",),
    "c": ("bash", "-euc", BUILD_AND_RUN),
}


def test_every_block_is_an_example_with_a_test() -> None:
    assert README.count("```") == 2 * len(EXAMPLES)
    assert {example.language for example in EXAMPLES.values()} == {*PROGRAMS, "xml"}
    commands = "".join(example.text for example in EXAMPLES.values() if example.language == "sh")
    for program in ("busctl", "gdbus", "core2ctl"):
        assert program in commands


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].shows])
def test_example(
    name: str,
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> None:
    virtual_bluez()
    virtual_chip("hci1", "hci2", args=["--walk=110"])
    daemon = core2d()
    sides = {"left": 0, "right": 1}
    for side, index in sides.items():
        daemon.add(index).call("SetSide", side)

    example = EXAMPLES[name]
    script = tmp_path / f"example.{example.language}"
    script.write_text(example.text)
    env = bus.env | {"PATH": f"{build_directory()}/client-tool:{os.environ['PATH']}"}
    process = Process([*PROGRAMS[example.language], script], env, tmp_path)
    process.expect_end()
    wanted = re.compile(example.shows, re.MULTILINE)
    wait_for(
        lambda: wanted.search(process.stdout) or process.status is not None,
        what=f"{example.shows}; stdout: {process.stdout}; stderr: {process.stderr}",
    )
    # Some go on until Ctrl-C.
    endless = name in ("monitor", "python", "gjs", "c")
    status = process.stop(signal.SIGTERM) if endless else process.wait()
    assert wanted.search(process.stdout), (process.stdout, process.stderr)
    assert status == (128 + signal.SIGTERM if endless else 0), process.stderr
    assert not process.complaints()
    assert process not in running


def test_commands_for_hacking_can_be_run() -> None:
    """Each of tests/ is there, and knows its options; the rest is what tests/check does."""
    section = README.split("\n## Hacking\n")[1].split("\n## ")[0]
    commands = re.findall(r"^    (.*?)(?:  +#.*)?$", section, re.MULTILINE)
    found = set()
    for words in map(shlex.split, commands):
        program, *options = [word for word in words if "=" not in word]
        if not program.startswith("tests/"):
            assert program in ("meson", "/usr/bin/python3"), program
            continue
        help_text = subprocess.run([SOURCE / program, "--help"], capture_output=True, text=True, check=True).stdout
        assert all(option in help_text for option in options if len(option) > 2 and option.startswith("--"))
        found.add(program)
    assert found == {"tests/try", "tests/check", "tests/real-bluez/run", "tests/package"}
    listed = ["meson", "introspect", "--tests", str(build_directory())]
    tests = json.loads(subprocess.run(listed, capture_output=True, check=True).stdout)
    assert any(suite.split(":")[-1] == "unit" for test in tests for suite in test["suite"])


def test_policy_for_a_group(
    make_bus: Callable[..., Bus],
    tmp_path: Path,
) -> None:
    """Who is not in the group can neither ask nor hear; who is can."""
    policy = re.search(r"<busconfig>(.*)</busconfig>", EXAMPLES["policy"].text, re.DOTALL)
    assert policy
    # The test is not always root, whom the policy lets in.
    test = f"""
      <policy user="{os.geteuid()}">
        <allow send_destination="org.example.Core2"/>
        <allow receive_sender="org.example.Core2"/>
      </policy>"""
    bus = make_bus(extra=policy[1] + test)
    VirtualBluez(bus)
    models = VirtualChips(bus, ("hci1",), "--walk=0")
    state = tmp_path / "state"
    state.mkdir()
    daemon = Core2d(bus, state)
    chip = daemon.add(0)
    log = chip.signals("StepsChanged")

    def listener(group: str) -> Process:
        become = ["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups"]
        if os.geteuid() != 0:
            become = ["sudo", "-n", f"DBUS_SYSTEM_BUS_ADDRESS={bus.address}", *become]
        return bus.start([*become, "gdbus", "monitor", "--system", "--dest", "org.example.Core2"])

    member, stranger = listener("games"), listener("nogroup")
    wait_for(
        lambda: "owned by" in member.stdout and "owned by" in stranger.stdout,
        what="both listeners",
    )
    steps = 0

    def heard() -> bool:
        nonlocal steps
        if len(log) == steps:
            return False
        steps = len(log)
        models[0].call("Step", 1)
        return "StepsChanged" in member.stdout

    models[0].call("Step", 1)
    wait_for(heard, what="steps at the member of the group")
    assert "StepsChanged" not in stranger.stdout
    for process in (member, stranger):
        process.stop()
        bus.processes.remove(process)

    def read_as(group: str) -> Process:
        become = ["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups"]
        if os.geteuid() != 0:
            become = ["sudo", "-n", f"DBUS_SYSTEM_BUS_ADDRESS={bus.address}", *become]
        command = ["busctl", "get-property", "org.example.Core2", chip_path(0)]
        process = bus.start([*become, *command, "org.example.Core2", "Steps"])
        process.wait()
        bus.processes.remove(process)
        return process

    assert read_as("games").stdout.startswith("u ")
    denied = read_as("nogroup")
    assert denied.status == 1 and "denied" in denied.stderr.lower(), denied.stderr
