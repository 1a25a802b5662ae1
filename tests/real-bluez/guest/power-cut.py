#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One life of a computer without a switch to turn it off: checks what core2d kept of the lives before, then makes it
remember more until the power is cut. Runs in the virtual machine; ../power-cut starts it, and cuts.

Arguments: the folder on the disk of the machine, and the folder that survives everything, where promises are noted.
"""

import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from harness import Bus, Core2d, VirtualBluez, VirtualChips, wait_for  # noqa: E402

# What is not noted durably for every step may be this old after a cut.
FLUSH_INTERVAL_S = 60


class Promises:
    """What core2d has acknowledged, over all lives."""

    def __init__(self, file):
        self.file = file
        self.all = {"key": None, "coming": None, "alias": None, "coming_alias": None, "totals": [], "walked": 0}
        if file.exists():
            self.all = json.loads(file.read_text(encoding="ascii"))

    def note(self, **values):
        self.all |= values
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.all), encoding="ascii")
        os.replace(new, self.file)

    def note_total(self, total):
        self.note(totals=[*self.all["totals"], [time.time(), total]][-500:])

    def kept_total(self):
        """What a total is at least after a cut just now: the last one that is old enough."""
        old = [total for when, total in self.all["totals"] if when < self.all["totals"][-1][0] - FLUSH_INTERVAL_S]
        return old[-1] if old else 0


def check(daemon, promises):
    """Compares with what was acknowledged. A change that was under way may be there or not."""
    known = promises.all
    if known["key"] is None:
        return None
    chip = daemon.chip(0)
    key = bytes(chip.call("GetKey")).hex()
    assert key in (known["key"], known["coming"]), f"key {key}, promised was {known['key']}"
    alias = chip.get("Alias")
    assert alias in (known["alias"], known["coming_alias"]), f"alias {alias}, promised was {known['alias']}"
    total = chip.get("StepsTotal")
    assert promises.kept_total() <= total <= known["walked"], f"{total} steps, {known}"
    assert not list(daemon.state_directory.rglob("*.bad")), "a file was set aside"
    promises.note(key=key, alias=alias, totals=[[time.time(), total]])
    return total


def live(daemon, model, promises, began):
    """Changes and steps until the end of the world."""
    chip = daemon.add_counting(0)
    while True:
        key = secrets.token_hex(16)
        promises.note(coming=key)
        chip.call("SetKey", bytes.fromhex(key))
        promises.note(key=key)
        alias = f"shoe {secrets.token_hex(4)}"
        promises.note(coming_alias=alias)
        chip.call("SetAlias", alias)
        promises.note(alias=alias)
        promises.note(walked=promises.all["walked"] + 5)
        steps = chip.get("StepsTotal") + 5
        model.call("Step", 5)
        chip.wait_property("StepsTotal", steps)
        promises.note_total(steps)
        if not began.exists():
            began.touch()


def main():
    disk, safe = Path(sys.argv[1]), Path(sys.argv[2])
    promises = Promises(safe / "promises")
    state = disk / "state"
    state.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        bus = Bus(Path(directory))
        VirtualBluez(bus)
        model = VirtualChips(bus, ("hci1",), "--walk=0", "--quirk=idle-timeout=0")[0]
        daemon = Core2d(bus, state)
        total = check(daemon, promises)
        print(f"key, alias and {total} of {promises.all['walked']} steps are there" if total is not None
              else "nothing was remembered before", flush=True)
        (safe / "checked").touch()
        if sys.argv[3:] != ["--only-check"]:
            wait_for(lambda: model.get("Advertising"), what="the chip")
            live(daemon, model, promises, safe / "began")


if __name__ == "__main__":
    main()
