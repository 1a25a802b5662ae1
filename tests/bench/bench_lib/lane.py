# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus with relay-source on it and one relay between its ends: lanes stand side by side, and are used in turn."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gi.repository import GLib
from harness import Bus, Core2d, build_directory, chip_address, wait_for

from .machine import pin, private_bus, split_processors
from .proc import Usage, usage

HERE = Path(__file__).resolve().parents[1]
PROGRAMS = "tests/bench"

#: Relays by name, and what is said on their command lines.
BARE = {
    "wire": ("relay-wire",),
    "sd-bus": ("relay-sdbus",),
    "sd-bus, two messages": ("relay-sdbus", "--both"),
    "sd-bus, AcquireNotify": ("relay-sdbus", "--acquire"),
    "GDBus": ("relay-gdbus",),
}
PYTHON = {"bleak": (), "bleak, two messages": ("both",)}
RELAYS = ("core2d", *BARE, *PYTHON)

#: Merging of steps as rare as the configuration allows, and a source that stays below it, so that each
#: notification is published by itself.
CONFIGURATION = "[Steps]\nMaxSignalsPerSecond=100\n"
GAP_US = 10500

#: Calls of one client, of which core2d takes no more than a few dozens at once.
ADD_AT_ONCE = 16

#: Seconds; only a relay that is stuck takes so long.
PATIENCE = 120


@dataclass(frozen=True)
class Burst:
    """What became of a number of notifications, and what the relay used for them."""

    usage: Usage
    seconds: float
    notifications: int
    merged: int
    messages: int  #: all that the relay sent
    p50_us: float
    p99_us: float

    @property
    def cpu_us(self) -> float:
        """CPU time a message out."""
        return self.usage.cpu_ns / 1000 / self.messages

    @property
    def cpu_us_notification(self) -> float:
        return self.usage.cpu_ns / 1000 / self.notifications

    @property
    def switches(self) -> float:
        """Context switches a message out."""
        return self.usage.switches / self.messages


class Callgrind(Core2d):
    """core2d in callgrind, which writes what it counted when core2d ends."""

    @property
    def output(self) -> Path:
        return self.bus.directory / "callgrind.out"

    def start(self, wait: bool = True) -> None:
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self.output}"]
        self.process = self.bus.start([*valgrind, *self.argv], self.env, label="core2d")
        if wait:
            self.bus.wait_name(self.name)


