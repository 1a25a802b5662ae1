# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever interrupts a pairing, and however late the chip is: the daemon knows the chip's key afterwards."""

from __future__ import annotations

import signal

import pytest
from gi.repository import GLib
from harness import raises_bus_error, wait_for
from shoe import ERROR, OLD_KEY, OTHER_KEY, Shoe

#: How the chip is made to stop a handshake at a step, and the PairingState that shows it.
STEPS = {
    "preamble": ({"auth-preamble": "silent"}, "preparing"),
    "key": ({"auth-key": "silent"}, "shake-now"),
    "random": ({"auth-key": "accept", "auth-random": "silent"}, "verifying"),
    "verify": ({"auth-key": "accept", "auth-verify": "silent"}, "verifying"),
}


AUTHENTICATION = "00000009-0000-3512-2118-0009af100700"
#: A random number of the chip, to be encrypted with the key.
RANDOM = b"\x10\x02\x01" + bytes(range(16))
#: The chip's verdict on the answer to its random number.
REJECTED = b"\x10\x03\x04"

#: Until when a person has time for the shake.
ONE_SECOND = GLib.Variant("u", 1)


# --- the link ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["preamble", "key", "shake", "random", "verify"])
def test_link_drops(shoe: Shoe, step: str) -> None:
    """NotConnected at every step; the key that the chip has is the one in use afterwards."""
    shoe.give_key()
    if step != "shake":
        shoe.quirks(auth_key="accept", auth_drop_before=step)
    call = shoe.chip.call_async("Pair", {})
    if step == "shake":
        shoe.hands.wait_property("PairingWaitsForShake", True)
        shoe.hands.call("DropLink")
    with raises_bus_error(ERROR + "NotConnected"):
        call.wait()
    assert shoe.chip.get("PairingState") == "failed"
    assert (shoe.key == OLD_KEY) == (step in ("preamble", "key", "shake"))

    shoe.hands.call("ClearQuirks")
    shoe.wait_key()


@pytest.mark.parametrize("step, silent", [("preamble", "key"), ("key", "random"), ("random", "verify")])
def test_link_drops_after(shoe: Shoe, step: str, silent: str) -> None:
    """As above, but that step still has its answer."""
    shoe.give_key()
    shoe.quirks(**{"auth_key": "accept", f"auth_{silent}": "silent", "auth_drop_after": step})
    with raises_bus_error(ERROR + "NotConnected"):
        shoe.pair()
    shoe.hands.call("ClearQuirks")
    # Connected again by now, the chip may have been silent once more.
    shoe.reconnect()
    shoe.wait_key()
    assert (shoe.key == OLD_KEY) == (step == "preamble")


# --- the daemon is killed ------------------------------------------------------------------------


def start_again(shoe: Shoe) -> None:
    shoe.hands.call("ClearQuirks")
    shoe.quirks(idle_timeout=GLib.Variant("u", 0))
    shoe.hands.call("DropLink")
    shoe.hands.wait_property("Authenticated", False)
    shoe.daemon.start()
    shoe.wait_key()


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_step(shoe: Shoe, step: str) -> None:
    """Whatever of it has reached the chip: after a new start the daemon knows the chip's key."""
    shoe.give_key()
    quirks, state = STEPS[step]
    for name, value in quirks.items():
        shoe.quirks(**{name: value})
    shoe.chip.call_async("Pair", {})
    shoe.chip.wait_property("PairingState", state)
    if step in ("random", "verify"):
        wait_for(lambda: shoe.key != OLD_KEY, what="the new key in the chip")
    shoe.daemon.kill()
    start_again(shoe)


def test_shaken_after_kill(shoe: Shoe) -> None:
    """The chip takes the key while nobody is there to hear that it did."""
    shoe.give_key()
    shoe.chip.call_async("Pair", {})
    shoe.hands.wait_property("PairingWaitsForShake", True)
    shoe.daemon.kill()
    shoe.hands.call("Shake")
    shoe.hands.wait_property("PairingWaitsForShake", False)
    assert shoe.key not in (OLD_KEY, b"")
    start_again(shoe)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_step_link_stays(shoe: Shoe, step: str) -> None:
    """bluetoothd keeps the link of a client that died, and the next one takes it over."""
    shoe.give_key()
    quirks, state = STEPS[step]
    shoe.quirks(**quirks)
    shoe.chip.call_async("Pair", {})
    shoe.chip.wait_property("PairingState", state)
    if step in ("random", "verify"):
        wait_for(lambda: shoe.key != OLD_KEY, what="the new key in the chip")
    shoe.daemon.kill()
    shoe.hands.call("ClearQuirks")
    shoe.quirks(idle_timeout=GLib.Variant("u", 0))
    assert shoe.hands.get("Connected")
    shoe.daemon.start()
    shoe.hands.wait_property("Authenticated", True)
    wait_for(lambda: shoe.stored_key == shoe.key, what="the chip's key in the store")
    shoe.reconnect()
    shoe.wait_key()


