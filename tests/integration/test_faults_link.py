# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chips that vanish at any moment, and a bluetoothd that says nothing, too much, or the wrong thing about them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import HCI0, Bus, Stage, VirtualClock, device_path, wait_for
from harness.states import STATES, finish, leave

Stages = Callable[..., Stage]
ERROR = "org.example.Core2.Error."
RADIO = "/org/bluez/hci1"
DEVICE = "org.bluez.Device1"
CHARACTERISTIC = "org.bluez.GattCharacteristic1"

#: A chip that does not get ready is given up soon, and no pause is longer than a second.
HASTY = "[Link]\nReadyTimeoutSec=5\nBackoffMaxSec=1\n"
#: No answer comes too late for core2d, however slow all are.
PATIENT = "[Link]\nRequestTimeoutSec=60\nBackoffMaxSec=1\n"


def vanish(one: Stage) -> None:
    one.bluez.control.call("SetInRange", RADIO, False)


def appear(one: Stage) -> None:
    one.bluez.control.call("SetInRange", RADIO, True)


def cpu_ticks(pid: int) -> int:
    """Processor time that a process has used, in ticks."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@pytest.mark.parametrize("gone", ["out-of-range", "asleep", "vanished"])
def test_f07_chip_vanishes(stage: Stages, gone: str) -> None:
    """It is missed, waited for without a storm of attempts, and there again when it is heard."""
    one = stage(config="[Link]\nBackoffMaxSec=1\n")
    one.bluez.control.call("ClearCalls")
    methods = {"out-of-range": None, "asleep": ("Sleep", "Shake"), "vanished": ("Vanish", "Appear")}
    method = methods[gone]
    if method is None:
        vanish(one)
    else:
        one.hands[0].call(method[0])
    one.ledger.wait_states("waiting", "connecting")
    one.ledger.wait_text("asleep")
    assert len(one.call_times("Device1.Connect")) <= 3
    assert one.adapter.get("Discovering") is False
    if method is None:
        appear(one)
    else:
        one.hands[0].call(method[1])
    one.ledger.settle()


@pytest.mark.parametrize("state", STATES)
def test_chip_vanishes_in_state(stage: Stages, state: str) -> None:
    """In the middle of connect, resolve, read, write, subscribe, pairing; whoever waits gets an answer."""
    one = stage(config=PATIENT)
    calls = STATES[state](one)
    vanish(one)
    one.ledger.wait_states("waiting", "connecting", "disconnected")
    ends = finish([] if state == "scanning" else calls)
    one.ledger.walk()
    leave(one)
    appear(one)
    if state == "disconnecting":
        assert ends == [""]
        one.chip.call("Connect", {})
    elif ends:
        assert ends == [ERROR + "NotConnected"]
    if state == "scanning":
        one.daemon.manager.wait_property("Scanning", True)
    one.ledger.settle()


@pytest.mark.parametrize("method", ["ReadValue", "WriteValue", "StartNotify"])
def test_f08_call_without_an_answer(bus: Bus, stage: Stages, method: str) -> None:
    """bluetoothd never answers: our own deadline ends it, other chips do not notice."""
    clock = VirtualClock(bus)
    # Sooner than a wanted orientation is given up.
    both = stage(2, config="[Link]\nRequestTimeoutSec=7\n")
    both.fault(f"GattCharacteristic1.{method}", device_path(0), never_answer=True)
    if method == "StartNotify":
        known = both.ledger.mark()
        both.hands[0].call("DropLink")
        both.ledger.wait_states("resolving", indexes=[0], since=known)
        told, begin = both.ledger[0].history, len(both.ledger[0].history)
        clock.wait(lambda: "waiting" in dict(told[begin:]), "the deadline of the call")
    else:
        ask = {"ReadValue": "ReadBattery", "WriteValue": "ReadOrientation"}[method]
        before = both.count_calls(f"GattCharacteristic1.{method}")
        call = both.daemon.chip(0).call_async(ask)
        both.wait_call(f"GattCharacteristic1.{method}", before)
        clock.wait(lambda: call.done, "the deadline of the call")
        assert finish([call]) == [ERROR + "Timeout"]
    both.hands[1].call("Step", 5)
    both.daemon.chip(1).wait_property("StepsTotal", both.ledger.truth(1))
    assert both.daemon.chip(1).call("ReadBattery")[0] <= 100
    both.clear()
    both.ledger.settle()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["preamble", "key", "random", "verify"])
def test_f09_vanishes_in_the_handshake(stage: Stages, step: str, when: str) -> None:
    """No key is half there; the next handshake works; no key is in any output; no step is lost."""
    one = stage()
    old = bytes(range(0x60, 0x70))
    one.hands[0].call("SetKey", old)
    one.chip.call("SetKey", old)
    # More than later: a counter that is the same again after its reset was not reset, for all core2d can know.
    one.ledger.walk(5)
    one.quirk(auth_key="accept", **{f"auth_drop_{when}": step})
    (end,) = finish([one.chip.call_async("Pair", {"new-key": GLib.Variant("b", True)})])
    # Where the answer is in before the link goes, that may be enough.
    assert end.startswith(ERROR) or when == "after", end
    one.hands[0].call("ClearQuirks")
    one.quirk(idle_timeout=0)
    one.ledger.settle()
    key = bytes(one.hands[0].get("Key"))
    assert end or key == bytes(one.chip.call("GetKey"))
    if key == bytes(one.chip.call("GetKey")):
        one.hands[0].wait_property("Authenticated", True)
    one.ledger.walk(9)
    one.quirk(auth_key="accept")
    one.chip.call("Pair", {"new-key": GLib.Variant("b", True)})
    assert bytes(one.chip.call("GetKey")) == bytes(one.hands[0].get("Key"))
    one.ledger.settle()
    for secret in (old, key, bytes(one.hands[0].get("Key"))):
        assert secret.hex() not in one.daemon.stderr.lower().replace(" ", "").replace(":", "")


def test_f10_subscription_that_locks_the_characteristic(stage: Stages) -> None:
    """A chip vanishes while it is subscribed to; later bluetoothd refuses for ever. It is read instead.

    StopNotify of such a characteristic crashes bluetoothd 5.66: it is never called, nor AcquireNotify.
    """
    one = stage(config=HASTY)
    STATES["subscribing"](one)
    vanish(one)
    one.ledger.wait_states("waiting", "connecting")
    one.clear()
    one.fault(
        "GattCharacteristic1.StartNotify", error="NotPermitted", message="Notify acquired"
    )
    appear(one)
    one.ledger.wait_text("another program holds the step notifications")
    one.hands[0].call("Step", 6)
    assert one.chip.call("ReadSteps")[0] == one.hands[0].get("Counter")
    assert one.chip.get("StepsTotal") == one.ledger.truth(0)
    one.clear()
    one.drop_links()
    one.ledger.settle()
    assert one.count_calls("GattCharacteristic1.StopNotify") == 0
    assert one.count_calls("GattCharacteristic1.AcquireNotify") == 0


def test_f11_no_descriptor_of_notifications(stage: Stages) -> None:
    """What AcquireNotify's descriptor can do wrong cannot happen: there is none, and nothing spins."""
    one = stage()
    folder = f"/proc/{one.daemon.pid}/fd"
    before = len(os.listdir(folder))
    for _ in range(3):
        one.drop_links()
        one.ledger.wait_states("ready")
    assert one.count_calls("GattCharacteristic1.AcquireNotify") == 0
    # A record may be being saved.
    wait_for(lambda: len(os.listdir(folder)) <= before, what="no descriptor more")
    # A link that lasts, values that are empty: a second by core2d's own clock costs it next to nothing.
    characteristic = next(
        path
        for path, interfaces in one.bus.managed_objects("org.bluez", "/").items()
        if interfaces.get(CHARACTERISTIC, {}).get("UUID", "").startswith("00000007-0000-3512")
        and path.startswith(HCI0)
    )
    one.bluez.control.call("EmitValue", characteristic, b"", {"times": GLib.Variant("u", 5)})
    one.ledger.settle()
    ticks = cpu_ticks(one.daemon.pid)
    scan = {"timeout": GLib.Variant("u", 1)}
    one.daemon.manager.call("Scan", scan)
    assert cpu_ticks(one.daemon.pid) - ticks < os.sysconf("SC_CLK_TCK") // 4


