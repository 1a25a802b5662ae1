# SPDX-License-Identifier: LGPL-2.1-or-later
"""The harness itself: a harness that cannot fail proves nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from conftest import both_buses
from gi.repository import GLib
from harness import Bus, BusError, Process, ProcessDied, Result, raises_bus_error, wait_for


@both_buses
def test_bus_carries_names_and_signals(bus: Bus) -> None:
    other = bus.connect()
    log = bus.signals(None, "/org/example/Test", "org.example.Test", "Happened")
    other.emit_signal(
        None, "/org/example/Test", "org.example.Test", "Happened", GLib.Variant("(u)", (7,))
    )
    assert log.wait()[0].args == (7,)
    assert log.wait()[0].sender == other.get_unique_name()

    args = GLib.Variant("(su)", ("org.example.Test", 0))
    name = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    assert bus.call(*name, "RequestName", args) == 1
    assert bus.wait_name("org.example.Test") == bus.connection.get_unique_name()
    other.close(None, None)


def test_error_of_a_call_has_its_name(bus: Bus) -> None:
    with raises_bus_error("org.freedesktop.DBus.Error.ServiceUnknown"):
        bus.call("org.example.Nobody", "/", "org.freedesktop.DBus.Peer", "Ping")
    with pytest.raises(AssertionError), raises_bus_error("org.example.Error.Other"):
        bus.call("org.example.Nobody", "/", "org.freedesktop.DBus.Peer", "Ping")
    with pytest.raises(BusError):
        bus.call("org.example.Nobody", "/", "org.freedesktop.DBus.Peer", "Ping")


def test_waiting_ends(bus: Bus) -> None:
    with pytest.raises(AssertionError, match="in vain for: a miracle"):
        wait_for(lambda: False, timeout=0.1, what="a miracle")


def test_death_of_a_program_ends_the_waiting(bus: Bus) -> None:
    process = bus.start(["sh", "-c", "echo last words >&2; exit 3"])
    with pytest.raises(ProcessDied, match="(?s)status 3.*last words"):
        wait_for(lambda: False, what="a program that has died")
    assert process.wait() == 3
    bus.processes.remove(process)


def test_signals_and_statuses_of_programs(bus: Bus) -> None:
    patient = bus.start(["sleep", "1000"])
    assert patient.status is None
    assert patient.stop(signal.SIGTERM) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "text",
    [
        "==1==ERROR: AddressSanitizer: heap-use-after-free",
        "==1==ERROR: LeakSanitizer: detected memory leaks",
        "main.c:1:2: runtime error: signed integer overflow",
        "(core2d:1): GLib-CRITICAL **: 01:02:03.456: g_free",
        "(core2ctl:1): GLib-GObject-WARNING **: 01:02:03.456: invalid",
        "** (process:1): WARNING **: 01:02:03.456: oh",
    ],
)
def test_complaints_are_found(bus: Bus, text: str) -> None:
    process: Process = bus.start(["sh", "-c", f"echo '{text}' >&2"])
    process.wait()
    assert text in process.complaints()
    bus.processes.remove(process)


def test_commands_run_on_the_bus(run_command: Callable[..., Result]) -> None:
    result = run_command("busctl", "call", *_DBUS, "ListNames", env={})
    assert result.status == 0 and "org.freedesktop.DBus" in result.stdout, result
    assert run_command("sh", "-c", "cat; exit 5", stdin="text") == Result(5, "text", "")


def test_no_day_begins_during_a_test(run_command: Callable[..., Result]) -> None:
    """A chip's counter starts again at midnight, and a test that meets it would see what it did not ask for."""
    assert 12 <= int(run_command("date", "+%H").stdout) <= 13


_DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
