# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot be stored has not happened: not on the bus, not on disk, not after a restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gi.repository import GLib
from harness import Core2d, chip_address, chip_path, raises_bus_error, wait_for
from shoe import ERROR, OLD_KEY, OTHER_KEY, Shoe

STEM = chip_address().replace(":", "_")
KEY_OPTIONS = {
    "alias": GLib.Variant("s", "other"),
    "side": GLib.Variant("s", "right"),
    "key": GLib.Variant("ay", OTHER_KEY),
    "connect": GLib.Variant("b", False),
}


def obstruct(path: Path) -> None:
    """Put a folder there that no file can replace: unlike modes, that stops root too."""
    (path / "in the way").mkdir(parents=True)


def clear(path: Path) -> None:
    (path / "in the way").rmdir()
    path.rmdir()


def files(directory: Path) -> dict[str, bytes]:
    """All but what is measured, which is none of a caller's business."""
    found = (
        path
        for path in directory.rglob("*")
        if path.is_file() and path.name != "live" and not path.name.startswith("history.db")
    )
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


@pytest.mark.parametrize("obstacle", [f"keys/{STEM}.new", f"keys/{STEM}.key", f"chips/{STEM}.conf"])
def test_add_with_key(
    virtual_bluez: Callable[..., Any], core2d: Callable[..., Core2d], obstacle: str
) -> None:
    virtual_bluez()
    daemon = core2d()
    obstruct(daemon.state_directory / obstacle)
    with raises_bus_error(ERROR + "Storage"):
        daemon.manager.call("AddChip", chip_address(), KEY_OPTIONS)
    assert chip_path() not in daemon.objects()
    clear(daemon.state_directory / obstacle)
    assert files(daemon.state_directory) == {}
    daemon.restart()
    assert chip_path() not in daemon.objects()
    daemon.manager.call("AddChip", chip_address(), KEY_OPTIONS)
    assert bytes(daemon.chip().call("GetKey")) == OTHER_KEY


def test_add_again_with_key(
    virtual_bluez: Callable[..., Any], core2d: Callable[..., Core2d]
) -> None:
    """A chip that is known already keeps what it had."""
    virtual_bluez()
    daemon = core2d()
    # What core2d learns of Bluetooth changes the chip's properties, too.
    daemon.manager.wait_property("AdapterState", "on")
    before = {"alias": GLib.Variant("s", "old"), "key": GLib.Variant("ay", OLD_KEY)}
    chip = daemon.add(0, ready=False, connect=GLib.Variant("b", False), **before)
    chip.wait_property("StatusText", lambda text: text != "starting")
    obstacle = daemon.state_directory / f"keys/{STEM}.new"
    obstruct(obstacle)
    stored = files(daemon.state_directory)
    properties = chip.get_all()
    with raises_bus_error(ERROR + "Storage"):
        daemon.manager.call("AddChip", chip_address(), KEY_OPTIONS)
    with raises_bus_error(ERROR + "Storage"):
        chip.call("SetKey", OTHER_KEY)
    assert chip.get_all() == properties
    assert files(daemon.state_directory) == stored
    clear(obstacle)
    daemon.restart()
    assert bytes(chip.call("GetKey")) == OLD_KEY
    assert chip.get("Alias") == "old"
    assert chip.get("Side") == "unknown"


def test_pair_without_room_for_the_key(shoe: Shoe) -> None:
    """The chip never gets a key that is not on disk."""
    shoe.give_key()
    shoe.quirks(auth_key="accept")
    away = shoe.keys.rename(shoe.keys.with_name("away"))
    with raises_bus_error(ERROR + "Storage"):
        shoe.pair()
    assert shoe.chip.get("PairingState") == "failed"
    assert shoe.key == shoe.stored_key == OLD_KEY
    away.rename(shoe.keys)
    shoe.pair()
    shoe.wait_key()
    assert shoe.key != OLD_KEY


def test_pair_that_cannot_be_confirmed(shoe: Shoe) -> None:
    """The chip has the key, which stays pending until it can become the key."""
    obstacle = shoe.keys / f"{STEM}.key"
    obstruct(obstacle)
    shoe.quirks(auth_key="accept")
    with raises_bus_error(ERROR + "Storage"):
        shoe.pair()
    assert shoe.chip.get("PairingState") == "failed"
    # The next connection finds out that the chip has it, and cannot confirm it either.
    shoe.reconnect()
    shoe.hands.wait_property("Authenticated", True)
    wait_for(lambda: "cannot rename" in shoe.daemon.stderr, what="a warning")
    clear(obstacle)
    shoe.reconnect()
    shoe.wait_key()


def test_steps_that_cannot_be_saved(shoe: Shoe) -> None:
    """No pairing, which would reset the chip's counter, before its steps are safe."""
    shoe.walk(20)
    record = shoe.daemon.state_directory / f"chips/{STEM}.conf"
    content = record.read_bytes()
    record.unlink()
    obstruct(record)
    with raises_bus_error(ERROR + "Storage"):
        shoe.pair()
    assert shoe.key == b""
    assert shoe.hands.get("Resets") == 0
    clear(record)
    record.write_bytes(content)
    shoe.quirks(auth_key="accept")
    shoe.pair()
    assert shoe.chip.get("StepsTotal") == 20
