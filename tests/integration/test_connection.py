# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection comes back by itself, says at each moment why it is not there, and hurts nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import GLib
from harness import Core2d, Remote, VirtualBluez, VirtualChips, chip_address
from harness import raises_bus_error, wait_for

ERROR = "org.example.Core2.Error."
HCI0 = "/org/bluez/hci0"
DEVICE = f"{HCI0}/dev_{chip_address().replace(':', '_')}"
PATIENCE = 120


class Setup:
    """Virtual BlueZ, one chip that stands still, and core2d connected to it."""

    def __init__(self, bluez: VirtualBluez, chips: VirtualChips, daemon: Core2d) -> None:
        self.bluez = bluez
        self.hands = chips[0]
        self.daemon = daemon
        self.chip = daemon.add(0)
        self.chip.wait_property("StepsUpdated", lambda time: time > 0)

    @property
    def adapter(self) -> Remote:
        return self.bluez.remote(HCI0, "org.bluez.Adapter1")

    def options(self, **options: GLib.Variant) -> None:
        self.bluez.control.call("SetOptions", {k.replace("_", "-"): v for k, v in options.items()})

    def fault(self, method: str, path: str = "/", **options: object) -> None:
        kinds = {str: "s", bool: "b", int: "u"}
        self.bluez.control.call(
            "InjectFault",
            method,
            path,
            {k.replace("_", "-"): GLib.Variant(kinds[type(v)], v) for k, v in options.items()},
        )

    def count(self, method: str) -> int:
        return self.bluez.control.call("CallCount", method)

    def ready_again(self) -> None:
        """Ready, and what was walked meanwhile is counted, once."""
        self.chip.wait_property("State", "ready", timeout=PATIENCE)
        self.hands.call("Step", 4)
        self.chip.wait_property("StepsTotal", self.hands.get("StepsWalked"), timeout=PATIENCE)


@pytest.fixture
def setup(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Setup:
    chips = ["--walk=0", "--quirk", "idle-timeout=0", "--time=2024-05-06 08:00:00"]
    return Setup(virtual_bluez(), virtual_chip("hci1", args=chips), core2d())


@pytest.mark.real_bluez
def test_discovery_is_not_held(setup: Setup) -> None:
    assert setup.adapter.get("Discovering") is False
    assert setup.daemon.manager.get("Scanning") is False


@pytest.mark.real_bluez
@pytest.mark.real_bluez_usual
def test_disconnect_stays_away_over_settings(setup: Setup) -> None:
    setup.chip.call("Disconnect")
    assert setup.chip.get("State") == "disconnected"
    setup.chip.call("SetKey", bytes(range(16)))
    setup.daemon.add(0, ready=False, alias=GLib.Variant("s", "red"))
    assert setup.chip.get("Alias") == "red"
    with raises_bus_error(ERROR + "NotConnected"):
        setup.chip.call("ReadSteps")
    assert setup.chip.get("State") == "disconnected"
    assert setup.bluez.remote(DEVICE, "org.bluez.Device1").get("Trusted") is False
    setup.chip.call("Connect", {})
    setup.ready_again()


@pytest.mark.real_bluez
def test_read_connects_a_chip_that_keeps_no_connection(setup: Setup) -> None:
    setup.chip.call("SetAutoConnect", False)
    setup.chip.wait_property("State", "disconnected")
    setup.hands.call("Step", 3)
    assert setup.chip.call("ReadSteps")[0] == 3
    setup.chip.wait_property("State", "disconnected", timeout=PATIENCE)
    assert setup.chip.get("StepsTotal") == 3


@pytest.mark.parametrize(
    ("off", "on", "text"),
    [
        (("Powered", False), ("Powered", True), "Bluetooth is off"),
        (("blocked", True), ("blocked", False), "Bluetooth is off"),
    ],
)
def test_adapter_off_and_on(
    setup: Setup, off: tuple[str, bool], on: tuple[str, bool], text: str
) -> None:
    def switch(what: tuple[str, bool]) -> None:
        if what[0] == "Powered":
            setup.adapter.set(*what)
        else:
            setup.bluez.control.call("SetBlocked", HCI0, what[1])

    switch(off)
    setup.chip.wait_property("StatusText", text)
    assert setup.chip.get("State") == "waiting"
    with raises_bus_error(ERROR + "AdapterUnavailable"):
        setup.chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
    setup.hands.call("Step", 6)
    switch(on)
    setup.ready_again()


def test_adapter_comes_back_under_another_index(setup: Setup) -> None:
    address = setup.adapter.get("Address")
    setup.bluez.control.call("RemoveAdapter", HCI0)
    setup.chip.wait_property("StatusText", "there is no Bluetooth adapter")
    setup.hands.call("Step", 6)
    setup.bluez.control.call("AddAdapter", 10, {"address": GLib.Variant("s", address)})
    setup.ready_again()
    assert setup.chip.get("Adapter") == address


def test_sleep_is_normal(setup: Setup) -> None:
    setup.options(connect_timeout=GLib.Variant("i", 1500))
    setup.hands.call("Sleep")
    setup.chip.wait_property("StatusText", "asleep: shake the chip", timeout=PATIENCE)
    assert setup.chip.get("State") == "waiting"
    with raises_bus_error(ERROR + "Asleep"):
        setup.chip.call("Connect", {"timeout": GLib.Variant("u", 1)})
    assert setup.adapter.get("Discovering") is False
    setup.hands.call("Shake")
    setup.ready_again()


def test_abort_by_local_is_retried_at_once(setup: Setup) -> None:
    setup.fault(
        "Device1.Connect",
        error="org.bluez.Error.Failed",
        message="le-connection-abort-by-local",
        flash_connected=True,
        count=3,
    )
    before = setup.count("Device1.Connect")
    setup.hands.call("DropLink")
    setup.chip.wait_property("Connected", False)
    setup.ready_again()
    assert setup.count("Device1.Connect") - before == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("org.bluez.Error.Failed", "Input/output error"),
        ("org.bluez.Error.NotReady", "Resource Not Ready"),
        ("org.bluez.Error.Failed", "Software caused connection abort"),
    ],
)
def test_connect_fails_and_then_works(setup: Setup, name: str, message: str) -> None:
    setup.fault("Device1.Connect", error=name, message=message, count=1)
    setup.hands.call("DropLink")
    setup.chip.wait_property("Connected", False)
    setup.ready_again()