class Lane:
    """Use it in a with block."""

    def __init__(
        self, bus_kind: str, relay: str, chips: int, kind: str = "steps", callgrind: bool = False
    ) -> None:
        """kind: "steps" or "orientation"; the bare relays relay one of them, core2d both. callgrind: core2d
        runs in it."""
        self.bus_kind = bus_kind
        self.relay = relay
        self.chips = chips
        self.kind = kind
        self.callgrind = callgrind
        self.pid = 0
        self._stack = ExitStack()

    def __enter__(self) -> Lane:
        with ExitStack() as stack:
            bus = stack.enter_context(private_bus(self.bus_kind))
            self._source = stack.enter_context(self._start_source(bus))
            stack.callback(self._source.kill)
            bus.wait_name("org.bluez")
            self.pid = self._start_relay(bus)
            self._ask(f"wait {self.kind}", "ready")
            measured, others = split_processors()
            for process in (*bus.processes, self._source):
                pin(process.pid, measured if process.pid == self.pid else others)
            self.run(2 * self.chips)  # the first times are different
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start_source(self, bus: Bus) -> subprocess.Popen[str]:
        program = build_directory() / PROGRAMS / "relay-source"
        argv = [program, f"--chips={self.chips}"]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, env=bus.env, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def _start_relay(self, bus: Bus) -> int:
        if self.relay == "core2d":
            return self._start_core2d(bus)
        if self.relay in PYTHON:
            # It asks bluetoothctl for its version.
            environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
            script = str(HERE / "relay-bleak.py")
            argv = ["/usr/bin/python3", script, str(self.chips), self.kind, *PYTHON[self.relay]]
        else:
            environment = {}
            program, *options = BARE[self.relay]
            argv = [str(build_directory() / PROGRAMS / program), f"--chips={self.chips}"]
            argv += [f"--input={self.kind}", *options]
        process = bus.start(argv, environment)
        bus.wait_name("org.example.Core2")
        return process.pid

    def _start_core2d(self, bus: Bus) -> int:
        state = bus.directory / "state"
        state.mkdir(mode=0o700)
        configuration = bus.directory / "core2d.conf"
        configuration.write_text(CONFIGURATION)
        program = Callgrind if self.callgrind else Core2d
        daemon = program(bus, state, "--config", str(configuration))
        addresses = [chip_address(index) for index in range(self.chips)]
        for first in range(0, self.chips, ADD_AT_ONCE):
            calls = [
                daemon.manager.call_async("AddChip", address, {})
                for address in addresses[first : first + ADD_AT_ONCE]
            ]
            for call in calls:
                call.wait(PATIENCE)
        # Orientation comes last.
        self._ask("wait orientation", "ready")
        self.daemon = daemon
        return daemon.pid

    def _ask(self, command: str, answer: str) -> dict[str, str]:
        """The NAME=VALUE words of the answer."""
        assert self._source.stdin is not None and self._source.stdout is not None
        self._source.stdin.write(command + "\n")
        ready, _, _ = select.select([self._source.stdout], [], [], PATIENCE)
        line = self._source.stdout.readline() if ready else "nothing"
        first, *words = line.split() or ["its end"]
        if first != answer:
            raise AssertionError(f"{self.relay}: relay-source answered {command} with {line}")
        return dict(word.split("=") for word in words)

    def run(self, count: int, window: int = 32, rate: int = 0) -> Burst:
        """Relay count notifications, rate a second or, with 0, as fast as they are answered."""
        gap = GAP_US if self.relay == "core2d" and self.kind == "steps" else 0
        before = usage(self.pid) if self.pid else Usage(0, 0, 0)
        numbers = self._ask(f"run {self.kind} {count} {window} {rate} {gap}", "done")
        used = usage(self.pid) - before
        answered = int(numbers["answered"])
        return Burst(
            used,
            float(numbers["seconds"]),
            count,
            int(numbers["merged"]),
            answered + int(numbers["others"]),
            float(numbers["p50_us"]),
            float(numbers["p99_us"]),
        )

    def stop_core2d(self) -> float:
        """End it with SIGTERM: how many seconds that took."""
        begin = time.monotonic()
        status = self.daemon.process.stop()
        seconds = time.monotonic() - begin
        assert status == 0, self.daemon.stderr
        return seconds

    def stop_callgrind(self) -> Path:
        """End core2d; what callgrind counted."""
        assert isinstance(self.daemon, Callgrind)
        self.daemon.stop()
        return self.daemon.output

    def system_calls(self, count: int) -> tuple[Burst, float, dict[str, float]]:
        """Relay count notifications, one after the other, under strace: system calls a message out, and which.

        One after the other, because strace slows the relay down: with several under way it would find
        more of them at each wake-up than it does else."""
        argv = ["strace", "-c", "-f", "-U", "calls,name", "-p", str(self.pid)]
        strace = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"]}
        )  # fmt: skip
        assert strace.stderr is not None
        first = strace.stderr.readline()
        assert "attached" in first, first
        burst = self.run(count, window=1)
        strace.send_signal(signal.SIGINT)
        _, text = strace.communicate(timeout=PATIENCE)
        counts: dict[str, float] = {}
        for line in text.splitlines():
            words = line.split()
            if len(words) == 2 and words[0].isdigit() and words[1] != "total":
                counts[words[1]] = int(words[0]) / burst.messages
        return burst, sum(counts.values()), counts
