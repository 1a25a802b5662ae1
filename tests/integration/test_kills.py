# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d is killed at any moment: nothing that it had published is lost, and no step is."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from gi.repository import GLib
from harness import (
    CORE2,
    Bus,
    Core2d,
    VirtualBluez,
    VirtualChips,
    chip_path,
    wait_for,
)

#: tests/kills sets both: how often core2d is killed, and what the moments are drawn from.
KILLS = int(os.environ.get("CORE2_KILLS", "15"))
SEED = int(os.environ.get("CORE2_SEED") or random.SystemRandom().randrange(2**32))

CHIPS = 3
#: Steps a minute: 4 a second, less than what is believed of a person at once.
CADENCE = 240
#: Milliseconds from the name on the bus, or from the start of the process, to the kill.
LONGEST_LIFE = 700
LONGEST_START = 60
#: Values that only grow.
GROWING = ("StepsTotal", "StepsToday", "LastConnected", "BatteryUpdated", "StepsUpdated")


class Witness:
    """A client that remembers the most that it was ever told of each chip."""

    def __init__(self, bus: Bus) -> None:
        self.seen: dict[tuple[str, str], int] = {}
        self.lost: list[str] = []
        bus.connection.signal_subscribe(
            CORE2,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            None,
            CORE2,
            0,
            self._on_changed,
        )
        bus.synchronize()

    def _on_changed(self, _bus, _sender, path, _interface, _member, args) -> None:
        self.take(path, args.unpack()[1])

    def take(self, path: str, properties: dict[str, object]) -> None:
        for name in GROWING:
            if name not in properties:
                continue
            value, most = properties[name], self.seen.get((path, name), 0)
            assert isinstance(value, int)
            if value < most:
                self.lost.append(f"{name} of {path} was {most} and is {value}")
            self.seen[path, name] = max(value, most)

    def look(self, daemon: Core2d) -> None:
        objects = daemon.objects(self._take_all)
        chips = {path for path, interfaces in objects.items() if CORE2 in interfaces}
        assert chips == {chip_path(i) for i in range(CHIPS)}

    def _take_all(self, objects: dict[str, dict[str, dict[str, object]]]) -> None:
        for path, interfaces in objects.items():
            self.take(path, interfaces.get(CORE2, {}))


def idle(milliseconds: int) -> None:
    """Let the programs run for a while that was drawn: the moment is what is tested."""
    over: list[bool] = []
    GLib.timeout_add(milliseconds, lambda: over.append(True))
    wait_for(lambda: bool(over), what="the moment")


def fault(dice: random.Random, models: VirtualChips) -> None:
    """Now and then links drop meanwhile, and chips walk out of reach and back."""
    model = models[dice.randrange(CHIPS)]
    what = dice.choice(["nothing", "nothing", "DropLink", "Vanish"])
    if what == "Vanish":
        model.call("Vanish")
        model.call("Appear")
    elif what == "DropLink":
        model.call("DropLink")


def live_and_die(dice: random.Random, daemon: Core2d, models: VirtualChips, witness: Witness) -> None:
    fault(dice, models)
    if dice.random() < 0.2:
        # While it starts.
        daemon.start(wait=False)
        idle(dice.randrange(LONGEST_START))
    else:
        daemon.start()
        witness.look(daemon)
        idle(dice.randrange(LONGEST_LIFE))
        if dice.random() < 0.5:
            fault(dice, models)
    daemon.kill()


def test_nothing_published_is_lost_by_kills(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    record_property: Callable[..., None],
) -> None:
    record_property("seed", SEED)
    print(f"seed {SEED}, {KILLS} kills")
    dice = random.Random(SEED)

    virtual_bluez("--peripherals", str(CHIPS))
    models = virtual_chip(
        *(f"hci{i + 1}" for i in range(CHIPS)),
        args=["--walk=0", "--quirk", "idle-timeout=0", "--quirk", "midnight-reset=false"],
    )
    daemon = core2d()
    for i in range(CHIPS):
        daemon.add_counting(i)
        models[i].call("Walk", CADENCE)
    witness = Witness(bus)
    idle(dice.randrange(LONGEST_LIFE))
    daemon.kill()

    for _ in range(KILLS - 1):
        live_and_die(dice, daemon, models, witness)
        assert not witness.lost

    daemon.start()
    witness.look(daemon)
    chips = [daemon.chip(i) for i in range(CHIPS)]
    for i, chip in enumerate(chips):
        models[i].call("Stop")
        chip.wait_property("StepsTotal", models[i].get("StepsWalked"))
        assert witness.seen[chip_path(i), "StepsTotal"] > 0
        # A fresh read counts nothing again.
        assert chip.call("ReadSteps")[0] == models[i].get("Counter")
        assert chip.get("StepsTotal") == models[i].get("StepsWalked")
    assert not witness.lost
    left = [path.name for path in daemon.state_directory.rglob("*") if path.suffix == ".bad"]
    assert not left
