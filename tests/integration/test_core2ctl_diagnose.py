# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2ctl diagnose: everything that helps, and nothing that is secret."""

from __future__ import annotations

import json
import platform
import re
from typing import Any

import pytest
from bluez_world import ERROR, STEPS, World
from gi.repository import GLib
from harness import Result, chip_address, device_path, wait_for

KEY = bytes(range(0xC0, 0xD0))
ADDRESS = re.compile(r"[0-9A-F]{2}([:_][0-9A-F]{2}){5}")


def diagnose(run_command: Any, *args: str) -> str:
    result: Result = run_command("core2ctl", "diagnose", *args)
    assert result.status == 0, result.stderr
    return result.stdout


def test_report(world: World, run_command: Any) -> None:
    world.fault("Device1.Connect", error="Failed", message="Input/output error", count=1)
    world.lose_link()
    world.ready_again()
    report = json.loads(diagnose(run_command, "--json"))
    assert report["core2d_version"] == world.daemon.manager.get("Version")
    assert report["core2ctl_version"] == report["core2d_version"]
    assert report["kernel"] == platform.release()
    # What virtual BlueZ plays.
    assert report["bluez_version"] == "5.66"
    assert [adapter["adapter"] for adapter in report["adapters"]] == ["hci0", "hci1", "hci2"]
    assert report["adapters"][0]["address"] == world.adapter.get("Address")
    (chip,) = report["chips"]
    assert (chip["address"], chip["state"], chip["status_text"]) == (chip_address(), "ready", "connected")
    failed, ended = chip["errors"]
    assert (failed["name"], failed["detail"], failed["count"]) == (
        ERROR + "Failed",
        "Input/output error",
        1,
    )
    assert (ended["name"], ended["detail"]) == (ERROR + "NotConnected", "the connection ended")
    assert chip["last_error"] is None
    (device,) = chip["devices"]
    assert device["adapter"] == "hci0"
    assert device["connected"] and device["trusted"]
    table = {
        characteristic["uuid"]: characteristic
        for service in device["services"]
        for characteristic in service["characteristics"]
    }
    assert table[STEPS]["flags"] == "read notify"
    assert table[STEPS]["notifying"] is True


def test_report_for_people(world: World, run_command: Any) -> None:
    text = diagnose(run_command)
    assert "bluez_version: 5.66\n" in text
    assert f"  address: {chip_address()}\n" in text
    assert f"uuid: {STEPS}\n" in text
    assert diagnose(run_command, chip_address()).count("status_text: connected") == 1


def test_without_bluez(world: World, run_command: Any) -> None:
    world.bluez.stop()
    world.chip.wait_property("LastError", ERROR + "BluezUnavailable")
    report = json.loads(diagnose(run_command, "--json"))
    assert report["adapter_state"] == "no-bluez"
    assert report["bluez_answers"] is False
    assert report["chips"][0]["errors"][0]["name"] == ERROR + "BluezUnavailable"
    world.bluez.start()


def test_start_is_no_error(world: World) -> None:
    """core2d does not take Bluetooth for missing while it asks for it."""
    world.daemon.stop()
    world.hands.wait_property("Connected", False)
    world.daemon.start()
    world.ready_again()
    assert world.chip.call("GetErrors") == []


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_secret(world: World, run_command: Any, form: list[str]) -> None:
    world.hands.call("SetKey", KEY)
    world.chip.call("SetKey", KEY)
    world.hands.wait_property("Authenticated", True)
    world.chip.call("SetAlias", "Anna's red shoe")
    world.daemon.manager.call("Scan", {"timeout": GLib.Variant("u", 1)})
    # BlueZ and the bus name objects in what they say.
    world.fault("Device1.Connect", error="Failed", message=f"no {device_path()}", count=1)
    world.lose_link()
    world.ready_again()
    full = diagnose(run_command, *form)
    assert device_path() in full
    assert "Anna's red shoe" in full
    assert ADDRESS.search(full)
    short = diagnose(run_command, "--shorten-addresses", *form)
    assert not ADDRESS.search(short)
    assert "Anna" not in short
    assert "..:79" in short
    for text in (full, short):
        assert KEY.hex() not in text.lower().replace(" ", "")


def test_errors_in_a_row_are_one(world: World) -> None:
    """At most 16 are kept, newest first."""
    world.fault("Device1.Connect", error="Failed", message="le-connection-abort-by-local", count=3)
    world.lose_link()
    world.ready_again()
    errors = world.chip.call("GetErrors")
    assert [(count, name) for _time, count, name, _detail in errors] == [
        (3, ERROR + "Asleep"),
        (1, ERROR + "NotConnected"),
    ]
    assert errors[0][0] >= errors[1][0] > 0
    for _ in range(9):
        world.fault("Device1.Connect", error="Failed", message="le-connection-abort-by-local", count=1)
        world.lose_link()
        seen = len(world.chip.announced("State"))
        wait_for(
            lambda: "ready" in world.chip.announced("State")[seen:] or world.chip.get("Connected"),
            what="the link",
        )
    assert len(world.chip.call("GetErrors")) == 16
