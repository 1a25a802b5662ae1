# SPDX-License-Identifier: LGPL-2.1-or-later
"""Adapters are pulled out, switched off and blocked; there are two of them; the machine sleeps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import HCI0, Stage, chip_address, chip_path, device_path, wait_for
from harness.states import STATES, finish, leave
from harness.strace import Strace

Stages = Callable[..., Stage]
ABSENT = "there is no Bluetooth adapter"
OFF = "Bluetooth is off"
LOGIN1 = "org.freedesktop.login1"


def unplug(all_of: Stage) -> str:
    """Pull hci0 out; its address."""
    address: str = all_of.adapter.get("Address")
    all_of.bluez.control.call("RemoveAdapter", HCI0)
    return address


def plug_in(all_of: Stage, index: int, address: str) -> None:
    given = {"address": GLib.Variant("s", address)}
    all_of.bluez.control.call("AddAdapter", index, given)


@pytest.mark.parametrize("index", [0, 7], ids=["same-index", "another-index"])
def test_f05_adapter_removed_and_added(stage: Stages, index: int) -> None:
    all_of = stage(50 if index == 0 else 3)
    address = unplug(all_of)
    all_of.ledger.wait_text(ABSENT)
    all_of.ledger.wait_states("waiting")
    assert all_of.daemon.manager.get("AdapterState") == "absent"
    all_of.ledger.walk()
    plug_in(all_of, index, address)
    all_of.ledger.settle()
    assert {account.values["Adapter"] for account in all_of.ledger.accounts.values()} == {address}


@pytest.mark.parametrize("state", STATES)
def test_adapter_unplugged_in_state(stage: Stages, state: str) -> None:
    """Out in each state of a connection, and back as another hciN."""
    one = stage()
    calls = STATES[state](one)
    address = unplug(one)
    one.ledger.wait_text(ABSENT if state != "disconnecting" else "disconnected")
    one.ledger.walk()
    ends = finish(calls)
    plug_in(one, 11, address)
    leave(one)
    if state == "disconnecting":
        assert ends == [""]
        one.chip.call("Connect", {})
    one.ledger.settle()
    wait_for(lambda: one.links == [device_path(0, "/org/bluez/hci11")], what="one link")


@pytest.mark.parametrize("how", ["power", "rfkill"])
def test_f06_adapter_off(stage: Stages, how: str) -> None:
    """No attempt while it is off; all come back when it is on."""
    all_of = stage(50)

    def switch(on: bool) -> None:
        if how == "power":
            all_of.adapter.set("Powered", on)
        else:
            all_of.bluez.control.call("SetBlocked", HCI0, not on)

    switch(False)
    all_of.ledger.wait_text(OFF)
    all_of.ledger.wait_states("waiting")
    all_of.bluez.control.call("ClearCalls")
    all_of.ledger.walk()
    # A person asks for each chip all the same, and is told.
    for index in range(3):
        call = all_of.daemon.chip(index).call_async("Connect", {"timeout": GLib.Variant("u", 1)})
        assert finish([call]) == ["org.example.Core2.Error.AdapterUnavailable"]
    assert all_of.call_times("Device1.Connect") == []
    assert all_of.call_times("Adapter1.StartDiscovery") == []
    switch(True)
    all_of.ledger.settle()


class FakeLogind:
    """Owns logind's name and tells that the machine goes to sleep and wakes up."""

    def __init__(self, all_of: Stage) -> None:
        self.connection = all_of.bus.connect()
        args = GLib.Variant("(su)", (LOGIN1, 0))
        dbus = "org.freedesktop.DBus"
        all_of.bus.call_async(
            dbus, "/org/freedesktop/DBus", dbus, "RequestName", args, self.connection
        ).wait()

    def prepare_for_sleep(self, begins: bool) -> None:
        self.connection.emit_signal(
            None,
            "/org/freedesktop/login1",
            f"{LOGIN1}.Manager",
            "PrepareForSleep",
            GLib.Variant("(b)", (begins,)),
        )
        self.connection.flush_sync(None)