@pytest.mark.real_bluez
def test_device_removed_by_another_tool(setup: Setup) -> None:
    setup.adapter.call("RemoveDevice", DEVICE)
    setup.chip.wait_property("Connected", False)
    setup.hands.call("Step", 5)
    setup.ready_again()


@pytest.mark.real_bluez
@pytest.mark.real_bluez_usual
def test_one_notification_gives_one_signal_after_reconnects(setup: Setup) -> None:
    for _ in range(3):
        count = len(setup.chip.announced("State"))
        setup.hands.call("DropLink")
        wait_for(lambda: "ready" in setup.chip.announced("State")[count:], what="the link")
    stepped = setup.chip.signals("StepsChanged")
    for steps in (4, 2):
        setup.hands.call("Step", steps)
        wait_for(lambda: steps in [args[1] for args in stepped.args], what="its signal")
    assert [delta for _steps, delta, _time in stepped.args if delta > 0] == [4, 2]


def test_notifications_held_by_another_program(setup: Setup) -> None:
    setup.fault(
        "GattCharacteristic1.StartNotify",
        error="org.bluez.Error.NotPermitted",
        message="Notify acquired",
        count=1,
    )
    setup.hands.call("DropLink")
    setup.chip.wait_property("StatusText", lambda text: "another program" in text)
    assert setup.chip.get("State") == "ready"
    setup.hands.call("Step", 9)
    assert setup.chip.call("ReadSteps")[0] == 9
    assert setup.chip.get("StepsTotal") == 9


def test_services_never_resolved(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> None:
    config = tmp_path / "core2d.conf"
    config.write_text("[Link]\nReadyTimeoutSec=5\n")
    bluez = virtual_bluez("--resolve-delay=-1")
    chips = virtual_chip("hci1", args=["--walk=0", "--quirk", "idle-timeout=0"])
    daemon = core2d("--config", str(config))
    chip = daemon.add(0, ready=False)
    chip.wait_property("LastError", ERROR + "Timeout", timeout=PATIENCE)
    assert "services" in chip.get("StatusText")
    bluez.control.call("SetOptions", {"resolve-delay": GLib.Variant("i", 10)})
    chip.wait_property("State", "ready", timeout=PATIENCE)
    assert chips.running


def test_stop_closes_the_link(setup: Setup) -> None:
    assert len(setup.bluez.control.call("Links")) == 1
    setup.daemon.stop()
    wait_for(lambda: setup.bluez.control.call("Links") == [], what="the end of the link")


def test_killed_core2d_adopts_its_link(setup: Setup) -> None:
    setup.daemon.kill()
    assert len(setup.bluez.control.call("Links")) == 1
    setup.hands.call("Step", 8)
    connects = setup.count("Device1.Connect")
    setup.daemon.start()
    setup.chip = setup.daemon.chip(0)
    setup.ready_again()
    assert setup.count("Device1.Connect") == connects


@pytest.mark.real_bluez
def test_a_chip_that_was_only_seen_is_remembered_with_its_key(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    virtual_bluez()
    virtual_chip("hci1", args=["--walk=0", "--quirk", "idle-timeout=0"])
    daemon = core2d()
    (path,) = daemon.manager.call("Scan", {"max": GLib.Variant("u", 1)})
    chip = daemon.chip(path)
    assert chip.get("Remembered") is False
    chip.call("SetKey", bytes(16))
    assert chip.get("Remembered") is True
    daemon.restart()
    assert bytes(daemon.chip(0).call("GetKey")) == bytes(16)