def test_connect_never_answers(stage: Stages) -> None:
    """The chip waits, others are served, and it comes when bluetoothd has come to itself."""
    both = stage(2, config="[Link]\nConnectTimeoutSec=5\nBackoffMaxSec=1\n")
    both.fault("Device1.Connect", device_path(0), never_answer=True)
    known = both.ledger.mark()
    both.hands[0].call("DropLink")
    both.ledger.wait_states("waiting", indexes=[0], since=known)
    other = both.ledger[1]
    known = len(other.history)
    both.hands[1].call("DropLink")
    # However short it was away.
    wait_for(lambda: "ready" in [state for state, _ in other.history[known:]], what="the other chip")
    both.clear()
    both.ledger.settle()


def test_in_progress_for_ever(stage: Stages) -> None:
    """Another program's Connect that never ends is cancelled, not waited for, nor asked for in a storm."""
    one = stage(config="[Link]\nBackoffMaxSec=1\n")
    one.bluez.control.call("ClearCalls")
    one.fault("Device1.Connect", error="InProgress", message="Operation already in progress")
    one.drop_links()
    one.ledger.wait_text("another program is connecting")
    # Not the chip's, which ends the link at the other end.
    wait_for(
        lambda: one.call_times("Device1.Disconnect", device_path()), what="the attempt's cancellation"
    )
    times = one.call_times("Device1.Connect")
    assert len(times) <= 2
    one.clear()
    one.ledger.settle()


