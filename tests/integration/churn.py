# SPDX-License-Identifier: LGPL-2.1-or-later
"""Weeks in the life of many chips, in accelerated time: what happens is drawn from a seed, and what
core2d counts is compared with what was walked."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gi.repository import GLib
from harness import (
    CORE2,
    CORE2_PATH,
    Bus,
    Core2d,
    Pending,
    Remote,
    VirtualBluez,
    VirtualChips,
    VirtualClock,
    chip_address,
    chip_path,
    wait_for,
)

#: Steps a second of somebody who walks.
PACE = 1.8
LONGEST_WALK = 900
#: Their days end with the dates here.
ZONE = ZoneInfo("Europe/Madrid")
#: Noon of a Thursday; on the Sunday after it daylight saving time ends.
START = datetime(2026, 10, 22, 12, tzinfo=ZONE)
#: At home before the day ends, so that all steps are in the day in which they were made.
EVENING = 22
#: Seconds that a chip gets, in its own time, to be connected and counted.
PATIENCE = 900


@dataclass
class Chip:
    """What is true of one chip."""

    index: int
    hands: Remote
    walked: int = 0
    days: dict[date, int] = field(default_factory=dict)
    counter: int = 0
    #: What happened to it, for whoever must find out why a count is wrong.
    diary: list[str] = field(default_factory=list, repr=False)
    away: bool = False
    walked_away: bool = False
    new_battery: bool = False
    asleep: bool = False
    #: It goes back to zero at midnight, which core2d has seen it do.
    resets: bool = True
    known_to_reset: bool = False
    #: Ready ever since that was last said.
    unbroken: bool = False
    #: Out of sight at midnight, it rose: on which day its steps were made core2d can only estimate.
    estimated: bool = False
    #: What core2d last published.
    state: str = ""
    total: int = 0
    updated: int = 0
    today: int = 0

    @property
    def reachable(self) -> bool:
        return not self.away and not self.asleep

    @property
    def settled(self) -> bool:
        return not self.reachable or (self.state == "ready" and self.total == self.walked)


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    rss_kib: int
    pss_kib: int
    descriptors: int
    matches: int

    @staticmethod
    def of(bus: Bus, process: int, owner: str) -> Footprint:
        fields = {}
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
            name, value = line.split(":")
            fields[name] = int(value.split()[0])
        stats = bus.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus.Debug.Stats",
            "GetConnectionStats",
            GLib.Variant("(s)", (owner,)),
        )
        # Not while it writes a file, which it does between two answers.
        descriptors = 1_000_000
        for _ in range(5):
            bus.call(owner, "/", "org.freedesktop.DBus.Peer", "Ping")
            descriptors = min(descriptors, len(os.listdir(f"/proc/{process}/fd")))
        return Footprint(fields["Rss"], fields["Pss"], descriptors, stats["MatchRules"])


class Churn:
    """Chips on virtual BlueZ, and a die that says what happens to them."""

    def __init__(
        self,
        bus: Bus,
        clock: VirtualClock,
        bluez: VirtualBluez,
        models: VirtualChips,
        daemon: Core2d,
        dice: random.Random,
        step_s: float,
    ) -> None:
        """step_s: the most that the clock jumps at once."""
        self.bus = bus
        self.clock = clock
        self.bluez = bluez
        self.models = models
        self.daemon = daemon
        self.dice = dice
        self.step_s = step_s
        self.events: dict[str, int] = {}
        #: What happens to chips at the same time; the end of a link takes a moment.
        self.under_way: list[Pending] = []
        self.offset = START.utcoffset()
        self.chips = [Chip(i, models[i]) for i in range(len(models.adapters))]
        self._by_path = {chip_path(chip.index): chip for chip in self.chips}
        bus.connection.signal_subscribe(
            CORE2, "org.freedesktop.DBus.Properties", "PropertiesChanged", None, CORE2, 0, self._on_changed
        )
        for i, chip in enumerate(self.chips):
            if i % 5 == 4:
                chip.resets = False
                chip.hands.call("SetQuirk", "midnight-reset", GLib.Variant("b", False))
            daemon.add_counting(i)
        self.look()

    # --- what core2d says ---

    def _on_changed(self, _bus, _sender, path, _interface, _member, args) -> None:
        chip = self._by_path.get(path)
        if chip is not None:
            self._take(chip, args.unpack()[1])

    @staticmethod
    def _take(chip: Chip, properties: dict) -> None:
        chip.state = properties.get("State", chip.state)
        chip.unbroken &= chip.state == "ready"
        chip.total = properties.get("StepsTotal", chip.total)
        chip.updated = properties.get("StepsUpdated", chip.updated)
        chip.today = properties.get("StepsToday", chip.today)

    def look(self) -> None:
        """Ask for everything, instead of believing the signals."""
        self.daemon.objects(self._take_all)

    def _take_all(self, objects: dict) -> None:
        for path, chip in self._by_path.items():
            self._take(chip, objects[path][CORE2])

    # --- time ---

    @property
    def now(self) -> datetime:
        return self.clock.now().astimezone(ZONE)

    def wake(self) -> None:
        """When they have answered, the programs have seen the time."""
        calls = [
            (CORE2, CORE2_PATH, "org.freedesktop.DBus.Peer", "Ping", None),
            (
                "org.example.VirtualChip",
                self.chips[0].hands.path,
                "org.freedesktop.DBus.Properties",
                "Get",
                GLib.Variant("(ss)", ("org.example.VirtualChip1", "Counter")),
            ),
        ]
        if self.bluez.running:
            path = "/org/example/VirtualBluez"
            calls.append(
                (
                    "org.example.VirtualBluez",
                    path,
                    "org.example.VirtualBluez1",
                    "CallCount",
                    GLib.Variant("(s)", ("*",)),
                )
            )
        for _ in range(2):
            pending = [self.bus.call_async(*call) for call in calls]
            wait_for(lambda pending=pending: all(one.done for one in pending), what="the programs")

    def pass_time(self, seconds: float) -> None:
        while seconds > 0:
            self.clock.add(min(seconds, self.step_s))
            seconds -= self.step_s
            self.wake()

    def settle(self) -> None:
        """Wait until every chip that can be is connected and counted; time goes quicker meanwhile."""
        begin = self.now
        for call in self.under_way:
            call.wait()
        self.under_way.clear()

        def settled() -> bool:
            if all(chip.settled for chip in self.chips):
                return True
            if self.now - begin > timedelta(seconds=PATIENCE):
                self._complain()
            if self.now - begin > timedelta(seconds=PATIENCE / 2):
                self._find_lost()
            self.clock.add(0.1 if self.now - begin < timedelta(seconds=3) else 0.5)
            return False

        while not settled():
            self.wake()

    def _find_lost(self) -> None:
        """A link that was to break may have been down already, and up again before we heard of it."""
        if any(chip.state == "lost" for chip in self.chips):
            self.look()

    def _complain(self) -> None:
        self.look()
        stuck = [chip for chip in self.chips if not chip.settled]
        objects = self.daemon.objects()
        lines = [
            f"{chip_address(chip.index)}: {chip.state}, total {chip.total}, walked {chip.walked}; counter "
            f"{objects[chip_path(chip.index)][CORE2]['Steps']} of {chip.hands.get('Counter')}: "
            f"{objects[chip_path(chip.index)][CORE2]['StatusText']}\n" + "\n".join(chip.diary)
            for chip in stuck
        ]
        raise AssertionError(f"at {self.now}, after {self.events}:\n" + "\n".join(lines))

    # --- what happens ---

    @staticmethod
    def _lose(chip: Chip) -> None:
        """Its link broke: that it is ready is not true any more, even if core2d does not know it yet."""
        if chip.state == "ready":
            chip.state = "lost"

    def _note(self, event: str, chip: Chip | None = None, detail: object = "") -> None:
        self.events[event] = self.events.get(event, 0) + 1
        for one in [chip] if chip is not None else self.chips:
            one.diary.append(f"{self.now:%d. %H:%M:%S} {event} {detail}".rstrip())
            del one.diary[:-40]

    def walk(self, chip: Chip, seconds: float) -> None:
        """The chip was walked with in the last seconds, as far as they are of today."""
        midnight = datetime.combine(self.now.date(), datetime.min.time(), ZONE)
        seconds = min(seconds, (self.now - midnight).total_seconds() - 1)
        steps = self.dice.randint(1, LONGEST_WALK)
        # Nor faster than anybody walks, since core2d last heard of the chip.
        unheard = self.now.timestamp() - chip.updated / 1e6
        steps = min(steps, int(seconds), int(unheard * PACE))
        if steps <= 0:
            return
        chip.hands.call("Step", steps)
        chip.walked += steps
        chip.days[self.now.date()] = chip.days.get(self.now.date(), 0) + steps
        chip.counter += steps
        chip.asleep = False
        chip.walked_away = chip.away
        self._note("walk", chip, steps)

    def happen_to(self, chip: Chip, event: str) -> None:
        """Something that changes where the chip is, or its link."""
        method = {"shake": "Shake", "sleep": "Sleep", "vanish": "Vanish", "appear": "Appear"}
        self.under_way.append(chip.hands.call_async(method.get(event, "DropLink")))
        if event not in ("shake", "appear"):
            self._lose(chip)
        chip.asleep = event == "sleep" or (chip.asleep and event != "shake")
        chip.away = event == "vanish" or (chip.away and event != "appear")
        chip.walked_away &= chip.away
        self._note(event, chip)

    def happen(self, chip: Chip, seconds: float) -> None:
        """What happens to one chip after the time that went by."""
        late = self.now.hour >= EVENING
        event = self.dice.random()
        if chip.away:
            # What it has not told before it begins anew at midnight nobody ever knows.
            stays = chip.resets and chip.known_to_reset and not chip.walked_away
            if event < 0.3 or (late and not stays):
                self.happen_to(chip, "appear")
            elif event < 0.6 and not late:
                self.walk(chip, seconds)
        elif event < 0.45 and not late:
            self.walk(chip, seconds)
        elif event < 0.60 and chip.asleep:
            self.happen_to(chip, "shake")
        elif event < 0.53:
            self.happen_to(chip, "sleep")
        elif event < 0.60:
            self.happen_to(chip, "drop")
        elif event < 0.64 and not late:
            self.happen_to(chip, "vanish")
        elif event < 0.65 and not chip.asleep and chip.counter > 1000:
            # A second one could make a chip that goes on look like one that resets at midnight.
            if chip.resets or not chip.new_battery:
                self.change_battery(chip)

    def change_battery(self, chip: Chip) -> None:
        """The chip starts anew: the link breaks, and the counter is 0."""
        self.happen_to(chip, "vanish")
        chip.hands.call("ResetCounter", "battery")
        self.happen_to(chip, "appear")
        chip.counter = 0
        chip.new_battery = True
        self._note("battery", chip)

    def bluetooth(self) -> None:
        event = self.dice.random()
        if event < 0.03:
            self.bluez.kill() if event < 0.01 else self.bluez.stop()
            for chip in self.chips:
                self._lose(chip)
            self.pass_time(self.dice.choice([0, 1, 30, 300]))
            self.bluez.start()
            self._note("bluetoothd")
        elif event < 0.05:
            adapter = self.bluez.remote("/org/bluez/hci0", "org.bluez.Adapter1")
            adapter.set("Powered", False)
            for chip in self.chips:
                self._lose(chip)
            self.pass_time(self.dice.choice([0, 1, 30, 300]))
            adapter.set("Powered", True)
            self._note("adapter")

    def change_day(self) -> None:
        """All that the day's steps were counted as, and that the next day begins with none."""
        today = self.now.date()
        midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), ZONE)
        self.look()
        for chip in self.chips:
            if not chip.away and not chip.estimated:
                assert chip.today == chip.days.get(today, 0), self._tell(chip)
        told = [chip for chip in self.chips if chip.reachable and chip.counter > 100]
        for chip in self.chips:
            # A sleeping chip wakes with its first walk, which tells a fall when it is the shorter one.
            falls = chip.counter > (0 if chip.known_to_reset else LONGEST_WALK)
            chip.estimated = not chip.reachable and not (chip.resets and falls)
            if chip.asleep and chip.resets and not falls:
                # Nobody can tell that it fell, unless it was seen to do so before.
                self.happen_to(chip, "shake")
                chip.estimated = False
        self.settle()
        for chip in self.chips:
            chip.unbroken = chip.state == "ready"
        self.pass_time((midnight - self.now).total_seconds() + 60)
        for chip in self.chips:
            if chip.resets:
                chip.counter = 0
        self.settle()
        for chip in told:
            chip.known_to_reset |= chip.unbroken
        wait_for(lambda: all(chip.today == 0 for chip in self.chips), what="the new day")
        # Those that go on counting tell that the day is new by a step.
        for chip in self.chips:
            if chip.reachable and not chip.resets:
                self.walk(chip, 5)
        self.settle()
        for chip in self.chips:
            # If its link broke meanwhile, these steps have been made at any time since the last ones.
            chip.estimated |= not chip.resets and not chip.unbroken
        self._note("day")

    def _tell(self, chip: Chip) -> str:
        return f"{self.now}, after {self.events}: {chip}\n" + "\n".join(chip.diary)

    def fetch(self, chip: Chip) -> None:
        if chip.away:
            self.happen_to(chip, "appear")
        if chip.asleep:
            self.happen_to(chip, "shake")

    def set_clocks(self) -> None:
        """After the change of daylight saving time somebody sets the chips' clocks."""
        for chip in self.chips:
            self.fetch(chip)
        self.settle()
        for chip in self.chips:
            self.bus.call(
                CORE2, chip_path(chip.index), CORE2, "SetTime", GLib.Variant("(a{sv})", ({},))
            )
        self.offset = self.now.utcoffset()
        self._note("clocks")

    def tick(self) -> None:
        seconds = self.dice.uniform(300, 5400)
        left = datetime.combine(self.now.date(), datetime.max.time(), ZONE) - self.now
        if left.total_seconds() < seconds + 600:
            self.change_day()
            return
        self.pass_time(seconds)
        self.settle()
        if self.now.utcoffset() != self.offset:
            self.set_clocks()
        if self.dice.random() < 0.5:
            self.bluetooth()
            self.settle()
        for chip in self.chips:
            self.happen(chip, seconds)
        self.settle()

    def run_until(self, moment: datetime) -> None:
        while self.now < moment:
            self.tick()

    def finish(self) -> None:
        """Everybody comes home and is counted."""
        for chip in self.chips:
            self.fetch(chip)
        self.settle()
        self.look()
        for chip in self.chips:
            assert chip.hands.get("StepsWalked") == chip.walked
            assert chip.total == chip.walked, self._tell(chip)
            if not chip.estimated:
                assert chip.today == chip.days.get(self.now.date(), 0), self._tell(chip)
