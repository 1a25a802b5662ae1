# SPDX-License-Identifier: LGPL-2.1-or-later
"""A thousand remembered chips, a hundred of them connected, two adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bus_meter import CallMeter, match_rules
from gi.repository import GLib
from harness import (
    CORE2,
    STANDING,
    Bus,
    Core2d,
    VirtualBluez,
    VirtualChips,
    chip_address,
    chip_path,
    wait_for,
)
from population import PATIENCE, States, remember_devices, remember_many

Bluez = Callable[..., VirtualBluez]
Chips = Callable[..., VirtualChips]
Daemon = Callable[..., Core2d]

REMEMBERED = 1000
AWAKE = 100
CENTRALS = ["/org/bluez/hci0", "/org/bluez/hci1"]


def rss_kib(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def count_chips(daemon: Core2d) -> int:
    return sum(CORE2 in interfaces for interfaces in daemon.objects().values())


def test_f16_a_thousand_chips_appear_and_vanish(
    bus: Bus,
    virtual_bluez: Bluez,
    virtual_chip: Chips,
    core2d: Daemon,
    record_property: Callable[..., None],
) -> None:
    """Most sleep, and keep none of those that are awake from being connected, nor one that wakes late."""
    bluez = virtual_bluez("--centrals", "2", "--peripherals", str(AWAKE + 1))
    models = virtual_chip(*(f"hci{i + 2}" for i in range(AWAKE + 1)), args=STANDING)
    daemon = core2d()
    models[AWAKE].call("Sleep")
    remember_many(daemon, REMEMBERED)
    meter = CallMeter(bus, CORE2)
    states = States(daemon)
    assert count_chips(daemon) == REMEMBERED

    # Half of them on each adapter; those that are awake it hears.
    remember_devices(bluez, AWAKE, REMEMBERED, centrals=2)
    awake = {chip_path(i) for i in range(AWAKE)}
    wait_for(lambda: states.ready() >= awake, PATIENCE, "all that are awake")
    assert states.ready() == awake
    models[AWAKE].call("Shake")
    wait_for(lambda: chip_path(AWAKE) in states.ready(), PATIENCE, "the one that woke")
    # What they count from is known then.
    for i in range(AWAKE):
        daemon.chip(i).wait_property("StepsUpdated", lambda time: time > 0)
    for i in range(AWAKE):
        models[i].call("Step", 7)
    for i in range(AWAKE):
        daemon.chip(i).wait_property("StepsTotal", 7)
    rules, rss = match_rules(bus, CORE2), rss_kib(daemon.pid)
    record_property("rss_kib", str(rss))
    print(f"{REMEMBERED} chips, {AWAKE + 1} connected: {rss} KiB, {rules} match rules")
    assert rules <= 4
    # A sanitizer has books of its own.
    assert rss < 40 * 1024 or "libasan" in Path(f"/proc/{daemon.pid}/maps").read_text()

    bluez.kill()
    wait_for(lambda: not states.ready(), PATIENCE, "the end of all links")
    assert count_chips(daemon) == REMEMBERED
    assert match_rules(bus, CORE2) == rules
    connects, others, calls = meter.most()
    print(f"at once {connects} Connect and {others} other calls, {calls} together")
    assert connects > 12
    # What dbus-daemon grants.
    assert calls < 128


def test_f34_one_chip_heard_by_two_adapters(
    virtual_bluez: Bluez, virtual_chip: Chips, core2d: Daemon
) -> None:
    bluez = virtual_bluez("--centrals", "2", "--peripherals", "1")
    models = virtual_chip("hci2", args=STANDING)
    daemon = core2d()
    devices = {f"{central}/dev_{chip_address().replace(':', '_')}" for central in CENTRALS}

    def heard_by_both() -> bool:
        daemon.manager.call("Scan", {"timeout": GLib.Variant("u", 2)})
        return devices <= set(bluez.bus.managed_objects("org.bluez", "/"))

    wait_for(heard_by_both, what="the chip in a scan of both adapters")
    assert count_chips(daemon) == 1
    chip = daemon.add_counting(0)
    used = chip.get("Adapter")
    for central in CENTRALS:
        adapter = bluez.remote(central, "org.bluez.Adapter1")
        if adapter.get("Address") == used:
            adapter.set("Powered", False)
    models[0].call("Step", 9)
    chip.wait_property("Adapter", lambda address: address not in ("", used))
    chip.wait_property("State", "ready")
    chip.wait_property("StepsTotal", 9)
    assert count_chips(daemon) == 1
    assert len(bluez.control.call("Links")) == 1
