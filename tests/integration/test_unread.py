# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that never read what core2d sends them: dbus-daemon stops reading from core2d for their sake. And calls
that are never answered: at a number of them it passes no more on.

core2d notices, keeps its memory, and ends in order with what it has counted; systemd starts it again,
with a new connection, which such a client cannot stop a second time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from bluez_world import MakeWorld
from gi.repository import GLib
from harness import CORE2, CORE2_PATH, STANDING, TIMEOUT, Bus, BusError, Core2d, Pending
from harness import RawClient, Remote, VirtualBluez, VirtualChips, VirtualClock, wait_for
from harness.bus import OBJECT_MANAGER

#: Far less than the 127 MiB of the system bus. The bus stops reading from core2d at the first limit. At the second it drops
#: what is for the client; errors of the bus itself count there, too, so it comes later, but within the first one again.
SMALL_BUS = """
  <limit name="max_incoming_bytes">60000</limit>
  <limit name="max_outgoing_bytes">90000</limit>
"""
SIGNALS = f"type='signal',sender='{CORE2}'"
#: Seconds. A quarter of it is the interval of the health check; the stuck bus is noticed after three.
WATCHDOG_S = 8
MIB = 1024
PEER = "org.freedesktop.DBus.Peer"


def memory(daemon: Core2d) -> int:
    """Resident memory in KiB; 0 when it has ended."""
    status = Path(f"/proc/{daemon.pid}/status")
    try:
        found = re.search(r"VmRSS:\s+(\d+)", status.read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


@pytest.fixture
def limits() -> str:
    """Limits of the bus, as XML."""
    return SMALL_BUS


@pytest.fixture
def watchdog_s() -> int:
    """What core2d is told of its watchdog."""
    return WATCHDOG_S


@pytest.fixture
def bus(make_bus: Callable[..., Bus], bus_kind: str, limits: str) -> Bus:
    return make_bus(bus_kind, extra=limits)


class World:
    """A chip, core2d under a watchdog, and a client that does not read."""

    def __init__(self, bus: Bus, hands: Remote, daemon: Core2d) -> None:
        self.bus = bus
        self.hands = hands
        self.daemon = daemon
        self.chip = daemon.add_counting()
        self.memory_before = memory(daemon)
        self.deaf = RawClient(bus)
        self.pending: list[Pending] = []
        self.calls = 0
        self.asked = 0

    def change_alias(self) -> None:
        """Cause a signal, without waiting; a few calls at most are under way."""
        self.pending = [call for call in self.pending if not call.done]
        while len(self.pending) < 8:
            self.calls += 1
            alias = f"{self.calls:064}"
            self.pending.append(self.chip.call_async("SetAlias", alias))

    def ask_for_all(self) -> None:
        """The client that does not read asks for everything.

        The bus keeps account of 128 calls; some may still be on their way to it when the next are made.
        """
        self.pending = [call for call in self.pending if not call.done]
        if not self.pending:
            self.asked += 1
            for _ in range(40):
                self.deaf.call(CORE2, CORE2_PATH, OBJECT_MANAGER, "GetManagedObjects")
            # Answered about when those are.
            self.pending.append(self.bus.call_async(CORE2, CORE2_PATH, PEER, "Ping"))

    def until(self, do: Callable[[], None], done: Callable[[], bool], what: str) -> None:
        def step() -> bool:
            do()
            return done()

        wait_for(step, what=what, died_ok=True)

    def is_stalled(self) -> bool:
        """Whether core2d has missed an answer of the bus. On a busy computer one may be late by itself."""
        return "has not answered" in self.daemon.stderr

    def serves_on(self) -> bool:
        """core2d was not stopped, and answers."""
        self.chip.get("State")
        return self.daemon.running and "takes no messages any more" not in self.daemon.stderr

    def start_again(self) -> None:
        """As systemd does; waits until the name is the new one's."""
        before = self.bus.owner(CORE2)
        self.daemon.start(wait=False)
        wait_for(lambda: self.bus.owner(CORE2) not in (None, before), what="a new owner")

    def wait_end(self) -> None:
        """Wait until core2d has ended by itself and said why, with the memory that it had before."""
        sizes = [0]

        def ended() -> bool:
            sizes.append(memory(self.daemon))
            return not self.daemon.running

        wait_for(ended, what="core2d to end", died_ok=True)
        assert self.daemon.process.wait() == 1, self.daemon.stderr
        assert "takes no messages any more" in self.daemon.stderr
        assert max(sizes) - self.memory_before < 32 * MIB


@pytest.fixture
def world(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    watchdog_s: int,
) -> World:
    virtual_bluez()
    daemon = core2d(env={"WATCHDOG_USEC": f"{watchdog_s}000000"})
    return World(bus, virtual_chip("hci1", args=STANDING)[0], daemon)


def test_f01_signals_that_nobody_reads(world: World) -> None:
    """What was walked before and meanwhile is counted, when core2d has started again."""
    world.hands.call("Step", 5)
    world.chip.wait_property("StepsTotal", 5)
    world.deaf.subscribe(SIGNALS)
    world.daemon.process.expect_end()
    world.until(world.change_alias, world.is_stalled, "the bus to stop")
    world.hands.call("Step", 7)
    world.wait_end()

    # The bus has not noticed the end: core2d must wrest the name from its dead connection.
    world.start_again()
    world.chip.wait_property("StepsTotal", 12)
    # The bus keeps no more for that client, so nothing stops a second time.
    before = world.calls
    world.until(world.change_alias, lambda: world.calls > 2 * before, "all calls to be answered")
    assert world.serves_on()


#: With the limits of a real system bus, too: 127 MiB of answers, which take a while under a sanitizer.
BUSES = [
    pytest.param(SMALL_BUS, id="small"),
    pytest.param("", id="system", marks=pytest.mark.long),
]


@pytest.mark.parametrize("limits", BUSES)
def test_f01_replies_that_nobody_reads(world: World, limits: str) -> None:
    """A client asks and asks, and reads no answer."""
    if not limits:
        # So that one answer is long.
        for index in range(100, 200):
            world.daemon.add(index, ready=False, connect=GLib.Variant("b", False))
    world.daemon.process.expect_end()
    world.until(world.ask_for_all, world.is_stalled, "the bus to stop")
    world.wait_end()
    world.start_again()
    world.chip.wait_property("State", "ready")
    # The bus keeps no more for that client, however much it asks.
    until = 2 * world.asked
    world.until(world.ask_for_all, lambda: world.asked > until, "all pings to be answered")
    assert world.serves_on()


# Longer, so that core2d does not end by itself before.
@pytest.mark.parametrize("watchdog_s", [24])
def test_f01_stop_while_the_bus_is_stopped(world: World, watchdog_s: int) -> None:
    """SIGTERM is obeyed, though nothing can be said any more."""
    world.deaf.subscribe(SIGNALS)
    world.daemon.process.expect_end()
    world.until(world.change_alias, world.is_stalled, "the bus to stop")
    # Of which the bus does not notice.
    assert world.daemon.process.stop() == 0


@pytest.mark.parametrize("bus_kind", ["dbus-broker"])
def test_f01_broker_is_immune(world: World) -> None:
    """dbus-broker ends the connection of who does not read, and nobody else feels it."""
    world.deaf.subscribe(SIGNALS)
    calls = world.calls + 1000
    world.until(world.change_alias, lambda: world.calls > calls, "all calls to be answered")
    assert world.serves_on()


FEW_REPLIES = '<limit name="max_replies_per_connection">24</limit>'


@pytest.mark.parametrize("limits", [FEW_REPLIES], ids=["few"])
def test_calls_that_are_never_answered(
    bus: Bus, make_world: MakeWorld, tmp_path: Path, limits: str
) -> None:
    """bluetoothd has lost them, one by one, and lives on: the bus takes none that are new."""
    clock = VirtualClock(bus)
    file = tmp_path / "core2d.conf"
    file.write_text("[Link]\nRequestTimeoutSec=1\nBackoffMaxSec=1\n")
    world = make_world(daemon_args=[f"--config={file}"])
    daemon = world.daemon
    world.fault("GattCharacteristic1.ReadValue", never_answer=True)
    daemon.process.expect_end()

    def ended() -> bool:
        clock.add(5)
        with suppress(BusError):
            daemon.manager.get("Scanning")
        clock.let_answer()
        return not daemon.running

    world.lose_link()
    wait_for(ended, 3 * TIMEOUT, "core2d to end", died_ok=True)
    assert daemon.process.wait() == 1
    assert "too many were never answered" in daemon.stderr
    world.control("ClearFaults")
    daemon.start()
    world.chip.wait_property("State", "ready")
