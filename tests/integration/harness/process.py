# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs under test: started, watched, stopped, and their output judged."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gi.repository import Gio, GLib

from .loop import TIMEOUT, running, wait_for

#: What no program under test may print: sanitizer reports and GLib's critical messages and warnings.
FORBIDDEN = re.compile(
    r"runtime error:|ERROR: \w+Sanitizer|SUMMARY: \w+Sanitizer|[ -](CRITICAL|WARNING|ERROR) \*\*:"
)

#: Labels of programs that get little of the processor, so that a test that takes their work for done before it is fails.
slow: set[str] = set()

#: The niceness they get. One that other load leaves nothing to would only reach the timeouts.
SLOW_NICE = 12


class ProcessDied(AssertionError):
    """A program under test ended although nobody stopped it."""


@dataclass(frozen=True)
class Result:
    """How a command that ran to its end went."""

    status: int
    stdout: str
    stderr: str


class Process:
    """A program that runs during a test; its output goes to log files in directory."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        directory: Path,
        label: str = "",
        inherit: Sequence[int] = (),
    ) -> None:
        """inherit: descriptors that the program gets, under their own numbers."""
        self.argv = [str(arg) for arg in argv]
        self.label = label or Path(self.argv[0]).name
        number = len(list(directory.glob(f"{self.label}.*.stderr")))
        self.stdout_path = directory / f"{self.label}.{number}.stdout"
        self.stderr_path = directory / f"{self.label}.{number}.stderr"
        self._status: int | None = None
        self._end_expected = False

        with open(self.stdout_path, "wb") as stdout, open(self.stderr_path, "wb") as stderr:
            self._popen = subprocess.Popen(
                self.argv,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=inherit,
            )
        self.pid = self._popen.pid
        if self.label in slow:
            os.setpriority(os.PRIO_PROCESS, self.pid, SLOW_NICE)
        GLib.child_watch_add(GLib.PRIORITY_DEFAULT, self.pid, self._on_exit)
        running.append(self)

    def _on_exit(self, _pid: int, wait_status: int) -> None:
        # As a shell counts: an end by signal is 128 and the signal.
        code = os.waitstatus_to_exitcode(wait_status)
        self._status = code if code >= 0 else 128 - code
        self._popen.returncode = code  # the main context has reaped it, Popen must not

    @property
    def status(self) -> int | None:
        """Exit status, 128 + signal after an end by signal, None while it runs."""
        return self._status

    @property
    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace") if self.stdout_path.exists() else ""

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def check_alive(self) -> None:
        if self._status is not None and not self._end_expected:
            self._end_expected = True  # said once; what follows is a consequence
            raise ProcessDied(f"{self.label} ended with status {self._status}:\n{self.stderr}")

    def expect_end(self) -> None:
        """From now on the program may end by itself, for instance because its bus goes."""
        self._end_expected = True

    def send_signal(self, number: signal.Signals) -> None:
        if self._status is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait until the program has ended, and return its status."""
        self.expect_end()
        wait_for(lambda: self._status is not None, timeout, f"the end of {self.label}", True)
        if self in running:
            running.remove(self)
        assert self._status is not None
        return self._status

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the program in the ordinary way, and return its status."""
        if self._status is None or self._end_expected:
            self.expect_end()
            self.send_signal(number)
        else:
            self.check_alive()
        return self.wait()

    def kill(self) -> None:
        """End the program with SIGKILL and wait until it is gone."""
        self.stop(signal.SIGKILL)

    def complaints(self) -> str:
        """What it printed and must not have printed, or the empty string."""
        return self.stderr if FORBIDDEN.search(self.stderr) else ""


def run_command(
    argv: Sequence[str | Path],
    env: Mapping[str, str],
    stdin: str | None = None,
    timeout: float = TIMEOUT,
    cwd: Path | None = None,
) -> Result:
    """Run a command to its end while the main context goes on."""
    flags = Gio.SubprocessFlags.STDOUT_PIPE | Gio.SubprocessFlags.STDERR_PIPE
    if stdin is not None:
        flags |= Gio.SubprocessFlags.STDIN_PIPE
    launcher = Gio.SubprocessLauncher.new(flags)
    launcher.set_environ([f"{key}={value}" for key, value in env.items()])
    if cwd is not None:
        launcher.set_cwd(str(cwd))
    process = launcher.spawnv([str(arg) for arg in argv])
    done: list[Result] = []

    def on_done(process: Gio.Subprocess, result: Gio.AsyncResult) -> None:
        _, out, err = process.communicate_finish(result)
        status = (
            process.get_exit_status() if process.get_if_exited() else 128 + process.get_term_sig()
        )
        texts = [(data.get_data() or b"").decode(errors="replace") for data in (out, err)]
        done.append(Result(status, *texts))

    data = None if stdin is None else GLib.Bytes.new(stdin.encode())
    process.communicate_async(data, None, on_done)
    try:
        wait_for(lambda: bool(done), timeout, "the end of: " + shlex.join(map(str, argv)))
    except AssertionError:
        process.force_exit()
        raise
    result = done[0]
    assert not FORBIDDEN.search(result.stderr), result.stderr
    return result
