# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys are nowhere but in the chip, in their file, and in the answer to who may ask for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gi.repository import GLib
from harness import Result, chip_address, raises_bus_error
from harness.programs import let_core2d_answer
from shoe import OLD_KEY, Shoe


def test_keys_are_secret(shoe: Shoe) -> None:
    """No key in the log, in what any object shows, or in a file outside of its directory."""
    log_everything(shoe)
    signals = shoe.chip.bus.signals("org.example.Core2")
    shoe.give_key()
    shoe.quirks(auth_key="accept")
    shoe.pair()
    keys = [OLD_KEY, shoe.key]
    assert shoe.stored_key == shoe.key
    shoe.reconnect()
    shoe.hands.wait_property("Authenticated", True)
    shown = repr(shoe.daemon.objects()) + repr(signals.args)
    log = shoe.daemon.process.stderr_path.read_bytes()
    assert chip_address().encode() in log
    for key in keys:
        for text in spellings(key):
            assert text.lower() not in log.lower()
            assert text.decode("latin-1").lower() not in shown.lower()
        assert key not in log
    for file in shoe.daemon.state_directory.rglob("*"):
        if file.is_file() and file.parent != shoe.keys:
            assert not any(key in file.read_bytes() for key in keys), file


def log_everything(shoe: Shoe) -> None:
    interface = "org.freedesktop.LogControl1"
    args = GLib.Variant("(ssv)", (interface, "LogLevel", GLib.Variant("s", "debug")))
    path = "/org/freedesktop/LogControl1"
    shoe.chip.bus.call("org.example.Core2", path, "org.freedesktop.DBus.Properties", "Set", args)


def spellings(key: bytes) -> list[bytes]:
    """The ways in which a programmer prints bytes; the first half would be enough to harm."""
    half = key[:8]
    return [
        half.hex().encode(),
        half.hex(" ").encode(),
        half.hex(":").encode(),
        ", ".join(str(byte) for byte in half).encode(),
    ]


#: A sanitizer's own books are larger than all memory of the daemon.
AREA_MAX = 1 << 30


def memory_of(pid: int) -> bytes:
    """All that a dump of the process would hold, and more."""
    content = bytearray()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            area, permissions, *_ = line.split()
            start, end = (int(limit, 16) for limit in area.split("-"))
            if not permissions.startswith("rw") or end - start > AREA_MAX:
                continue
            memory.seek(start)
            content += memory.read(end - start)
    return bytes(content)


def test_memory_is_wiped(shoe: Shoe) -> None:
    """After each use of a key no copy of it is left that a dump or the swap could show."""
    shoe.give_key()
    call = shoe.chip.call_async("Pair", {})
    shoe.hands.wait_property("PairingWaitsForShake", True)
    (pending,) = (file for file in shoe.keys.iterdir() if file.suffix == ".pending")
    new_key = pending.read_bytes()
    # As long as it is needed it is there: this is how it would be found afterwards.
    assert new_key in memory_of(shoe.daemon.pid)

    shoe.hands.call("Shake")
    call.wait()
    assert shoe.stored_key == shoe.key == new_key
    shoe.reconnect()
    shoe.wait_key()
    # What is refused before its key is looked at has one all the same.
    refused_key = bytes(range(0xC0, 0xD0))
    options = {"unknown": GLib.Variant("b", True), "key": GLib.Variant("ay", refused_key)}
    for refuse in (
        lambda: shoe.chip.call("Pair", options),
        lambda: shoe.daemon.manager.call("AddChip", chip_address(1), options),
        lambda: shoe.daemon.manager.call("AddChip", "no address", options),
    ):
        with raises_bus_error("org.example.Core2.Error.InvalidArguments"):
            refuse()
    # A message is freed after the answer to it, before the next one.
    let_core2d_answer(shoe.bluez.bus)
    memory = memory_of(shoe.daemon.pid)
    for key in (OLD_KEY, new_key, refused_key):
        assert key not in memory
        assert key.hex().encode() not in memory


def test_other_commands_show_none(shoe: Shoe, run_command: Callable[..., Result]) -> None:
    """Only core2ctl's own command for keys prints one."""
    shoe.give_key()
    shown = run_command("core2ctl", "key", "show")
    assert shown.status == 0, shown.stderr
    assert OLD_KEY.hex() in shown.stdout.lower().replace(" ", "").replace(":", "")
    for command in ("status", "info", "steps", "battery", "today", "metrics"):
        for options in ([], ["--json"]):
            result = run_command("core2ctl", command, *options)
            output = (result.stdout + result.stderr).lower()
            for text in spellings(OLD_KEY):
                assert text.decode("latin-1") not in output, command
