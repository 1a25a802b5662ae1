# SPDX-License-Identifier: LGPL-2.1-or-later
"""bluetoothd dies, restarts, is replaced, and answers too late."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import both_buses
from gi.repository import GLib
from harness import HCI0, Pending, Stage, VirtualBluez, device_path, wait_for
from harness.states import STATES, finish, leave

Stages = Callable[..., Stage]
GONE = "the Bluetooth service does not run"
LIST = "ObjectManager.GetManagedObjects"


@pytest.mark.parametrize(
    ("bus_kind", "when"), [("dbus-daemon", "later"), ("dbus-broker", "at-once")]
)
def test_f02_bluetoothd_killed(stage: Stages, tmp_path: Path, when: str) -> None:
    """All chips say so, come back with the new bluetoothd, and what was walked meanwhile counts."""
    storage = tmp_path / "bluetooth"
    storage.mkdir()
    all_of = stage(100, bluez=(f"--storage={storage}",))
    all_of.ledger.walk()
    all_of.bluez.kill()
    if when == "later":
        all_of.ledger.wait_text(GONE)
        all_of.ledger.wait_states("waiting")
        all_of.ledger.walk()
    all_of.bluez.start()
    print(f"Ping {all_of.ledger.ping()} us")
    all_of.ledger.settle()
    for account in all_of.ledger.accounts.values():
        if when == "later":
            assert ("waiting", GONE) in account.history
        else:
            # Two changes that core2d learns of together are published as one.
            assert {"waiting", "connecting", "resolving"} & {state for state, _ in account.history}


def test_f03_bluetoothd_restarts_again_and_again(stage: Stages, tmp_path: Path) -> None:
    """20 times, each as soon as core2d has begun with the last one."""
    storage = tmp_path / "bluetooth"
    storage.mkdir()
    all_of = stage(20, bluez=(f"--storage={storage}",))
    core2d = all_of.bus.owner(all_of.daemon.name)

    def lists() -> int:
        """How often core2d asked this bluetoothd for everything."""
        log = all_of.bluez.control.call("CallLog")
        return sum((sender, method) == (core2d, LIST) for _time, sender, _path, method in log)

    for _ in range(20):
        all_of.bluez.kill()
        all_of.bluez.start()
        wait_for(lists, what="core2d to begin with this bluetoothd")
    all_of.ledger.settle()
    assert lists() == 1
    assert all_of.bus.owner(all_of.daemon.name) == core2d


def replacement(all_of: Stage) -> VirtualBluez:
    """A second bluetoothd takes the name over from the first, which then ends."""
    all_of.bluez.process.expect_end()
    return VirtualBluez(all_of.bus, f"--peripherals={max(all_of.count, 2)}", "--name-replace")


@both_buses
def test_f04_bluetoothd_replaced_without_a_gap(stage: Stages) -> None:
    all_of = stage(3)
    first = all_of.bus.owner("org.bluez")
    old = all_of.bluez
    all_of.bluez = replacement(all_of)
    assert old.process.wait() == 0
    second = all_of.bus.owner("org.bluez")
    assert second not in (None, first)
    all_of.ledger.settle()
    # The first owner is gone: a call to its name would have failed, and said so.
    assert str(first) not in all_of.daemon.stderr
    assert all_of.count_calls("Device1.Connect") >= 3


def test_f15_late_replies_of_a_dead_bluetoothd(stage: Stages) -> None:
    """Another has taken its place when it answers, and says things about paths that are in use again."""
    one = stage()
    text = "too late to be true"
    before, known = one.count_calls("Device1.Connect"), one.ledger.mark()
    one.fault("Device1.Connect", delay_ms=600_000, error="Failed", message=text)
    one.drop_links()
    one.ledger.wait_states("connecting", since=known)
    one.wait_call("Device1.Connect", before)
    old, owner = one.bluez, one.bus.owner("org.bluez")
    old.process.expect_end()
    old.process.send_signal(signal.SIGSTOP)

    def say(method: str, *args: GLib.Variant) -> Pending:
        values = GLib.Variant.new_tuple(*args)
        control = one.bluez.control
        return one.bus.call_async(owner, control.path, control.interface, method, values)

    said = [
        say("ClearFaults"),
        say(
            "EmitInterfacesRemoved",
            GLib.Variant("o", device_path()),
            GLib.Variant("as", ["org.bluez.Device1"]),
        ),
        say(
            "EmitProperties",
            GLib.Variant("o", HCI0),
            GLib.Variant("s", "org.bluez.Adapter1"),
            GLib.Variant("a{sv}", {"Powered": GLib.Variant("b", False)}),
            GLib.Variant("as", []),
        ),
    ]
    one.bluez = VirtualBluez(one.bus, "--peripherals=2", "--name-replace")
    one.ledger.walk()
    one.ledger.wait_states("ready")
    links = one.links
    old.process.send_signal(signal.SIGCONT)
    for call in said:
        call.wait()
    assert old.process.wait() == 0
    one.ledger.settle()
    assert text not in str(one.ledger[0].history)
    assert one.links == links == [device_path()]
    assert one.ledger[0].history[-1] == ("ready", "connected")


@pytest.mark.parametrize("state", ["connecting", "subscribing", "first-read", "reading", "writing"])
def test_f15_object_removed_during_a_call(stage: Stages, state: str) -> None:
    """The device goes while a call to it is under way; the answer comes when another has its path."""
    one = stage(config="[Link]\nRequestTimeoutSec=60\n")
    calls = STATES[state](one)
    known = one.ledger.mark()
    one.adapter.call("RemoveDevice", device_path())
    # Until it is found again, if it can be.
    one.ledger.wait_text("not seen", since=known)
    assert finish(calls) in ([], ["org.example.Core2.Error.NotConnected"])
    leave(one)
    one.ledger.settle()


@pytest.mark.parametrize("state", STATES)
def test_bluetoothd_killed_in_state(stage: Stages, state: str) -> None:
    """SIGKILL and restart of bluetoothd in each state of a connection; whoever waits gets an answer."""
    one = stage()
    calls = STATES[state](one)
    one.bluez.kill()
    one.ledger.wait_text("does not run" if state != "disconnecting" else "disconnected")
    one.ledger.walk()
    ends = finish([call for call in calls if state != "scanning"])
    one.bluez.start()
    assert one.adapter.get("Powered")
    leave(one)
    if state == "disconnecting":
        assert ends == [""]
        one.chip.call("Connect", {})
    if state == "scanning":
        assert finish(calls) == ["org.example.Core2.Error.BluezUnavailable"]
    one.ledger.settle()
    wait_for(lambda: one.links == [device_path()], what="one link")
