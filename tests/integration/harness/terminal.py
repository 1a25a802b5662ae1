# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a terminal of the test's own: what it shows, keys, sizes, and how it leaves the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .loop import TIMEOUT, wait_for

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs a command as the leader of a session on a pseudo-terminal."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        self.argv = [str(arg) for arg in argv]
        self._output = b""
        self._master, self._slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._set_size(columns, rows)
        self.mode_before = termios.tcgetattr(self._slave)
        self._popen = subprocess.Popen(
            ["setsid", "--ctty", *self.argv],
            env={**env, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
        )

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns: int, rows: int) -> None:
        """As a window manager would; the program gets SIGWINCH."""
        self._set_size(columns, rows)

    @property
    def output(self) -> str:
        """All that was written so far, escape sequences too."""
        while True:
            try:
                data = os.read(self._master, 65536)
            except BlockingIOError:
                break
            if not data:
                break
            self._output += data
        return self._output.decode(errors="replace")

    @property
    def text(self) -> str:
        """All that was written so far, as plain text; what was overwritten is still in it."""
        return _ESCAPE.sub("", self.output).replace("\r\n", "\n")

    def frames(self) -> list[list[str]]:
        """What a full-screen program drew, frame by frame as lines.

        Each begins at the home position, and is complete when what is below it has been erased.
        """
        drawn = [frame.partition("\x1b[J") for frame in self.output.split("\x1b[H")[1:]]
        return [
            _ESCAPE.sub("", frame).replace("\r", "").split("\n") for frame, end, _ in drawn if end
        ]

    def wait_frame(self, fits: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the last frame fits, and return it."""

        def last() -> list[str]:
            return next((frame for frame in self.frames()[-1:] if fits(frame)), [])

        try:
            return wait_for(last, what="a frame on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe terminal shows:\n{self.text[-4000:]}") from error

    def send(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_text(self, wanted: str, after: int = 0) -> None:
        """Wait until text has been written, behind the first `after` characters of self.text."""
        try:
            wait_for(lambda: wanted in self.text[after:], what=f"{wanted!r} on the terminal")
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe terminal shows:\n{self.text[-4000:]}") from error

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Exit status once the program has ended; 128 and the signal after an end by signal."""

        def ended() -> bool:
            # Read on: a program blocks at a terminal that nobody reads.
            return bool(self.output) and self._popen.poll() is not None

        wait_for(ended, timeout, f"the end of {self.argv[0]}; it shows:\n{self.text[-2000:]}")
        code = self._popen.returncode
        return code if code >= 0 else 128 - code

    @property
    def mode(self) -> list[object]:
        """The terminal's mode now, to be compared with mode_before."""
        return termios.tcgetattr(self._slave)

    def close(self) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        os.close(self._master)
        os.close(self._slave)
