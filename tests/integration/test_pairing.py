# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pairing and authentication: what the user sees, and every failure. Which key is the right one after all kinds
of interruption: test_pairing_keys.py."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import (
    STANDING,
    BusError,
    Core2d,
    VirtualBluez,
    VirtualChips,
    chip_address,
    raises_bus_error,
    wait_for,
)
from shoe import ERROR, OLD_KEY, OTHER_KEY, Shoe

pytestmark = pytest.mark.real_bluez


def pair_with_shake(shoe: Shoe) -> list[str]:
    """The whole of it as a person does it; the values that PairingState had."""
    call = shoe.chip.call_async("Pair", {})
    shoe.chip.wait_property("PairingState", "shake-now")
    now = GLib.get_real_time()
    deadline = shoe.chip.get("PairingDeadline")
    assert now < deadline <= now + 30_000_000
    shoe.hands.wait_property("PairingWaitsForShake", True)
    shoe.hands.call("Shake")
    call.wait()
    return shoe.chip.announced("PairingState")


@pytest.mark.real_bluez_usual
def test_pair(shoe: Shoe) -> None:
    """The steps are saved before and go on after; the key is the chip's own and nobody else's to read."""
    shoe.walk(30)
    assert not shoe.chip.get("Paired")
    assert shoe.chip.get("PairingState") == "idle"
    assert shoe.chip.get("PairingDeadline") == 0
    resets = shoe.chip.signals("CounterReset")

    states = pair_with_shake(shoe)

    assert states == ["preparing", "sending-key", "shake-now", "verifying", "succeeded"]
    assert shoe.chip.get("PairingDeadline") == 0
    assert shoe.chip.get("Paired")
    assert shoe.hands.get("Authenticated")
    shoe.walk(7)
    assert resets.wait()[0].args == (30, 0, "pairing")
    assert shoe.chip.get("StepsTotal") == 37
    assert shoe.chip.get("Steps") == 7
    assert len(resets) == 1

    assert stat.S_IMODE(shoe.keys.stat().st_mode) == 0o700
    files = list(shoe.keys.iterdir())
    assert len(files) == 1, files
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert files[0].read_bytes() == shoe.key == shoe.stored_key
    assert len(shoe.key) == 16


def test_every_pairing_has_a_key_of_its_own(shoe: Shoe) -> None:
    shoe.quirks(auth_key="accept")
    keys = set()
    for _ in range(3):
        shoe.pair()
        keys.add(shoe.key)
        assert shoe.stored_key == shoe.key
    assert len(keys) == 3


@pytest.mark.parametrize("answer", ["not-shaken", "accept", "silent"])
def test_preamble(shoe: Shoe, answer: str) -> None:
    """A chip may answer the preamble in any way, or not at all."""
    shoe.quirks(auth_preamble=answer, auth_key="accept")
    shoe.pair()
    assert shoe.chip.announced("PairingState")[0] == "preparing"
    assert shoe.stored_key == shoe.key