def test_f33_suspend_and_resume(stage: Stages) -> None:
    """What was counted is saved before the sleep; after it no pause is waited for."""
    all_of = stage(10, config="[Link]\nBackoffMaxSec=3600\n")
    logind = FakeLogind(all_of)
    live = all_of.daemon.state_directory / "chips" / "live"
    with Strace(all_of.bus, all_of.daemon.pid, live.parent, file=live) as strace:
        all_of.ledger.walk(20)
        wait_for(
            lambda: all(a.values["StepsTotal"] >= 20 for a in all_of.ledger.accounts.values()),
            what="the walk",
        )
        logind.prepare_for_sleep(True)
        wait_for(lambda: "fdatasync" in strace.log, what="the totals on the disk")
    # While it sleeps all links go, and the first attempts after it fail. Each pause is longer than the last.
    all_of.fault("Device1.Connect", error="Failed", message="Input/output error")
    all_of.drop_links()
    all_of.ledger.walk()
    wait_for(lambda: all_of.count_calls("Device1.Connect") >= 40, what="attempts in vain")
    all_of.clear()
    all_of.bluez.control.call("ClearCalls")
    logind.prepare_for_sleep(False)
    all_of.ledger.settle()
    assert len(all_of.call_times("Device1.Connect")) <= 2 * all_of.count


def test_f34_same_chip_on_two_adapters(stage: Stages) -> None:
    """One object, one link, one count; the other adapter takes over when the first one goes."""
    one = stage(bluez=("--centrals=2",))
    other = one.bluez.remote("/org/bluez/hci1", "org.bluez.Adapter1")
    other.call("StartDiscovery")
    there = device_path(0, "/org/bluez/hci1")
    one.hands[0].call("DropLink")
    wait_for(lambda: there in one.bus.managed_objects("org.bluez", "/"), what="the chip on hci1")
    other.call("StopDiscovery")
    chips = [path for path in one.daemon.objects() if "/chip/" in path]
    assert chips == one.ledger.paths
    one.ledger.settle()
    assert len(one.links) == 1
    first = one.links[0].rsplit("/", 1)[0]
    addresses = {
        adapter: one.bluez.remote(adapter, "org.bluez.Adapter1").get("Address")
        for adapter in ("/org/bluez/hci0", "/org/bluez/hci1")
    }
    assert one.chip.get("Adapter") == addresses.pop(first)
    one.bluez.control.call("RemoveAdapter", first)
    one.ledger.walk()
    one.ledger.settle()
    (second,) = addresses
    assert one.links == [device_path(0, second)]
    assert one.chip.get("Adapter") == addresses[second]
    assert [path for path in one.daemon.objects() if "/chip/" in path] == one.ledger.paths


def test_f34_chip_with_another_address(stage: Stages) -> None:
    """It is another chip then: the old one keeps its total, the new one begins with none of it."""
    one = stage()
    one.ledger.walk(30)
    one.ledger.settle()
    total = one.chip.get("StepsTotal")
    one.bluez.control.call("RemoveAdapter", "/org/bluez/hci1")
    given = {"central": GLib.Variant("b", False), "address": GLib.Variant("s", chip_address(9))}
    one.bluez.control.call("AddAdapter", 1, given)
    # The virtual chip takes its time to come to the new radio.
    scan = {"max": GLib.Variant("u", 1), "timeout": GLib.Variant("u", 60)}
    (path,) = one.daemon.manager.call("Scan", scan)
    assert path == chip_path(9)
    new = one.daemon.add_counting(9)
    one.hands[0].call("Step", 8)
    new.wait_property("StepsTotal", 8)
    assert new.call("ReadSteps")[0] == one.hands[0].get("Counter")
    assert new.get("StepsTotal") == 8
    assert one.chip.get("StepsTotal") == total
    assert one.chip.get("State") != "ready" and one.chip.get("StatusText")
