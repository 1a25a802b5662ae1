# SPDX-License-Identifier: LGPL-2.1-or-later
"""The history's file: kills, full disks, damage."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing

from gi.repository import GLib
from harness import Bus, Core2d, raises_bus_error
from history_client import INTERFACE, days_of, query
from history_stage import daemon, walk  # noqa: F401

STORAGE = "org.example.Core2.Error.Storage"
ALL = (0, 2**63, 60)


def recorded(daemon: Core2d) -> tuple[int, int]:
    """What days and samples add up to."""
    history = daemon.chip(0, INTERFACE)
    samples = history.call("GetSamples", *ALL)
    return sum(days_of(history).values()), sum(steps for _time, steps in samples)


def test_kills_leave_days_and_samples_that_agree(daemon: Core2d) -> None:
    for total in range(9, 40, 9):
        walk(daemon, 9)
        daemon.kill()
        daemon.start()
        assert daemon.chip(0).get("StepsTotal") == total
        assert recorded(daemon) == (total, total)
        daemon.chip(0).wait_property("State", "ready")
    daemon.stop()
    [(integrity,)] = query(daemon.state_directory, "PRAGMA integrity_check")
    assert integrity == "ok"
    assert query(daemon.state_directory, "SELECT sum(steps) FROM samples") == [(36,)]
    assert query(daemon.state_directory, "SELECT total FROM chips") == [(36,)]


def test_full_disk_is_told_and_loses_nothing(daemon: Core2d) -> None:
    walk(daemon, 5)
    assert recorded(daemon) == (5, 5)
    assert daemon.manager.get("StorageError") == ""
    # No file may grow: what a full disk does to a write.
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    walk(daemon, 6)
    assert recorded(daemon) == (11, 11)
    assert "history.db" in daemon.manager.wait_property("StorageError", lambda text: text != "")
    walk(daemon, 7)
    assert recorded(daemon) == (18, 18)
    with raises_bus_error(STORAGE):
        daemon.chip(0, INTERFACE).call("Clear", 2**63)
    assert daemon.stderr.count("samples wait in memory") == 1

    infinity = resource.RLIM_INFINITY
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (infinity, infinity))
    assert recorded(daemon) == (18, 18)
    daemon.manager.wait_property("StorageError", "")
    daemon.stop()
    assert query(daemon.state_directory, "SELECT sum(steps) FROM samples") == [(18,)]


def test_damaged_file_is_set_aside(daemon: Core2d) -> None:
    walk(daemon, 5)
    daemon.stop()
    file = daemon.state_directory / "history.db"
    damaged = b"x" * 1000 + file.read_bytes()[1000:]
    file.write_bytes(damaged)
    daemon.start()
    assert (daemon.state_directory / "history.db.bad").read_bytes() == damaged
    assert "was renamed to" in daemon.stderr
    # What the chip's own file knows is in the new one.
    assert recorded(daemon) == (5, 5)
    chip = daemon.chip(0)
    chip.wait_property("State", "ready")
    walk(daemon, 4)
    assert recorded(daemon) == (9, 9)
    assert daemon.manager.get("StorageError") == ""


def test_newer_file_is_left_alone(daemon: Core2d, bus: Bus) -> None:
    walk(daemon, 5)
    daemon.stop()
    file = daemon.state_directory / "history.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    daemon.start()
    chip = daemon.chip(0)
    chip.wait_property("State", "ready")
    assert "newer core2d" in daemon.manager.get("StorageError")
    walk(daemon, 4)
    assert chip.get("StepsTotal") == 9
    with raises_bus_error(STORAGE):
        daemon.chip(0, INTERFACE).call("GetDays", "", "")
    # What cannot be deleted is not said to be.
    deletion = {"delete-history": GLib.Variant("b", True)}
    with raises_bus_error(STORAGE):
        daemon.manager.call("RemoveChip", chip.path, deletion)
    assert chip.path in daemon.objects()
    daemon.manager.call("RemoveChip", chip.path, {})
    daemon.stop()
    assert file.read_bytes() == before
