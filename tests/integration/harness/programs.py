# SPDX-License-Identifier: LGPL-2.1-or-later
"""The project's programs on a bus: virtual BlueZ, virtual chips, core2d."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gi.repository import GLib

from . import real
from .bus import OBJECT_MANAGER, Bus
from .loop import wait_for
from .process import Process
from .remote import Remote

CORE2 = "org.example.Core2"
CORE2_PATH = "/org/example/Core2"
VIRTUAL_BLUEZ = "org.example.VirtualBluez"
VIRTUAL_CHIP = "org.example.VirtualChip"

#: Address of the first peripheral radio of virtual BlueZ.
FIRST_CHIP = 0xF14FBB6AB579


def build_directory() -> Path:
    return Path(os.environ["CORE2_BUILD_DIR"]).resolve()


def chip_address(index: int = 0) -> str:
    """Bluetooth address of the index-th chip (radio hci<centrals + index>)."""
    if real.enabled:
        return real.adapter_address(index + 1)
    return ":".join(re.findall("..", f"{FIRST_CHIP + index:012X}"))


def chip_path(index: int = 0) -> str:
    return f"{CORE2_PATH}/chip/{chip_address(index).replace(':', '_')}"


def let_core2d_answer(bus: Bus) -> None:
    """Return when it has taken all that was sent to it."""
    bus.call(CORE2, "/", "org.freedesktop.DBus.Peer", "Ping")


def let_bluez_answer(bus: Bus) -> None:
    """As let_core2d_answer. To a Ping GDBus has an answer of its own, whatever the program is at."""
    control = ("/org/example/VirtualBluez", "org.example.VirtualBluez1")
    bus.call(VIRTUAL_BLUEZ, *control, "CallCount", GLib.Variant("(s)", ("*",)))


def let_chips_answer(bus: Bus) -> None:
    bus.call(VIRTUAL_CHIP, "/org/example/VirtualChip", OBJECT_MANAGER, "GetManagedObjects")


class Program:
    """A program of the project that owns a bus name; it can be ended and started again."""

    #: A command that runs it, with its arguments.
    wrapper: tuple[str, ...] = ()

    def __init__(
        self, bus: Bus, binary: str, name: str, args: tuple[str, ...], env: Mapping[str, str]
    ) -> None:
        self.bus = bus
        self.name = name
        self.argv = [str(build_directory() / binary), *args]
        self.env = dict(env)
        self.process: Process
        self.start()

    def start(self, wait: bool = True) -> None:
        if wait and hasattr(self, "process"):
            # A bus that is slow may not have seen the end of the last one.
            self.bus.wait_name_gone(self.name)
        label = Path(self.argv[0]).name
        self.process = self.bus.start([*self.wrapper, *self.argv], self.env, label)
        if wait:
            self.bus.wait_name(self.name)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stderr(self) -> str:
        return self.process.stderr

    @property
    def running(self) -> bool:
        return self.process.status is None

    def stop(self) -> None:
        """SIGTERM; the program must exit with 0, and is gone from the bus, too."""
        status = self.process.stop(signal.SIGTERM)
        assert status == 0, f"{self.process.label} exited with {status}:\n{self.stderr}"
        # The bus may notice later than its parent: who starts it again must not take this one for that.
        wait_for(lambda: self.bus.owner_pid(self.name) != self.pid, what=f"{self.name} to be free")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone from the bus, too."""
        self.process.kill()
        self.bus.wait_name_gone(self.name)

    def restart(self) -> None:
        self.stop()
        self.bus.wait_name_gone(self.name)
        self.start()


class VirtualBluez(Program):
    """org.bluez for a private bus. Radios: hci0 is the central, hci1 and on are the chips'."""

    def __init__(self, bus: Bus, *args: str, env: Mapping[str, str] = {}) -> None:
        super().__init__(bus, "tests/virtual-bluez/virtual-bluez", "org.bluez", args, env)

    @cached_property
    def control(self) -> Remote:
        """The control interface, which makes faults."""
        path = "/org/example/VirtualBluez"
        return Remote(self.bus, VIRTUAL_BLUEZ, path, "org.example.VirtualBluez1")

    def remote(self, path: str, interface: str) -> Remote:
        """An object of BlueZ's own API: remote("/org/bluez/hci0", "org.bluez.Adapter1")."""
        return Remote(self.bus, "org.bluez", path, interface)


class VirtualChips(Program):
    """Chips, one for each adapter: chips[0] or chips["hci1"] is the first one's control interface."""

    def __init__(
        self, bus: Bus, adapters: tuple[str, ...], *args: str, env: Mapping[str, str] = {}
    ) -> None:
        self.adapters = adapters
        options = [f"--adapter={adapter}" for adapter in adapters]
        self._controls: dict[str, Remote] = {}
        program = "tests/virtual-chip/virtual-chip"
        super().__init__(bus, program, VIRTUAL_CHIP, (*options, *args), env)

    def __getitem__(self, key: int | str) -> Remote:
        adapter = self.adapters[key] if isinstance(key, int) else key
        if adapter not in self._controls:
            path = f"/org/example/VirtualChip/{adapter}"
            interface = "org.example.VirtualChip1"
            self._controls[adapter] = Remote(self.bus, VIRTUAL_CHIP, path, interface)
        return self._controls[adapter]


class Core2d(Program):
    """The daemon, with a state directory of the test's own."""

    def __init__(
        self, bus: Bus, state_directory: Path, *args: str, env: Mapping[str, str] = {}
    ) -> None:
        self.state_directory = state_directory
        state = f"--state-directory={state_directory}"
        super().__init__(bus, "daemon/core2d", CORE2, (state, *args), env)

    @cached_property
    def manager(self) -> Remote:
        path = f"{CORE2_PATH}/Manager"
        return Remote(self.bus, CORE2, path, "org.example.Core2.Manager")

    def chip(self, which: int | str = 0, interface: str = CORE2) -> Remote:
        """A chip by index (see chip_address) or object path."""
        path = chip_path(which) if isinstance(which, int) else which
        return Remote(self.bus, CORE2, path, interface)

    def add(self, index: int = 0, ready: bool = True, **options: GLib.Variant) -> Remote:
        """AddChip with options such as side=GLib.Variant("s", "left").

        Waits for state ready and for what core2d asks the chip at the beginning: a test's faults are for the test.
        """
        path = self.manager.call("AddChip", chip_address(index), options)
        assert path == chip_path(index)
        chip = self.chip(index)
        if ready:
            chip.wait_property("State", "ready")
            self.wait_idle(chip)
        return chip

    def wait_idle(self, chip: Remote) -> None:
        """What core2d asks the chip at the beginning, and what was asked before this, has its answer.

        One thing is asked after another; the fields of Info are asked one by one, each when the last is there.
        """
        self.chip(chip.path, f"{CORE2}.Info").wait_property("Updated", lambda time: time > 0)
        pending = chip.call_async("ReadSteps")
        wait_for(lambda: pending.done, what=pending.what)

    def add_counting(self, index: int = 0, **options: GLib.Variant) -> Remote:
        """As add, and the chip's counter has been read: every step from now on counts."""
        chip = self.add(index, **options)
        chip.wait_property("StepsUpdated", lambda time: time > 0)
        return chip

    def objects(
        self, at_reply: Callable[[Any], None] | None = None
    ) -> dict[str, dict[str, dict[str, Any]]]:
        """All objects; at_reply gets them, too, before any later signal."""
        return self.bus.managed_objects(CORE2, CORE2_PATH, at_reply)