def is_resolved(one: Stage) -> bool:
    """BlueZ knows the chip, and says that it knows its services."""
    device = one.bus.managed_objects("org.bluez", "/").get(device_path(), {}).get(DEVICE, {})
    return bool(device.get("ServicesResolved"))


@pytest.mark.parametrize("when", ["early", "late", "never-then"])
def test_services_resolved(stage: Stages, when: str) -> None:
    """ServicesResolved before, long before, or without its objects; and at last with them."""
    one = stage(config=HASTY)
    if when == "early":
        # The objects come a while after it.
        one.options(objects_delay=1500)
    elif when == "late":
        one.options(resolve_delay=1500)
    else:
        one.options(objects_delay=-1)
    # BlueZ forgets what it knew of the services.
    known = one.ledger.mark()
    one.adapter.call("RemoveDevice", device_path())
    one.ledger.wait_states("waiting", "connecting", "resolving", since=known)
    if when == "early":
        # For this link; what comes too late for core2d is there with the next one.
        wait_for(lambda: is_resolved(one), what="ServicesResolved")
        one.options(objects_delay=0)
    elif when == "never-then":
        one.ledger.wait_text("no step counter", since=known)
        one.options(objects_delay=0)
    one.ledger.settle()


def test_services_go_before_they_are_used(stage: Stages) -> None:
    """ServicesResolved turns false while core2d subscribes, and never true again: a new link is made."""
    one = stage(config=HASTY)
    STATES["subscribing"](one)
    one.control("EmitProperties", device_path(), DEVICE, {"ServicesResolved": False}, [])
    one.ledger.ping()
    one.clear()
    one.ledger.settle()


@pytest.mark.parametrize("what", ["device", "characteristic", "service"])
def test_objects_removed_without_a_word(stage: Stages, what: str) -> None:
    """No InterfacesRemoved: found out with the next call, at the latest with the next link."""
    one = stage(config=HASTY)
    objects = one.bus.managed_objects("org.bluez", "/")
    path = device_path()
    if what != "device":
        path = next(
            path
            for path, interfaces in objects.items()
            if interfaces.get(CHARACTERISTIC, {}).get("UUID", "").startswith("00000007-0000-3512")
            and path.startswith(HCI0)
        )
        if what == "service":
            path = path.rsplit("/", 1)[0]
    one.bluez.control.call("RemoveObject", path, True)
    (end,) = finish([one.chip.call_async("ReadSteps")])
    assert end.startswith(ERROR)
    one.hands[0].call("DropLink")
    one.adapter.call("StartDiscovery")
    one.ledger.settle()
    one.adapter.call("StopDiscovery")


def test_connection_slots_exhausted(stage: Stages) -> None:
    """Who is connected stays; who is not says why, tries seldom, and comes when asked for again."""
    both = stage(2)
    both.bluez.control.call("SetConnectionLimit", HCI0, 1)
    both.bluez.control.call("ClearCalls")
    both.hands[0].call("DropLink")
    both.ledger.wait_states("waiting", indexes=[0])
    wait_for(lambda: "no more connections" in both.ledger[0].now[1], what="the reason")
    assert both.daemon.chip(0).get("LastError") == ERROR + "ConnectionLimit"
    both.hands[1].call("Step", 5)
    both.daemon.chip(1).wait_property("StepsTotal", both.ledger.truth(1))
    assert len(both.call_times("Device1.Connect", device_path(0))) == 1
    both.bluez.control.call("SetConnectionLimit", HCI0, 0)
    both.chip.call("Connect", {})
    both.ledger.settle()
