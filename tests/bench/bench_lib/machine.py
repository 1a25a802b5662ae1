# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where it is measured: the machine, its processors, a bus of the bench's own."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Bus, build_directory


@contextmanager
def private_bus(kind: str = "dbus-daemon") -> Iterator[Bus]:
    """A bus with the limits of the system bus; at the end all programs on it are ended. bus.directory is a
    temporary one for what they leave."""
    with tempfile.TemporaryDirectory(prefix="core2-bench-") as directory:
        bus = Bus(Path(directory), kind)
        try:
            yield bus
        finally:
            bus.close()


def split_processors() -> tuple[set[int], set[int]]:
    """One processor for what is measured and the others for everything else; with a single one both share it."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[-1]}, set(allowed[:-1] or allowed)


def pin(pid: int, processors: set[int]) -> None:
    """All threads of a process; those that it starts later, too."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), processors)


def describe_machine() -> str:
    """For the top of what a bench prints."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    name = cpu[1] if cpu else platform.machine()
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    load = os.getloadavg()[0]
    return (
        f"{name}, {len(os.sched_getaffinity(0))} processors, {system}, Linux {platform.release()}, "
        f"load {load:.1f}; {_bus_versions()}; core2d built with {_build_options()}"
    )


def _bus_versions() -> str:
    versions = []
    for program in ("dbus-daemon", "dbus-broker"):
        output = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
        number = re.search(r"\d[\d.]*", output)
        versions.append(f"{program} {number[0] if number else '?'}")
    return ", ".join(versions)


def _build_options() -> str:
    path = build_directory() / "meson-info" / "intro-buildoptions.json"
    options = {option["name"]: option["value"] for option in json.loads(path.read_text())}
    return f"buildtype={options['buildtype']}, sanitizers: {options['b_sanitize']}"
