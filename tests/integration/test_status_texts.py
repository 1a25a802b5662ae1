# SPDX-License-Identifier: LGPL-2.1-or-later
"""StatusText and LastError say why a chip is not there: every row of README's tables, produced and read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bluez_world import ADAPTER, ERROR, PATIENCE, MakeWorld, World
from gi.repository import GLib
from harness import CORE2, CORE2_PATH, HCI0, SOURCE, Remote, device_path, wait_for

NOTIFY_HELD = {"error": "NotPermitted", "message": "Notify acquired"}
OTHER = "F1:4F:BB:00:00:01"
OTHER_PATH = f"{CORE2_PATH}/chip/{OTHER.replace(':', '_')}"
UNKNOWN = {"error": "org.freedesktop.DBus.Error.UnknownObject"}
LIMIT = {"error": "Failed", "message": "le-connection-concurrent-connection-limit", "count": 1}


def documented() -> dict[str, str]:
    """StatusText -> LastError, without the prefix, as README has them."""
    section = (SOURCE / "README.md").read_text().split("## When something does not work")[1]
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]*?) ?\| [^|]*\|$", section.split("\n## ")[0], re.M)
    return {text: error for text, error in rows if text not in ("StatusText", "---")}


def sleep(world: World) -> None:
    world.hands.call("Sleep")


def forget(world: World) -> None:
    world.control("SetInRange", "/org/bluez/hci1", False)
    world.adapter.call("RemoveDevice", device_path())


def lose(**delays: int) -> Callable[[World], None]:
    """What lasts for a moment only may be over before core2d tells of it."""

    def do(world: World) -> None:
        world.options(**delays)
        world.lose_link()

    return do


def fail_connect(**fault: Any) -> Callable[[World], None]:
    def do(world: World) -> None:
        world.fault("Device1.Connect", **fault)
        world.lose_link()

    return do


def switch_off(world: World) -> None:
    world.adapter.set("Powered", False)


def block(world: World) -> None:
    world.properties_changed(HCI0, ADAPTER, PowerState="off-blocked", Powered=False)


def unplug(world: World) -> None:
    world.control("RemoveAdapter", HCI0)


def stop_bluez(world: World) -> None:
    world.bluez.stop()


def resolve_never(world: World) -> None:
    world.options(resolve_delay=-1)
    world.lose_link()


def answer_never(world: World) -> None:
    world.fault("GattCharacteristic1.ReadValue", never_answer=True, count=1)
    world.chip.call_async("ReadBattery")


def services_stale(world: World) -> None:
    world.fault("GattCharacteristic1.ReadValue", world.characteristic().path, **UNKNOWN)
    world.lose_link()


def lack_steps(world: World) -> None:
    world.hands.call("SetQuirk", "missing", GLib.Variant("s", "steps"))
    world.adapter.call("RemoveDevice", device_path())


def resume(world: World) -> None:
    """logind's signal, from a connection that has its name."""
    bus = world.bluez.bus
    connection = bus.connect()
    name = GLib.Variant("(su)", ("org.freedesktop.login1", 0))
    dbus = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    assert bus.call_async(*dbus, "RequestName", name, connection).wait() == 1
    connection.emit_signal(
        None,
        "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager",
        "PrepareForSleep",
        GLib.Variant("(b)", (False,)),
    )
    # A reply to this connection comes after its signal, and keeps it until then.
    bus.call_async(*dbus, "GetId", None, connection).wait()


def disconnect(world: World) -> None:
    world.options(disconnect_delay=1000)
    world.chip.call("Disconnect")


def stay_linked(world: World) -> None:
    world.fault("Device1.Disconnect", never_answer=True)
    world.chip.call_async("Disconnect")


def lose_again_and_again(world: World) -> None:
    world.fault("GattCharacteristic1.StartNotify", drop_link_before=True)
    world.lose_link()


def keep_none(world: World) -> None:
    world.chip.call("SetAutoConnect", False)


def find_another(world: World) -> None:
    world.control("AddDevice", HCI0, OTHER, {"Name": "HM0D"})
    world.daemon.manager.call_async("Scan", {"timeout": GLib.Variant("u", 60)})
    wait_for(lambda: OTHER_PATH in world.daemon.objects(), what="the other chip")


