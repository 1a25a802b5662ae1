# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of core2d stand on: a bus, programs on it, waiting for conditions."""

import gi

gi.require_version("Gio", "2.0")
gi.require_version("GLib", "2.0")

from .bus import Bus, BusError, Pending, Signal, SignalLog, raises_bus_error  # noqa: E402
from .clock import VirtualClock  # noqa: E402
from .faults import HCI0, STANDING, BluezFaults, device_path, variant  # noqa: E402
from .ledger import Ledger  # noqa: E402
from .loop import TIMEOUT, iterate, wait_for  # noqa: E402
from .manager import ServiceManager  # noqa: E402
from .process import Process, ProcessDied, Result, run_command  # noqa: E402
from .programs import (  # noqa: E402
    CORE2,
    CORE2_PATH,
    Core2d,
    VirtualBluez,
    VirtualChips,
    build_directory,
    chip_address,
    chip_path,
)
from .raw import RawClient  # noqa: E402
from .remote import SOURCE, Remote, contract  # noqa: E402
from .stage import Stage  # noqa: E402

__all__ = [
    "CORE2",
    "CORE2_PATH",
    "HCI0",
    "SOURCE",
    "STANDING",
    "TIMEOUT",
    "BluezFaults",
    "Bus",
    "BusError",
    "Core2d",
    "Ledger",
    "Pending",
    "Process",
    "ProcessDied",
    "RawClient",
    "Remote",
    "Result",
    "ServiceManager",
    "Signal",
    "SignalLog",
    "Stage",
    "VirtualBluez",
    "VirtualChips",
    "VirtualClock",
    "build_directory",
    "chip_address",
    "chip_path",
    "contract",
    "device_path",
    "iterate",
    "raises_bus_error",
    "run_command",
    "variant",
    "wait_for",
]