def test_without_preamble(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> None:
    config = tmp_path / "core2d.conf"
    config.write_text("[Pairing]\nPreamble=0\n")
    bluez = virtual_bluez()
    chips = virtual_chip("hci1", args=STANDING)
    shoe = Shoe(chips[0], core2d("--config", str(config)), bluez)
    # A chip that got a preamble would end the link here.
    shoe.quirks(auth_drop_before="preamble")
    states = pair_with_shake(shoe)
    assert states == ["sending-key", "shake-now", "verifying", "succeeded"]
    assert shoe.stored_key == shoe.key


@pytest.mark.parametrize(
    ("quirks", "error"),
    [
        ({"auth_key": "not-shaken"}, "NotShaken"),
        ({"auth_key": "wrong-echo"}, "Failed"),
        ({"auth_key": "accept", "auth_random": "refuse"}, "KeyRejected"),
        ({"auth_key": "accept", "auth_random": "short"}, "Failed"),
        ({"auth_key": "accept", "auth_random": "wrong-echo"}, "Failed"),
        ({"auth_key": "accept", "auth_verify": "reject"}, "KeyRejected"),
        ({"auth_key": "accept", "auth_verify": "reject-08"}, "KeyRejected"),
        ({"auth_key": "accept", "auth_verify": "wrong-echo"}, "Failed"),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value,
)
def test_refused(shoe: Shoe, quirks: dict[str, str], error: str) -> None:
    """Each way of the chip to refuse has its error; the next pairing works."""
    shoe.quirks(**quirks)
    with raises_bus_error(ERROR + error) as caught:
        shoe.pair()
    assert chip_address() in caught[0].message
    assert shoe.chip.get("PairingState") == "failed"
    assert shoe.chip.get("PairingDeadline") == 0
    assert shoe.chip.get("Connected")

    shoe.hands.call("ClearQuirks")
    shoe.quirks(auth_key="accept")
    shoe.pair()
    assert shoe.stored_key == shoe.key


@pytest.mark.parametrize("status", ["accept", "accept-06"])
def test_both_words_of_acceptance(shoe: Shoe, status: str) -> None:
    shoe.quirks(auth_key=status, auth_high_bit=GLib.Variant("b", True))
    shoe.pair()
    assert shoe.stored_key == shoe.key


def test_nobody_shakes(shoe: Shoe) -> None:
    """NotShaken after the caller's time; the old key is still good."""
    shoe.give_key()
    with raises_bus_error(ERROR + "NotShaken"):
        shoe.pair(timeout=GLib.Variant("u", 1))
    assert shoe.chip.get("PairingState") == "failed"
    assert shoe.stored_key == shoe.key == OLD_KEY
    shoe.reconnect()
    shoe.hands.wait_property("Authenticated", True)
    assert shoe.stored_key == OLD_KEY
    assert shoe.chip.get("LastError") == ""


@pytest.mark.parametrize("step", ["random", "verify"])
def test_silent_chip(shoe: Shoe, step: str) -> None:
    """Timeout; what the chip has taken is the key from the next connection on."""
    shoe.quirks(**{"auth_key": "accept", f"auth_{step}": "silent"})
    with raises_bus_error(ERROR + "Timeout"):
        shoe.pair()
    assert shoe.chip.get("PairingState") == "failed"
    shoe.hands.call("ClearQuirks")
    shoe.reconnect()
    shoe.hands.wait_property("Authenticated", True)
    shoe.chip.wait_property("Paired", True)
    assert shoe.stored_key == shoe.key


def test_cancel(shoe: Shoe) -> None:
    call = shoe.chip.call_async("Pair", {})
    shoe.chip.wait_property("PairingState", "shake-now")
    shoe.chip.call("CancelPairing")
    with raises_bus_error(ERROR + "Cancelled"):
        call.wait()
    assert shoe.chip.get("PairingState") == "failed"
    assert shoe.chip.get("PairingDeadline") == 0
    with raises_bus_error(ERROR + "Failed"):
        shoe.chip.call("CancelPairing")


def test_caller_leaves(shoe: Shoe) -> None:
    caller = shoe.chip.bus.connect()
    shoe.chip.call_async("Pair", {}, connection=caller)
    shoe.chip.wait_property("PairingState", "shake-now")
    caller.close(None, None)
    shoe.chip.wait_property("PairingState", "failed")
    assert shoe.chip.get("PairingDeadline") == 0
    shoe.hands.call("SetKey", b"")
    shoe.quirks(auth_key="accept")
    shoe.pair()


def test_one_at_a_time(shoe: Shoe) -> None:
    first = shoe.chip.call_async("Pair", {})
    shoe.hands.wait_property("PairingWaitsForShake", True)
    with raises_bus_error(ERROR + "InProgress"):
        shoe.pair()
    with raises_bus_error(ERROR + "InProgress"):
        shoe.chip.call("SetKey", OTHER_KEY)
    shoe.hands.call("Shake")
    first.wait()
    assert shoe.stored_key == shoe.key


@pytest.mark.real_bluez_usual
def test_stored_key_authenticates(shoe: Shoe) -> None:
    """A known chip is authenticated on every connection: no shake, no reset of its counter."""
    shoe.quirks(auth_key="accept")
    shoe.pair()
    shoe.walk(5)
    resets = shoe.hands.get("Resets")
    for begin in (shoe.reconnect, shoe.daemon.restart):
        begin()
        # When this has its reply the link is down, and what the chip knew of it forgotten.
        shoe.hands.call("DropLink")
        shoe.hands.wait_property("Authenticated", True)
        shoe.chip.wait_property("Paired", True)
    assert shoe.hands.get("Resets") == resets
    assert shoe.hands.get("Counter") == 5
    assert shoe.chip.get("PairingState") == "idle"


@pytest.mark.parametrize("chip_key", [OTHER_KEY, b""], ids=["other-key", "forgotten"])
def test_wrong_key_is_reported(shoe: Shoe, chip_key: bytes) -> None:
    """It counts on; nobody pairs it again but the user."""
    shoe.give_key()
    shoe.hands.call("SetKey", chip_key)
    shoe.reconnect()
    shoe.chip.wait_property("LastError", ERROR + "KeyRejected")
    shoe.chip.wait_property("Paired", False)
    shoe.chip.wait_property("StatusText", lambda text: "pair again" in text)
    shoe.walk(12)
    assert shoe.key == chip_key
    assert shoe.hands.get("Resets") == 0
    assert shoe.stored_key == OLD_KEY

    shoe.quirks(auth_key="accept")
    shoe.pair()
    assert shoe.chip.get("LastError") == ""
    assert shoe.chip.get("Paired")
    assert "pair again" not in shoe.chip.get("StatusText")


def test_same_key_again(shoe: Shoe) -> None:
    with raises_bus_error(ERROR + "NotPaired"):
        shoe.pair(**{"new-key": GLib.Variant("b", False)})
    shoe.give_key()
    shoe.hands.call("SetKey", b"")
    shoe.quirks(auth_key="accept")
    shoe.pair(**{"new-key": GLib.Variant("b", False)})
    assert shoe.key == shoe.stored_key == OLD_KEY


def test_get_and_set_key(shoe: Shoe) -> None:
    with raises_bus_error(ERROR + "NotPaired"):
        shoe.chip.call("GetKey")
    for size in (0, 1, 15, 17, 32):
        with raises_bus_error(ERROR + "InvalidArguments"):
            shoe.chip.call("SetKey", bytes(size))
    assert list(shoe.keys.iterdir()) == []
    shoe.give_key(OLD_KEY)
    assert shoe.stored_key == OLD_KEY
    shoe.give_key(OTHER_KEY)
    assert shoe.stored_key == OTHER_KEY


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": GLib.Variant("u", 0)},
        {"timeout": GLib.Variant("u", 121)},
        {"timeout": GLib.Variant("i", 30)},
        {"new-key": GLib.Variant("u", 1)},
        {"key": GLib.Variant("ay", OLD_KEY[:15])},
        {"key": GLib.Variant("ay", OLD_KEY + b"\0")},
        {"key": GLib.Variant("s", OLD_KEY.hex())},
        {"key": GLib.Variant("ay", OLD_KEY), "new-key": GLib.Variant("b", False)},
        {"keys": GLib.Variant("ay", OLD_KEY)},
    ],
    ids=[
        "too-short",
        "too-long",
        "timeout-type",
        "new-key-type",
        "short-key",
        "long-key",
        "key-type",
        "two-keys",
        "unknown",
    ],
)
def test_bad_options(shoe: Shoe, options: dict[str, GLib.Variant]) -> None:
    with raises_bus_error(ERROR + "InvalidArguments"):
        shoe.pair(**options)
    assert shoe.chip.get("PairingState") == "idle"
    assert shoe.key == b""


def test_not_connected(shoe: Shoe) -> None:
    shoe.chip.call("Disconnect")
    with raises_bus_error(ERROR + "NotConnected"):
        shoe.pair()


def test_chip_without_authentication(shoe: Shoe) -> None:
    shoe.quirks(missing="auth")

    def refusal() -> str:
        try:
            shoe.pair(timeout=GLib.Variant("u", 1))
        except BusError as error:
            return error.name
        raise AssertionError("paired without the characteristic")

    # It loses its connection while its services change.
    wait_for(lambda: refusal() == ERROR + "NotSupported", what="the connection without it")