def hold_notifications(world: World) -> None:
    world.fault("GattCharacteristic1.StartNotify", world.characteristic().path, **NOTIFY_HELD)
    world.lose_link()


def reject_key(world: World) -> None:
    world.hands.call("SetKey", bytes(range(16)))
    world.chip.call("SetKey", bytes(16))


CASES: dict[str, Callable[[World], None]] = {
    "asleep: shake the chip": sleep,
    "out of reach or asleep: shake the chip": lose_again_and_again,
    "not seen by Bluetooth yet: shake the chip": forget,
    "connecting": lose(connect_delay=1000),
    "connected, reading what the chip offers": lose(resolve_delay=1000),
    "another program is connecting to the chip": fail_connect(error="InProgress", count=1),
    "the Bluetooth adapter holds no more connections": fail_connect(**LIMIT),
    "could not connect: …": fail_connect(error="Failed", message="Input/output error", count=1),
    "Bluetooth is off": switch_off,
    "Bluetooth is blocked (rfkill)": block,
    "there is no Bluetooth adapter": unplug,
    "the Bluetooth service does not run": stop_bluez,
    "connected, but the chip did not tell its services in time": resolve_never,
    "the chip stopped answering": answer_never,
    "Bluetooth's list of the chip's services was out of date": services_stale,
    "Bluetooth's list of the chip's services stays out of date: restart Bluetooth": services_stale,
    "this device has no step counter: is it a Smart Chip 2?": lack_steps,
    "Bluetooth forgot the chip: looking for it again": fail_connect(**UNKNOWN, count=2),
    "the computer was asleep": resume,
    "disconnecting": disconnect,
    "disconnected, though Bluetooth did not confirm it": stay_linked,
    "disconnected as wished, until the next connect": disconnect,
    "keeps no connection by itself": keep_none,
    "seen in a scan, not added": find_another,
    "connected": lose(),
    "connected; another program holds the step notifications, "
    "so the counter is read now and then": hold_notifications,
    "connected, but the chip rejects the key: pair again": reject_key,
}


#: Of those that wait for the end of a time: a shorter one, which the others shall not run into.
CONFIGS = {
    "connected, but the chip did not tell its services in time": "[Link]\nReadyTimeoutSec=5\n",
    "the chip stopped answering": "[Link]\nRequestTimeoutSec=1\n",
}


def test_every_row_is_tested() -> None:
    assert set(documented()) == set(CASES)


def shown(chip: Remote) -> list[tuple[str, str]]:
    """Each StatusText that was announced, with the LastError that stood beside it."""
    error = ""
    pairs = []
    for interface, changed, _invalidated in chip.changes.args:
        if interface != CORE2:
            continue
        error = changed.get("LastError", error)
        if "StatusText" in changed:
            pairs.append((changed["StatusText"], error))
        elif "LastError" in changed and pairs:
            pairs.append((pairs[-1][0], error))
    return pairs


@pytest.mark.parametrize("text", CASES)
def test_status(make_world: MakeWorld, tmp_path: Path, text: str) -> None:
    config = tmp_path / "core2d.conf"
    config.write_text(CONFIGS.get(text, ""))
    world = make_world(daemon_args=[f"--config={config}"])
    other = text == "seen in a scan, not added"
    chip = world.daemon.chip(OTHER_PATH) if other else world.chip
    chip.changes.clear()
    CASES[text](world)
    error = documented()[text]
    if other:
        assert (chip.get("StatusText"), chip.get("LastError")) == (text, "")
        return
    pattern = re.compile(re.escape(text).replace("…", ".+"))
    wanted = ERROR + error if error else None

    def is_shown() -> bool:
        return any(
            pattern.fullmatch(said) and wanted in (None, beside) for said, beside in shown(chip)
        )

    try:
        wait_for(is_shown, PATIENCE, f"{text!r} with {error!r}")
    except AssertionError as failure:
        raise AssertionError(f"{failure}: {shown(chip)}") from failure
    if not world.bluez.running:
        world.bluez.start()
    world.control("ClearFaults")
