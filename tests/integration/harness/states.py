# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every state that a connection can be in when something happens to it.

STATES maps a name to a function that brings the first chip of a Stage there; what holds it there is a fault that
stage.clear() takes away (or the quirks of a chip, which leave() takes away, too).
"""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import GLib

from .bus import BusError, Pending
from .faults import device_path
from .loop import wait_for
from .stage import Stage

#: Calls whose ends nobody waits for; they stay here as long as the test runs.
Calls = list[Pending]


def _backing_off(stage: Stage) -> Calls:
    stage.fault("Device1.Connect", error="Failed", message="Input/output error")
    before = stage.ledger.mark()
    stage.drop_links()
    stage.ledger.wait_text("could not connect", since=before)
    return []


def _searching(stage: Stage) -> Calls:
    stage.bluez.control.call("SetInRange", "/org/bluez/hci1", False)
    stage.adapter.call("RemoveDevice", device_path())
    stage.ledger.wait_text("not seen")
    return []


def _connecting(stage: Stage) -> Calls:
    """The chip gives no sign of life, and bluetoothd waits for one."""
    before, known = stage.count_calls("Device1.Connect"), stage.ledger.mark()
    stage.bluez.control.call("SetInRange", "/org/bluez/hci1", False)
    stage.wait_call("Device1.Connect", before)
    # After five seconds core2d calls it asleep, and waits on.
    stage.ledger.wait_states("connecting", since=known)
    return []


def _resolving(stage: Stage) -> Calls:
    stage.options(resolve_delay=-1)
    known = stage.ledger.mark()
    stage.drop_links()
    stage.ledger.wait_states("resolving", since=known)
    return []


def _hung_call(method: str) -> Callable[[Stage], Calls]:
    def enter(stage: Stage) -> Calls:
        before, known = stage.count_calls(method), stage.ledger.mark()
        stage.fault(method, never_answer=True)
        stage.drop_links()
        stage.wait_call(method, before)
        stage.ledger.wait_states("resolving", since=known)
        return []

    return enter


def _ready(stage: Stage) -> Calls:
    return []


def _reading(stage: Stage) -> Calls:
    before = stage.count_calls("GattCharacteristic1.ReadValue")
    stage.fault("GattCharacteristic1.ReadValue", never_answer=True)
    call = stage.chip.call_async("ReadBattery")
    stage.wait_call("GattCharacteristic1.ReadValue", before)
    return [call]


def _writing(stage: Stage) -> Calls:
    before = stage.count_calls("GattCharacteristic1.WriteValue")
    stage.fault("GattCharacteristic1.WriteValue", never_answer=True)
    call = stage.chip.call_async("ReadOrientation")
    stage.wait_call("GattCharacteristic1.WriteValue", before)
    return [call]


def _disconnecting(stage: Stage) -> Calls:
    stage.options(disconnect_delay=1000)
    known = stage.ledger.mark()
    call = stage.chip.call_async("Disconnect")
    stage.ledger.wait_states("disconnecting", since=known)
    return [call]


def _scanning(stage: Stage) -> Calls:
    call = stage.daemon.manager.call_async("Scan", {"timeout": GLib.Variant("u", 60)})
    stage.daemon.manager.wait_property("Scanning", True)
    return [call]


def _pairing(state: str, **quirks: str) -> Callable[[Stage], Calls]:
    def enter(stage: Stage) -> Calls:
        stage.quirk(**quirks)
        chip = stage.chip
        call = chip.call_async("Pair", {})
        # The chip's silence ends some of them after two seconds.
        wait_for(lambda: state in chip.announced("PairingState"), what=f"PairingState {state}")
        return [call]

    return enter


STATES: dict[str, Callable[[Stage], Calls]] = {
    "backing-off": _backing_off,
    "searching": _searching,
    "connecting": _connecting,
    "resolving": _resolving,
    "subscribing": _hung_call("GattCharacteristic1.StartNotify"),
    "first-read": _hung_call("GattCharacteristic1.ReadValue"),
    "ready": _ready,
    "reading": _reading,
    "writing": _writing,
    "scanning": _scanning,
    "pairing-preamble": _pairing("preparing", auth_preamble="silent"),
    "pairing-key": _pairing("shake-now"),
    "pairing-random": _pairing("verifying", auth_key="accept", auth_random="silent"),
    "pairing-verify": _pairing("verifying", auth_key="accept", auth_verify="silent"),
    "disconnecting": _disconnecting,
}


def leave(stage: Stage) -> None:
    """Take away what held the chip in its state; not the state itself."""
    stage.clear()
    stage.options(resolve_delay=20, disconnect_delay=50)
    stage.bluez.control.call("SetInRange", "/org/bluez/hci1", True)
    stage.hands[0].call("ClearQuirks")
    stage.quirk(idle_timeout=0)


def finish(calls: Calls) -> list[str]:
    """How the calls that were under way ended: names of errors, empty where one succeeded."""
    wait_for(lambda: all(call.done for call in calls), what="answers to the calls under way")
    ends = []
    for call in calls:
        try:
            call.wait()
            ends.append("")
        except BusError as error:
            ends.append(error.name)
    return ends
