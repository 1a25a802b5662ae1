# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd, as far as sd_notify(3) knows it."""

from __future__ import annotations

import socket
from pathlib import Path

from gi.repository import GLib

from .loop import wait_for


class ServiceManager:
    """The socket of a service manager, and what was said to it.

    It listens while the test waits for anything: a program whose messages nobody takes stands still.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._source = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self._socket.fileno(), GLib.IOCondition.IN, self._on_input
        )
        self.env = {"NOTIFY_SOCKET": str(path)}
        self._lines: list[str] = []

    def _on_input(self, _fd: int, _condition: GLib.IOCondition) -> bool:
        self._take()
        return GLib.SOURCE_CONTINUE

    def _take(self) -> None:
        try:
            while data := self._socket.recv(65536):
                self._lines += data.decode().splitlines()
        except BlockingIOError:
            pass

    @property
    def lines(self) -> list[str]:
        """All so far, such as READY=1, in order."""
        self._take()
        return self._lines

    @property
    def fed(self) -> int:
        """How often the watchdog was fed."""
        return self.lines.count("WATCHDOG=1")

    def clear(self) -> None:
        self.lines.clear()

    def wait(self, line: str, count: int = 1) -> None:
        try:
            wait_for(lambda: self.lines.count(line) >= count, what=line)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.lines}") from error

    def close(self) -> None:
        GLib.source_remove(self._source)
        self._socket.close()