def test_shaken_after_kill_link_stays(shoe: Shoe) -> None:
    """The chip waited on while the daemon was away, and is shaken when it is back."""
    shoe.give_key()
    shoe.chip.call_async("Pair", {})
    shoe.hands.wait_property("PairingWaitsForShake", True)
    shoe.daemon.kill()
    shoe.daemon.start()
    shoe.hands.wait_property("Authenticated", True)
    assert shoe.stored_key == shoe.key == OLD_KEY
    assert shoe.hands.get("PairingWaitsForShake")
    shoe.hands.call("Shake")
    assert shoe.key != OLD_KEY
    shoe.wait_key()


# --- the chip is late ----------------------------------------------------------------------------


def fail_for_lack_of_shake(shoe: Shoe) -> None:
    with raises_bus_error(ERROR + "NotShaken"):
        shoe.pair(timeout=ONE_SECOND)
    assert shoe.hands.get("PairingWaitsForShake")


def test_late_shake(shoe: Shoe) -> None:
    """The person shakes after the time that the caller gave: the key counts, and the steps do."""
    shoe.give_key()
    shoe.walk(20)
    fail_for_lack_of_shake(shoe)
    assert shoe.stored_key == OLD_KEY
    resets = shoe.chip.signals("CounterReset")
    shoe.hands.call("Shake")
    assert shoe.key != OLD_KEY
    shoe.wait_key()
    resets.wait()
    assert resets.args == [(20, 0, "pairing")]
    shoe.walk(3)
    assert shoe.chip.get("StepsTotal") == 23


def test_late_shake_of_first_pairing(shoe: Shoe) -> None:
    """A chip without a key from before."""
    fail_for_lack_of_shake(shoe)
    assert not shoe.chip.get("Paired")
    assert shoe.chip.get("LastError") == ""
    shoe.hands.call("Shake")
    shoe.wait_key()


def test_no_shake_at_all(shoe: Shoe) -> None:
    """Nothing is left of a first pairing that came to nothing, once the chip can't wait any more."""
    fail_for_lack_of_shake(shoe)
    shoe.reconnect()
    wait_for(lambda: not shoe.kinds_of_keys(), what="the end of the pending key")
    assert not shoe.chip.get("Paired")
    assert shoe.chip.get("LastError") == ""


@pytest.mark.parametrize("shake", ["before-second", "in-second", "after-second"])
def test_second_pairing(shoe: Shoe, shake: str) -> None:
    """A second Pair meets a chip that may take the key of the first one at any time."""
    shoe.give_key()
    fail_for_lack_of_shake(shoe)
    if shake == "before-second":
        shoe.hands.call("Shake")
    before = len(shoe.chip.announced("PairingState"))
    call = shoe.chip.call_async("Pair", {} if shake == "in-second" else {"timeout": ONE_SECOND})
    wait_for(lambda: "shake-now" in shoe.chip.announced("PairingState")[before:], what="shake-now")
    if shake == "in-second":
        shoe.hands.call("Shake")
        call.wait()
    else:
        with raises_bus_error(ERROR + "NotShaken"):
            call.wait()
    if shake == "after-second":
        shoe.hands.call("Shake")
    assert shoe.key != OLD_KEY
    # A chip that waits for a shake again is right with the key that it has.
    wait_for(lambda: shoe.stored_key == shoe.key, what="the chip's key in the store")
    shoe.reconnect()
    shoe.wait_key()


@pytest.mark.parametrize("second", ["preamble", "key", "random", "verify"])
@pytest.mark.parametrize("first", ["random", "verify"])
def test_two_interrupted(shoe: Shoe, first: str, second: str) -> None:
    """The chip has the key of the first pairing or that of the second; either is known."""
    shoe.give_key()
    for step in (first, second):
        shoe.hands.call("ClearQuirks")
        quirks, state = STEPS[step]
        shoe.quirks(**quirks)
        before = len(shoe.chip.announced("PairingState"))
        call = shoe.chip.call_async("Pair", {})
        wait_for(lambda: state in shoe.chip.announced("PairingState")[before:], what=state)
        shoe.hands.call("DropLink")
        with raises_bus_error(ERROR + "NotConnected"):
            call.wait()
        shoe.hands.call("ClearQuirks")
        shoe.quirks(auth_random="silent")
        shoe.chip.wait_property("State", "ready")
    assert shoe.key != OLD_KEY
    shoe.hands.call("ClearQuirks")
    shoe.reconnect()
    shoe.wait_key()


