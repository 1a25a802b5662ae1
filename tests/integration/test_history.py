# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.example.Core2.History: days, samples, export, clearing, goals."""

from __future__ import annotations

import csv
import io
import os
import select
import socket
import time
from pathlib import Path

import pytest
from gi.repository import GLib
from harness import Bus, Core2d, Remote, chip_address, raises_bus_error, wait_for
from history_client import INTERFACE, Export, days_of, export_rows, export_text, fill
from history_stage import daemon, walk  # noqa: F401

INVALID = "org.example.Core2.Error.InvalidArguments"


def now_us() -> int:
    return time.time_ns() // 1000


def history_of(daemon: Core2d) -> Remote:
    return daemon.chip(0, INTERFACE)


def test_days_samples_and_exports_agree_with_the_total(daemon: Core2d, bus: Bus) -> None:
    history = history_of(daemon)
    assert history.call("GetDays", "", "") == []
    assert export_text(bus, "csv") == (0, "chip,time,seconds,steps,kind\n")
    begin = now_us()
    walk(daemon, 40)
    walk(daemon, 2)

    [(day, steps, details)] = history.call("GetDays", "", "")[-1:]
    assert sum(days_of(history).values()) == 42 and steps in (2, 42)
    assert details == {"estimated": False, "resets": 0, "suspect": 0, "goal": 0}
    assert history.call("GetDays", day, day) == history.call("GetDays", "", "")[-1:]
    assert history.call("GetDays", "1999-01-01", "1999-12-31") == []

    begin -= begin % 3_600_000_000
    for resolution in (0, 60, 3600, 86400):
        samples = history.call("GetSamples", begin, begin + 7_200_000_000, resolution)
        width = max(resolution, 60) * 1_000_000
        assert sum(count for _time, count in samples) == 42
        assert all((at - begin) % width == 0 for at, _count in samples)
    assert history.call("GetSamples", 0, begin, 60) == []

    # The minute that runs is left out until it has ended.
    rows = export_rows(bus)
    assert sum(row["steps"] for row in rows) in (0, 2, 40, 42)
    assert all(row["chip"] == chip_address(0) for row in rows)


def test_bad_arguments_have_names(daemon: Core2d) -> None:
    history = history_of(daemon)
    for first, last in (("yesterday", ""), ("", "2026-02-30"), ("2026-02-02", "2026-02-01")):
        with raises_bus_error(INVALID):
            history.call("GetDays", first, last)
    for begin, end, resolution in ((2, 1, 60), (0, 1, 59), (0, 1, 2678401)):
        with raises_bus_error(INVALID):
            history.call("GetSamples", begin, end, resolution)


#: Samples of two years ago on, one a minute with the minute's number as steps, and an estimate.
OLD = 1_700_000_040
MINUTES = 20_000


def with_old_samples(daemon: Core2d, minutes: int = MINUTES) -> None:
    """Restart core2d with samples of long ago, which a long retention keeps."""
    daemon.stop()
    rows = [(OLD + 60 * i, 0, 60, i % 100 + 1) for i in range(minutes)]
    fill(daemon.state_directory, [*rows, (OLD - 7200, 1, 3600, 36)])
    config = daemon.state_directory.parent / "core2d.conf"
    config.write_text("[History]\nRetentionDays=36500\n")
    daemon.argv.append(f"--config={config}")
    daemon.start()


def test_exports_through_pipe_socket_and_file_are_the_same(
    daemon: Core2d, bus: Bus, tmp_path: Path
) -> None:
    with_old_samples(daemon)
    rows, piped = export_text(bus, "csv")
    assert rows == MINUTES + 1
    records = list(csv.DictReader(io.StringIO(piped)))
    assert records[0] == {
        "chip": chip_address(0),
        "time": "2023-11-14T20:14:00Z",
        "seconds": "3600",
        "steps": "36",
        "kind": "estimated",
    }
    assert [int(record["steps"]) for record in records[1:]] == [
        i % 100 + 1 for i in range(MINUTES)
    ]
    json_rows = export_rows(bus)
    assert [{key: str(value) for key, value in row.items()} for row in json_rows] == records

    with open(tmp_path / "export.csv", "wb") as file:
        assert Export(bus, file.fileno(), "csv").wait() == rows
    assert (tmp_path / "export.csv").read_text() == piped

    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        export = Export(bus, theirs.fileno(), "csv")
        theirs.close()
        received = b""

        def at_end() -> bool:
            nonlocal received
            while select.select([ours], [], [], 0)[0]:
                data = ours.recv(65536)
                received += data
                if not data:
                    return True
            return False

        wait_for(at_end, what="the end of the export")
    assert export.wait() == rows and received.decode() == piped


