# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d as systemd runs it, and chips on the other controllers."""

import json
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from harness import CORE2, TIMEOUT, Core2d, VirtualChips, wait_for
from harness.real import Units, systemctl

UNIT = "core2d.service"
STATE = Path("/var/lib/core2d")

# bluetoothd keeps the GAP service to itself; a chip that stands still says nothing by itself.
QUIET = ("--walk=0", "--seed=1", "--quirk=gap-service=false", "--quirk=idle-timeout=0")


def shell(*command, check=True):
    """Runs a command to its end; returns its status and what it printed."""
    done = subprocess.run(command, check=False, text=True, capture_output=True, timeout=2 * TIMEOUT)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done


@contextmanager
def nothing_installed():
    """The machine without what `meson install` laid over it. The service must not run, before and after."""
    installed = [Path(line) for line in Path("/real-bluez/installed").read_text(encoding="utf-8").splitlines()]
    kept = {path: (path.read_bytes(), path.stat().st_mode) for path in installed}
    try:
        for path in installed:
            path.unlink()
        systemctl("daemon-reload")
        yield
    finally:
        for path, (content, mode) in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(mode)
        systemctl("daemon-reload")


class Service(Core2d):
    """core2d.service in the place of a core2d of the test's own."""

    def __init__(self, bus):
        self.bus = bus
        self.name = CORE2
        self.state_directory = STATE
        self.units = Units(bus)
        self.units.stop(UNIT)
        self.units.forget_starts(UNIT)
        for path in STATE.glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def start(self, wait=True):
        self.units.start(UNIT)

    def stop(self):
        self.units.stop(UNIT)
        assert self.show("Result") == "success"

    def add(self, index=0, ready=True, **options):
        """As usual, and waits for the first value of the counter: what is walked before it, nobody can count."""
        chip = super().add(index, ready, **options)
        if ready:
            chip.wait_property("StepsUpdated", lambda time: time > 0)
        return chip

    def kill(self, number=signal.SIGKILL):
        self.units.kill(UNIT, number)

    @property
    def pid(self):
        return self.units.pid(UNIT)

    def show(self, prop):
        return self.units.get(UNIT, prop)

    def wait_restarted(self, pid):
        """Waits until systemd has started another process than pid, and that is on the bus."""
        wait_for(lambda: self.pid not in (0, pid) and self.show("ActiveState") == "active",
                 what="another process of core2d")
        self.bus.wait_name(self.name)

    @staticmethod
    def journal(*matches):
        """Entries of the journal of this service, oldest first, with all fields."""
        lines = shell("journalctl", "--boot", f"--unit={UNIT}", "--output=json", *matches).stdout
        return [json.loads(line) for line in lines.splitlines()]


class Chips(VirtualChips):
    """Quiet chips on the controllers after the first one."""

    def __init__(self, bus, *adapters, args=()):
        super().__init__(bus, adapters or ("hci1",), *QUIET, *args)
        self.wait_in_reach()

    def wait_in_reach(self):
        for adapter in self.adapters:
            self[adapter].wait_property("Registered", True)
            wait_for(lambda: self[adapter].get("Advertising") or self[adapter].get("Connected"),
                     what=f"the chip of {adapter} in reach")