def test_chip_with_a_third_key(shoe: Shoe) -> None:
    """While the chip has neither key both are kept."""
    shoe.give_key()
    shoe.quirks(auth_key="accept", auth_drop_before="random")
    with raises_bus_error(ERROR + "NotConnected"):
        shoe.pair()
    new_key = shoe.key
    shoe.hands.call("SetKey", OTHER_KEY)
    shoe.hands.call("ClearQuirks")
    shoe.chip.wait_property("LastError", ERROR + "KeyRejected")
    assert shoe.stored_key == OLD_KEY
    shoe.hands.call("SetKey", new_key)
    shoe.reconnect()
    shoe.wait_key()
    assert shoe.stored_key == new_key
    shoe.chip.wait_property("LastError", "")


def test_same_key_again_meets_pending_key(shoe: Shoe) -> None:
    """Pairing with the stored key does not touch the key that the chip may have taken instead."""
    shoe.give_key()
    fail_for_lack_of_shake(shoe)
    with raises_bus_error(ERROR + "NotShaken"):
        shoe.pair(**{"new-key": GLib.Variant("b", False), "timeout": ONE_SECOND})
    shoe.reconnect()
    shoe.wait_key()
    assert shoe.key == OLD_KEY


# --- the caller brings the key --------------------------------------------------------------------


def with_key(key: bytes) -> dict[str, GLib.Variant]:
    return {"key": GLib.Variant("ay", key)}


def test_given_key(shoe: Shoe) -> None:
    shoe.give_key()
    shoe.quirks(auth_key="not-shaken")
    with raises_bus_error(ERROR + "NotShaken"):
        shoe.pair(**with_key(OTHER_KEY))
    # On this link the chip could still be shaken.
    shoe.reconnect()
    shoe.wait_key()
    assert shoe.stored_key == OLD_KEY
    shoe.quirks(auth_key="accept")
    shoe.pair(**with_key(OTHER_KEY))
    assert shoe.key == shoe.stored_key == OTHER_KEY
    shoe.wait_key()


def test_given_key_meets_pending_key(shoe: Shoe) -> None:
    """The chip may have taken the key of the first pairing, and does not say so: it is not thrown away."""
    shoe.give_key()
    shoe.quirks(auth_key="accept", auth_random="silent")
    call = shoe.chip.call_async("Pair", with_key(OTHER_KEY))
    wait_for(lambda: shoe.key == OTHER_KEY, what="the new key in the chip")
    shoe.hands.call("DropLink")
    with raises_bus_error(ERROR + "NotConnected"):
        call.wait()
    shoe.chip.wait_property("State", "ready")
    with raises_bus_error(ERROR + "InProgress"):
        shoe.pair(**with_key(bytes(16)))
    assert shoe.kinds_of_keys() == [".key", ".pending"]
    shoe.hands.call("ClearQuirks")
    shoe.reconnect()
    shoe.wait_key()
    assert shoe.stored_key == OTHER_KEY


# --- one attempt after another -------------------------------------------------------------------


def test_cancelled_before_it_began(shoe: Shoe) -> None:
    """The reading of the steps of the first pairing ends during the second one: that begins once."""
    shoe.quirks(auth_key="accept")
    shoe.bluez.control.call("ClearCalls")
    # No answer comes before core2d has all three calls.
    shoe.bluez.process.send_signal(signal.SIGSTOP)
    first = shoe.chip.call_async("Pair", {})
    cancel = shoe.chip.call_async("CancelPairing")
    second = shoe.chip.call_async("Pair", {})
    shoe.daemon.objects()
    shoe.bluez.process.send_signal(signal.SIGCONT)
    with raises_bus_error(ERROR + "Cancelled"):
        first.wait()
    cancel.wait()
    second.wait()
    writes = shoe.bluez.control.call("CallCount", "GattCharacteristic1.WriteValue")
    assert writes == 4  # preamble, key, challenge, answer
    assert shoe.chip.announced("PairingState") == [
        "failed",
        "preparing",
        "sending-key",
        "shake-now",
        "verifying",
        "succeeded",
    ]
    shoe.wait_key()