def test_exports_continue_where_the_last_one_ended(daemon: Core2d, bus: Bus) -> None:
    with_old_samples(daemon, 1000)
    whole = export_rows(bus)
    middle = GLib.Variant("t", (OLD + 30 + 60 * 499) * 1_000_000)
    first = export_rows(bus, until=middle)
    second = export_rows(bus, since=middle)
    assert len(first) == 500 and first + second == whole
    # The estimate ends before its neighbours begin, and GetSamples spreads it evenly.
    begin = (OLD - 7200) * 1_000_000
    history = history_of(daemon)
    spread = history.call("GetSamples", begin, begin + 3_600_000_000, 900)
    assert spread == [(begin + i * 900_000_000, 9) for i in range(4)]
    half = history.call("GetSamples", begin + 1_800_000_000, begin + 3_600_000_000, 3600)
    assert half == [(begin + 1_800_000_000, 18)]
    with raises_bus_error(INVALID):
        export_text(bus, "xml")
    with raises_bus_error(INVALID):
        export_text(bus, "csv", since=GLib.Variant("u", 1))


def test_descriptors_that_cannot_be_used_are_refused(
    daemon: Core2d, bus: Bus, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("untouched")
    reader, writer = os.pipe()
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    epoll = select.epoll()
    refused = {
        "read-only file": os.open(tmp_path / "file", os.O_RDONLY),
        "path": os.open(tmp_path / "file", os.O_PATH),
        "folder": os.open(tmp_path, os.O_RDONLY),
        "reading end": reader,
        "epoll": epoll.fileno(),
        "device": os.open("/dev/null", os.O_WRONLY),
        "datagram socket": datagrams[0].fileno(),
        "eventfd": os.eventfd(0),
        "terminal": os.openpty()[1],
    }
    for what, fd in refused.items():
        with raises_bus_error(INVALID) as caught:
            Export(bus, fd, "csv").wait()
        assert "descriptor" in caught[0].message, what
    os.close(writer)
    assert (tmp_path / "file").read_text() == "untouched"
    # A pipe whose reader has gone is found out while writing.
    with_old_samples(daemon)
    reader, writer = os.pipe()
    os.close(reader)
    with raises_bus_error("org.example.Core2.Error.Failed"):
        Export(bus, writer, "csv").wait()
    os.close(writer)


def wait_end_of_pipe(reader: int) -> None:
    """Wait until nobody can write to it any more, and close it."""
    os.set_blocking(reader, False)

    def at_end() -> bool:
        try:
            while os.read(reader, 65536):
                pass
        except BlockingIOError:
            return False
        return True

    wait_for(at_end, what="the end of an export that was given up")
    os.close(reader)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_that_nobody_reads_blocks_nobody(
    daemon: Core2d, bus: Bus, blocking: bool
) -> None:
    """Also when its owner takes care that writing would block."""
    with_old_samples(daemon)
    pipes = [os.pipe() for _ in range(5)]
    connection = bus.connect()
    exports = []
    for _reader, writer in pipes:
        os.set_blocking(writer, blocking)
        exports.append(Export(bus, writer, "csv", connection))
    # One client may have four at once.
    wait_for(lambda: any(export.ended for export in exports), what="a refusal")
    refused = next(export for export in exports if export.ended)
    with raises_bus_error("org.example.Core2.Error.RateLimited"):
        refused.wait()

    # The pipes fill up, and core2d serves on, and others export.
    exports.remove(refused)
    for reader, _writer in pipes[:4]:
        wait_for(lambda fd=reader: select.select([fd], [], [], 0)[0], what="the first rows")
    walk(daemon, 5)
    assert export_text(bus, "csv")[0] >= MINUTES + 1
    assert not any(export.ended for export in exports)

    # The caller leaves: its exports are given up, and their pipes closed.
    connection.close(None, None)
    for reader, writer in pipes:
        os.close(writer)
        wait_end_of_pipe(reader)


def test_readings_of_all_clients(daemon: Core2d, bus: Bus) -> None:
    """However many clients there are: sixteen readings at once, and more when one has ended."""
    with_old_samples(daemon)
    clients = [bus.connect() for _ in range(4)]
    pipes = [os.pipe() for _ in range(16)]
    for number, (_reader, writer) in enumerate(pipes):
        Export(bus, writer, "csv", clients[number // 4])
        os.close(writer)
    for reader, _writer in pipes:
        wait_for(lambda fd=reader: select.select([fd], [], [], 0)[0], what="the first rows")
    with raises_bus_error("org.example.Core2.Error.RateLimited"):
        history_of(daemon).call("GetDays", "", "")

    clients[0].close(None, None)
    for reader, _writer in pipes[:4]:
        wait_end_of_pipe(reader)
    history_of(daemon).call("GetDays", "", "")
    for reader, _writer in pipes[4:]:
        os.close(reader)


def test_clearing(daemon: Core2d, bus: Bus) -> None:
    with_old_samples(daemon)
    walk(daemon, 42)
    history = history_of(daemon)
    chip = daemon.chip(0)
    days = days_of(history)
    # An hour of old minutes, and the estimate before them.
    assert history.call("Clear", (OLD + 3600) * 1_000_000) == 61
    assert len(export_rows(bus)) in (MINUTES - 60, MINUTES - 59)
    assert history.call("Clear", 0) == 0
    assert history.call("Clear", 2**64 - 1) >= MINUTES - 60
    assert len(export_rows(bus)) <= 1
    # The sums that are still counted stay.
    assert chip.get("StepsTotal") == 42
    assert days_of(history) == days
    walk(daemon, 1)
    assert sum(days_of(history).values()) == 43


def test_old_samples_go_and_days_stay(daemon: Core2d, bus: Bus) -> None:
    with_old_samples(daemon, 5000)
    walk(daemon, 3)
    daemon.stop()
    config = daemon.state_directory.parent / "core2d.conf"
    config.write_text("[History]\nRetentionDays=400\n")
    daemon.start()
    wait_for(lambda: len(export_rows(bus)) <= 1, what="the end of old samples")
    assert sum(days_of(history_of(daemon)).values()) == 3


def test_goal_is_told_once_a_day(daemon: Core2d) -> None:
    chip = daemon.chip(0)
    reached = history_of(daemon).signals("GoalReached")
    chip.call("SetDailyGoal", 50)
    walk(daemon, 49)
    assert len(reached) == 0
    walk(daemon, 3)
    [signal] = reached.wait()
    day = list(days_of(history_of(daemon)))[-1]
    assert signal.args == (day, 52)
    assert history_of(daemon).call("GetDays", day, day)[0][2]["goal"] == 50
    walk(daemon, 10)
    chip.call("SetDailyGoal", 60)
    walk(daemon, 10)
    daemon.kill()
    daemon.start()
    chip = daemon.chip(0)
    chip.wait_property("State", "ready")
    walk(daemon, 10)
    assert chip.get("StepsTotal") == 82
    assert reached.args == [(day, 52)]


def test_removed_chip_goes_on_unless_its_history_is_deleted(daemon: Core2d, bus: Bus) -> None:
    walk(daemon, 42)
    days = days_of(history_of(daemon))
    path = daemon.chip(0).path
    daemon.manager.call("RemoveChip", path, {})
    chip = daemon.add_counting(0)
    assert chip.get("StepsTotal") == 42 and chip.get("StepsToday") == 42
    assert days_of(history_of(daemon)) == days
    walk(daemon, 8)
    assert sum(days_of(history_of(daemon)).values()) == 50

    daemon.manager.call("RemoveChip", path, {"delete-history": GLib.Variant("b", True)})
    chip = daemon.add_counting(0)
    assert chip.get("StepsTotal") == 0 and chip.get("StepsToday") == 0
    assert history_of(daemon).call("GetDays", "", "") == []
    assert export_rows(bus) == []
    daemon.restart()
    assert daemon.chip(0).get("StepsTotal") == 0
