# SPDX-License-Identifier: LGPL-2.1-or-later
"""Export over D-Bus, and the history's file as other programs see it."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib
from harness import CORE2, Bus, BusError, Remote, chip_path, wait_for

INTERFACE = "org.example.Core2.History"


class Export:
    """A call of Export under way."""

    def __init__(
        self,
        bus: Bus,
        fd: int,
        kind: str = "jsonl",
        connection: Gio.DBusConnection | None = None,
        path: str = chip_path(0),
        **options: GLib.Variant,
    ) -> None:
        self._done: list[Gio.AsyncResult] = []
        self._connection = connection or bus.connection
        fds = Gio.UnixFDList.new()
        args = GLib.Variant("(hsa{sv})", (fds.append(fd), kind, options))
        self._connection.call_with_unix_fd_list(
            CORE2,
            path,
            INTERFACE,
            "Export",
            args,
            None,
            Gio.DBusCallFlags.NONE,
            2**31 - 1,
            fds,
            None,
            lambda _source, result: self._done.append(result),
        )

    @property
    def ended(self) -> bool:
        return bool(self._done)

    def wait(self) -> int:
        """The number of rows. Raises BusError."""
        wait_for(lambda: self.ended, what="the answer to Export")
        try:
            reply, _fds = self._connection.call_with_unix_fd_list_finish(self._done[0])
        except GLib.Error as error:
            raise BusError(error) from None
        return reply.unpack()[0]


def export_text(bus: Bus, kind: str = "jsonl", **options: Any) -> tuple[int, str]:
    """Export through a pipe: the number of rows, and all that was written."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    export = Export(bus, writer, kind, **options)
    os.close(writer)
    text = b""
    with open(reader, "rb", buffering=0) as pipe:

        def at_end() -> bool:
            nonlocal text
            while (data := pipe.read(65536)) is not None:
                text += data
                if not data:
                    return True
            return False

        wait_for(at_end, what="the end of the export")
    return export.wait(), text.decode()


def export_rows(bus: Bus, **options: Any) -> list[dict[str, Any]]:
    """The samples of an export as JSON lines."""
    rows, text = export_text(bus, "jsonl", **options)
    samples = [json.loads(line) for line in text.splitlines()]
    assert len(samples) == rows
    return samples


def days_of(history: Remote) -> dict[str, int]:
    return {day: steps for day, steps, _details in history.call("GetDays", "", "")}


def query(state: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask the history's file; core2d may be running."""
    with closing(sqlite3.connect(state / "history.db", timeout=30)) as database, database:
        return database.execute(sql, values).fetchall()


def fill(state: Path, rows: list[tuple[int, int, int, int]], chip: int = 1) -> None:
    """Add samples (time, kind, seconds, steps) to a history that core2d made; it must not run."""
    with closing(sqlite3.connect(state / "history.db", timeout=30)) as database, database:
        database.executemany(
            f"INSERT INTO samples (chip, time, kind, seconds, steps) VALUES ({chip}, ?, ?, ?, ?)",
            rows,
        )
