# SPDX-License-Identifier: LGPL-2.1-or-later
"""What core2d is to systemd: notifications, watchdog, log level, reloading."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from bluez_world import World
from gi.repository import GLib
from harness import CORE2, STANDING, Bus, Core2d, ServiceManager, VirtualBluez, VirtualChips
from harness import raises_bus_error, wait_for
from harness.bus import PROPERTIES

LOG_CONTROL = "/org/freedesktop/LogControl1"
LOG_INTERFACE = "org.freedesktop.LogControl1"


def test_status(
    manager: ServiceManager,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    """READY=1 once, and STATUS= says how many chips do what."""
    daemon = core2d(env=manager.env)
    manager.wait("READY=1")
    manager.wait("STATUS=0 chips: 0 ready, 0 asleep or away; Bluetooth: no-bluez")
    virtual_bluez("--peripherals=3")
    chips = virtual_chip("hci1", "hci2", args=STANDING)
    daemon.add(0)
    manager.wait("STATUS=1 chip: 1 ready, 0 asleep or away; Bluetooth: on")
    daemon.add(1)
    daemon.add(2, ready=False)
    manager.wait("STATUS=3 chips: 2 ready, 1 asleep or away; Bluetooth: on")
    chips[1].call("Vanish")
    manager.wait("STATUS=3 chips: 1 ready, 2 asleep or away; Bluetooth: on")
    assert "WATCHDOG=1" not in manager.lines
    daemon.stop()
    manager.wait("STOPPING=1")
    assert manager.lines.count("READY=1") == 1


def test_watchdog(manager: ServiceManager, core2d: Callable[..., Core2d]) -> None:
    """Fed while the bus answers, and not for another process."""
    daemon = core2d(env=manager.env | {"WATCHDOG_USEC": "4000000"})
    manager.wait("WATCHDOG=1", count=3)
    daemon.stop()
    fed = manager.lines.count("WATCHDOG=1")
    core2d(env=manager.env | {"WATCHDOG_USEC": "400000", "WATCHDOG_PID": str(os.getpid())})
    manager.wait("READY=1", count=2)
    assert manager.lines.count("WATCHDOG=1") == fed


def test_log_level(bus: Bus, core2d: Callable[..., Core2d]) -> None:
    """As `systemctl service-log-level` sets it."""
    daemon = core2d()

    def get(name: str) -> str:
        args = GLib.Variant("(ss)", (LOG_INTERFACE, name))
        return bus.call(CORE2, LOG_CONTROL, PROPERTIES, "Get", args)

    def set_property(name: str, value: str) -> None:
        args = GLib.Variant("(ssv)", (LOG_INTERFACE, name, GLib.Variant("s", value)))
        bus.call(CORE2, LOG_CONTROL, PROPERTIES, "Set", args)

    assert get("SyslogIdentifier") == "core2d"
    assert get("LogTarget") == "console"
    assert get("LogLevel") == "info"
    assert "debug: " not in daemon.stderr
    for level in ("debug", "err", "warning", "notice", "info"):
        set_property("LogLevel", level)
        assert get("LogLevel") == level
    for name, value in (("LogLevel", "loud"), ("LogTarget", "kmsg")):
        with raises_bus_error("org.freedesktop.DBus.Error.InvalidArgs"):
            set_property(name, value)
    assert get("LogLevel") == "info"
    for target in ("journal", "console", "auto"):
        set_property("LogTarget", target)
        assert get("LogTarget") == ("console" if target == "auto" else target)
        before = daemon.stderr.count("log level is now info")
        set_property("LogLevel", "info")
        # Nothing is lost where there is no journal.
        if target != "journal" or not Path("/run/systemd/journal/socket").exists():
            wait_for(lambda n=before: daemon.stderr.count("log level is now info") > n, what="a line")
    assert "log level is now debug" in daemon.stderr


def test_quiet_in_normal_running(world: World) -> None:
    """No line for steps and for what clients ask; two for a link that broke and came back."""
    chip = world.chip
    lines = world.daemon.stderr.splitlines()
    for walked in range(10, 210, 10):
        world.hands.call("Step", 10)
        chip.wait_property("StepsTotal", walked)
    for method in ("ReadBattery", "ReadSteps", "ReadTime", "ReadOrientation", "ReadInfo"):
        chip.call(method)
    with raises_bus_error("org.example.Core2.Error.NotFound"):
        world.daemon.manager.call("FindChip", "nobody")
    assert world.daemon.stderr.splitlines() == lines
    world.lose_link()
    world.ready_again()
    more = world.daemon.stderr.splitlines()[len(lines) :]
    assert [line.rpartition(": link: ")[2] for line in more] == ["the connection ended", "connected"]


def test_reload(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> None:
    """SIGHUP: a new configuration counts, a bad one is refused with its place, what is unknown is named."""
    virtual_bluez()
    file = tmp_path / "core2d.conf"
    file.write_text("[Scan]\nTimeoutSec=5\n")
    daemon = core2d("--config", str(file))

    def reload(expected: str) -> None:
        before = len(daemon.stderr)
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: expected in daemon.stderr[before:], what=expected)

    drop_in = tmp_path / "core2d.conf.d/50-local.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("# mine\n[Scan]\nTimeoutSec=1\nTimeout=3\n[Scann]\nTimeoutSec=2\n")
    reload("configuration read again")
    assert f"warning: {drop_in}:4: no option of [Scan] is called Timeout, ignored" in daemon.stderr
    assert f"warning: {drop_in}:5: no group is called [Scann], ignored" in daemon.stderr
    assert daemon.manager.call("Scan", {}) == []

    drop_in.write_text("[Scan]\n\nTimeoutSec=61\n")
    reload(f"{drop_in}:3: [Scan] TimeoutSec=61 is not valid: it must be from 1 to 60")
    assert "the old configuration stays" in daemon.stderr
    assert daemon.manager.call("Scan", {}) == []


def test_bad_configuration_at_the_start(bus: Bus, core2d: Callable[..., Core2d], tmp_path: Path) -> None:
    """It does not run with settings that nobody meant."""
    file = tmp_path / "core2d.conf"
    file.write_text("[Days]\nDayStart=25:00\n")
    daemon = core2d()
    program = daemon.argv[0]
    daemon.stop()
    process = bus.start([program, "--config", str(file), f"--state-directory={tmp_path}"])
    assert process.wait() == 1
    assert f"{file}:2: [Days] DayStart=25:00 is not valid" in process.stderr
    bus.processes.remove(process)
