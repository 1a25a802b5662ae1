# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d is stopped or killed in each state, its loop stands still, its bus goes, its descriptors run out."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import both_buses
from gi.repository import GLib
from harness import CORE2, TIMEOUT, Bus, BusError, Core2d, ServiceManager, Stage, VirtualBluez
from harness import VirtualClock, device_path, wait_for
from harness.states import STATES, leave

Stages = Callable[..., Stage]

#: Seconds. core2d waits for nobody so long, and nothing on the slowest machine takes it so long.
STOP_LIMIT = TIMEOUT / 2


@pytest.mark.parametrize("state", STATES)
def test_f23_stopped_in_state(stage: Stages, state: str) -> None:
    """Exit 0, the links that core2d made closed, nobody left waiting, and all goes on with the next start."""
    one = stage()
    calls = STATES[state](one)
    one.hands[0].call("Step", 4)
    begin = one.count_calls("Device1.Disconnect")
    linked = bool(one.links)
    one.daemon.process.expect_end()
    signalled = GLib.get_monotonic_time()
    one.daemon.process.send_signal(signal.SIGTERM)
    assert one.daemon.process.wait(STOP_LIMIT) == 0
    print(f"ended {(GLib.get_monotonic_time() - signalled) // 1000} ms after SIGTERM")
    wait_for(lambda: all(call.done for call in calls), what="an end of the calls")
    # While connecting: without this bluetoothd would make the link when the chip wakes up, and nobody would want it.
    if state == "connecting" or (linked and state != "disconnecting"):
        # core2d does not wait for the answer.
        one.wait_call("Device1.Disconnect", begin)
    leave(one)
    wait_for(lambda: one.links == [], what="the end of the link")
    one.start_core2d()
    one.ledger.settle()


def test_f23_stopped_before_bluetoothd_was_told_to_disconnect(stage: Stages) -> None:
    """Disconnect waits for an answer to something else first; the link is closed all the same."""
    one = stage()
    one.fault("Properties.Set", never_answer=True)
    before = one.count_calls("Properties.Set")
    one.chip.call_async("Disconnect")
    one.wait_call("Properties.Set", before)
    assert one.links
    one.daemon.stop()
    wait_for(lambda: one.links == [], what="the end of the link")
    one.clear()


@pytest.mark.parametrize("state", STATES)
def test_f24_killed_in_state(stage: Stages, state: str) -> None:
    """SIGKILL: what was published is there again, and the chip is taken over with its link."""
    one = stage(config="[Link]\nReadyTimeoutSec=5\n")
    one.ledger.walk(20)
    one.chip.wait_property("StepsTotal", one.ledger.truth(0))
    STATES[state](one)
    published = one.chip.get("StepsTotal")
    one.daemon.kill()
    one.ledger.walk()
    leave(one)
    one.start_core2d()
    assert one.ledger[0].begin >= published
    one.ledger.settle()
    assert one.links == [device_path()]


def test_f25_watchdog_starves_while_the_loop_stands_still(
    bus: Bus, stage: Stages, manager: ServiceManager
) -> None:
    """systemd is told READY and then fed, but not by a core2d that does not run; afterwards all goes on."""
    clock = VirtualClock(bus)
    one = stage(env=manager.env | {"WATCHDOG_USEC": "40000000"})
    clock.wait(lambda: manager.fed >= 2, "the watchdog to be fed")
    assert "READY=1" in manager.lines
    manager.wait("STATUS=1 chip: 1 ready, 0 asleep or away; Bluetooth: on")
    one.daemon.process.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{one.daemon.pid}/stat")
    wait_for(lambda: stat.read_text().rsplit(")", 1)[1].split()[0] == "T", what="the stop")
    manager.clear()
    one.ledger.walk()
    one.drop_links_unseen()
    clock.add(40)
    assert manager.fed == 0
    one.daemon.process.send_signal(signal.SIGCONT)
    clock.wait(lambda: manager.fed >= 1, "the watchdog to be fed again")
    one.ledger.settle()
    one.daemon.stop()
    assert "STOPPING=1" in manager.lines


@both_buses
def test_f26_bus_goes(make_bus: Callable[..., Bus], bus_kind: str, tmp_path: Path) -> None:
    """core2d ends with an error, so that systemd starts it again, and keeps what it had."""
    first = make_bus(bus_kind)
    bluez = VirtualBluez(first)
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    daemon = Core2d(first, state)
    daemon.add(0, ready=False)
    for process in first.processes:
        process.expect_end()
    if bus_kind == "dbus-daemon":
        first.daemon.kill()
    else:
        first.processes[0].kill()
    assert daemon.process.wait() == 1
    assert "bus" in daemon.stderr
    bluez.process.wait()
    second = make_bus(bus_kind)
    again = Core2d(second, state)
    assert again.chip(0).get("Remembered") is True


def first_free_descriptor(pid: int) -> int:
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def test_f32_no_descriptors_left(stage: Stages) -> None:
    """Nothing can be opened any more: what was running runs on, what cannot be done has an error."""
    one = stage()
    pid = one.daemon.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # Between two messages it holds nothing open that it will close.
    one.ledger.ping()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free_descriptor(pid), before[1]))
    one.ledger.walk(20)
    one.chip.wait_property("StepsTotal", one.ledger.truth(0))
    with pytest.raises(BusError) as failure:
        one.chip.call("SetAlias", "new")
    assert failure.value.name == "org.example.Core2.Error.Storage"
    assert one.chip.get("Alias") == ""
    one.drop_links()
    one.ledger.settle()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    one.chip.call("SetAlias", "new")
    one.ledger.settle()
    one.daemon.restart()
    assert one.daemon.chip(0).get("Alias") == "new"


def test_f31_killed_for_its_memory(stage: Stages) -> None:
    """Memory runs out in the middle of work, and the kernel kills it. The next one finds everything whole."""
    all_of = stage(20)
    all_of.ledger.walk(20)
    wait_for(
        lambda: all(a.values["StepsTotal"] >= 20 for a in all_of.ledger.accounts.values()),
        what="the walk",
    )
    published = [account.values["StepsTotal"] for account in all_of.ledger.accounts.values()]
    process = all_of.daemon.process
    process.expect_end()
    if "ASAN_OPTIONS" not in os.environ:
        # No page more than it has. Memory that cannot be had may end it, or fail single calls; with a
        # sanitizer in it, it would end with a report.
        resource.prlimit(process.pid, resource.RLIMIT_AS, (1, resource.RLIM_INFINITY))
    calls = []
    for index in range(all_of.count):
        connection = all_of.bus.connect()
        for method, args in (("SetAlias", (f"chip {index} " + "x" * 40,)), ("ReadInfo", ())):
            calls.append(all_of.daemon.chip(index).call_async(method, *args, connection=connection))
    all_of.ledger.walk()
    wait_for(
        lambda: process.status is not None or all(call.done for call in calls),
        what="answers, or the end",
    )
    print(f"status {process.status}")
    if process.status is None:
        all_of.daemon.kill()
    process.wait()
    all_of.bus.wait_name_gone(CORE2)
    all_of.start_core2d()
    for account, total in zip(all_of.ledger.accounts.values(), published, strict=True):
        assert account.begin >= total
    all_of.ledger.settle()
    assert not list(all_of.daemon.state_directory.rglob("*.bad"))
