# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's bluetoothctl judges virtual BlueZ: it must work with it as with bluetoothd."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from harness import Bus, VirtualBluez, VirtualChips, chip_address, wait_for
from harness.terminal import Terminal

STEPS = "00000007-0000-3512-2118-0009af100700"
HARDWARE_REVISION = "00002a27-0000-1000-8000-00805f9b34fb"


class Bluetoothctl:
    """An interactive bluetoothctl."""

    def __init__(self, bus: Bus) -> None:
        self.terminal = Terminal(["bluetoothctl"], bus.env, columns=200)

    def run(self, command: str, wanted: str) -> str:
        """Type a command, wait until the wanted pattern shows, and return what came since."""
        start = len(self.terminal.text)
        self.terminal.send(command + "\n")
        try:
            wait_for(
                lambda: re.search(wanted, self.terminal.text[start:]),
                what=f"{wanted!r} after {command!r}",
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.terminal.text[start:]}") from error
        return self.terminal.text[start:]


@pytest.fixture
def options() -> list[str]:
    """Arguments of virtual BlueZ."""
    return []


@pytest.fixture
def bluetoothctl(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    options: list[str],
) -> Iterator[Bluetoothctl]:
    virtual_bluez(*options)
    virtual_chip("hci1", args=["--walk", "110"])
    tool = Bluetoothctl(bus)
    tool.terminal.wait_text("Agent registered")
    yield tool
    tool.terminal.send("quit\n")
    assert tool.terminal.wait() == 0
    tool.terminal.close()


def test_lists_the_adapters(bluetoothctl: Bluetoothctl) -> None:
    listed = bluetoothctl.run("list", rf"Controller {chip_address(1)}")
    assert "Controller 00:AA:01:00:00:00 virtual-0 [default]" in listed
    shown = bluetoothctl.run("show", "Roles: peripheral")
    assert "Powered: yes" in shown and "Roles: central" in shown


def test_scans(bluetoothctl: Bluetoothctl) -> None:
    found = bluetoothctl.run("scan on", rf"NEW.*Device {chip_address()} HM0D")
    assert "Discovery started" in found
    bluetoothctl.run("scan off", "Discovery stopped")
    bluetoothctl.run("devices", rf"Device {chip_address()} HM0D")
    described = bluetoothctl.run(f"info {chip_address()}", "ManufacturerData Key: 0x0157")
    assert "Connected: no" in described
    assert "0000fee0-0000-1000-8000-00805f9b34fb" in described
    assert "RSSI" not in described  # known only while somebody discovers


# bluetoothd may or may not signal Connected after a Connect(); bluetoothctl must manage with both.
@pytest.mark.parametrize("options", [[], ["--signal-connected"]])
def test_connects_reads_and_subscribes(bluetoothctl: Bluetoothctl, options: list[str]) -> None:
    address = chip_address()
    bluetoothctl.run("scan on", rf"NEW.*Device {address} HM0D")
    bluetoothctl.run("scan off", "Discovery stopped")
    bluetoothctl.run(f"connect {address}", "Connection successful")
    if options:
        bluetoothctl.run(f"info {address}", "Connected: yes")
    bluetoothctl.run("menu gatt", "Print environment variables")
    # What the list does not have yet is announced below it.
    descriptor = r"/service[0-9a-f]{4}/char[0-9a-f]{4}/desc[0-9a-f]{4}"
    listed = f"(?s)(?=.*{HARDWARE_REVISION})Characteristic.*{STEPS}.*{descriptor}"
    bluetoothctl.run(f"list-attributes {address}", listed)

    selected = r"service[0-9a-f]{4}/char[0-9a-f]{4}\]"
    bluetoothctl.run(f"select-attribute {HARDWARE_REVISION}", selected)
    bluetoothctl.run("read", r"56 30 2e 31 34 2e 30 2e 32")  # V0.14.0.2
    bluetoothctl.run(f"select-attribute {STEPS}", selected)
    bluetoothctl.run("notify on", "Notify started")
    bluetoothctl.run("", r"(?s)Value:\s.*Value:\s")
    bluetoothctl.run("notify off", "(?s)Notifying: no|Notify stopped")
    bluetoothctl.run("back", "Print environment variables")
    bluetoothctl.run(f"disconnect {address}", "Successful disconnected")
    bluetoothctl.run(f"info {address}", "Connected: no")


def test_removes_a_device(bluetoothctl: Bluetoothctl) -> None:
    bluetoothctl.run("scan on", rf"NEW.*Device {chip_address()} HM0D")
    bluetoothctl.run("scan off", "Discovery stopped")
    bluetoothctl.run(f"remove {chip_address()}", "Device has been removed")