@pytest.mark.parametrize(
    "state, delay", [("preparing", 0), ("preparing", 300), ("sending-key", 0), ("shake-now", 300)]
)
def test_cancelled_and_paired_again(shoe: Shoe, state: str, delay: int) -> None:
    """The second pairing hears the answers to the first one too, and does not take them for its own."""
    shoe.give_key()
    shoe.quirks(auth_delay=GLib.Variant("u", delay))
    first = shoe.chip.call_async("Pair", {})
    wait_for(lambda: state in shoe.chip.announced("PairingState"), what=state)
    cancel = shoe.chip.call_async("CancelPairing")
    second = shoe.chip.call_async("Pair", {})
    with raises_bus_error(ERROR + "Cancelled"):
        first.wait()
    cancel.wait()
    wait_for(lambda: "shake-now" in after_failure(shoe), what="the second pairing")
    shoe.hands.call("Shake")
    second.wait()
    assert after_failure(shoe)[-1] == "succeeded"
    shoe.wait_key()


def test_cancelled_at_the_end_and_paired_again(shoe: Shoe) -> None:
    """As above, and what the first pairing waits for is the chip's random number."""
    shoe.give_key()
    shoe.quirks(auth_key="accept", auth_random="silent")
    writes = shoe.bluez.control.call("CallCount", "GattCharacteristic1.WriteValue")
    first = shoe.chip.call_async("Pair", {})
    # The preamble, the key, and the question for the number, which is with the chip when that has answered.
    wait_for(
        lambda: shoe.bluez.control.call("CallCount", "GattCharacteristic1.WriteValue") == writes + 3,
        what="the question for the random number",
    )
    assert shoe.key != OLD_KEY
    shoe.quirks(auth_random="answer")
    cancel = shoe.chip.call_async("CancelPairing")
    second = shoe.chip.call_async("Pair", {})
    with raises_bus_error(ERROR + "Cancelled"):
        first.wait()
    cancel.wait()
    shoe.hands.call("Notify", "auth", RANDOM)
    second.wait()
    assert after_failure(shoe)[-1] == "succeeded"
    shoe.wait_key()


def after_failure(shoe: Shoe) -> list[str]:
    """What PairingState was after the first pairing had failed."""
    states = shoe.chip.announced("PairingState")
    return states[states.index("failed") + 1 :] if "failed" in states else []


def test_cancelled_and_left(shoe: Shoe) -> None:
    """After a cancelled pairing the chip is authenticated again, on the same link."""
    shoe.give_key()
    call = shoe.chip.call_async("Pair", {})
    shoe.hands.wait_property("PairingWaitsForShake", True)
    shoe.quirks(auth_random="refuse")
    shoe.bluez.control.call("ClearCalls")
    shoe.chip.call("CancelPairing")
    with raises_bus_error(ERROR + "Cancelled"):
        call.wait()
    shoe.chip.wait_property("Paired", False)
    shoe.chip.wait_property("LastError", ERROR + "KeyRejected")
    shoe.hands.call("ClearQuirks")
    shoe.hands.call("Shake")
    shoe.wait_key()
    assert shoe.chip.get("LastError") == ""
    assert "pair again" not in shoe.chip.get("StatusText")


def test_late_rejection_of_a_replaced_key(shoe: Shoe) -> None:
    """What the chip says of a key after SetKey has replaced it tells nothing of the new one."""
    shoe.give_key()
    shoe.quirks(auth_verify="silent")
    shoe.hands.call("SetKey", OTHER_KEY)
    writes = shoe.bluez.control.call("CallCount", "GattCharacteristic1.WriteValue")
    shoe.reconnect()
    # It asks for the chip's random number, and answers that.
    wait_for(
        lambda: shoe.bluez.control.call("CallCount", "GattCharacteristic1.WriteValue") == writes + 2,
        what="the old key's answer",
    )
    # A read that takes long keeps the authentication with the new key waiting.
    shoe.quirks(auth_verify="check", read_delay=GLib.Variant("u", 1000))
    reading = shoe.chip.call_async("ReadBattery")
    shoe.chip.call("SetKey", OTHER_KEY)
    shoe.bluez.control.call("EmitValue", shoe.find_characteristic(AUTHENTICATION), REJECTED, {})
    reading.wait()
    shoe.hands.wait_property("Authenticated", True)
    shoe.daemon.wait_idle(shoe.chip)
    assert shoe.chip.get("Paired")
    assert ERROR + "KeyRejected" not in shoe.chip.announced("LastError")
