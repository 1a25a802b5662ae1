# SPDX-License-Identifier: LGPL-2.1-or-later
"""Orientation: one request in flight whoever asks, and claims that end with those who hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from gi.repository import Gio, GLib
from harness import CORE2, Bus, Core2d, Pending, VirtualBluez, VirtualChips, chip_path
from harness import raises_bus_error, wait_for

pytestmark = pytest.mark.real_bluez

ERROR = "org.example.Core2.Error."
MIN_INTERVAL_MS = 300


class Shoe:
    """A connected chip on hci1 that is held still."""

    def __init__(self, chips: VirtualChips, daemon: Core2d, bus: Bus) -> None:
        self.bus = bus
        self.hands = chips[0]
        self.daemon = daemon
        self.chip = daemon.add(0)
        self.hands.call("Tilt", 0x1234, 0xFEDC)

    @property
    def requests(self) -> int:
        """How often the chip was asked so far."""
        return self.hands.get("OrientationRequests")

    @contextmanager
    def paced(self, interval_ms: int = MIN_INTERVAL_MS) -> Iterator[None]:
        """The chip is asked once at the beginning and then at most once in each interval.

        Not from one request to the next: on a busy computer one may be on its way for longer than the other.
        """
        before, begin = self.requests, GLib.get_monotonic_time()
        yield
        requests = self.requests - before
        elapsed_ms = (GLib.get_monotonic_time() - begin) / 1000
        assert requests <= 1 + elapsed_ms / interval_ms

    def quirk(self, name: str, value: Any) -> None:
        variant = GLib.Variant("u" if isinstance(value, int) else "s", value)
        self.hands.call("SetQuirk", name, variant)

    def claim(self, interval: int, client: Gio.DBusConnection | None = None) -> int:
        return self.chip.call_async("ClaimOrientation", interval, connection=client).wait()

    def release(self, client: Gio.DBusConnection | None = None) -> None:
        self.chip.call_async("ReleaseOrientation", connection=client).wait()

    def ping(self, client: Gio.DBusConnection) -> None:
        """Wait until core2d has all that this client sent."""
        peer = (CORE2, self.chip.path, "org.freedesktop.DBus.Peer", "Ping")
        self.bus.call_async(*peer, connection=client).wait()

    def read_async(self) -> Pending:
        return self.chip.call_async("ReadOrientation")

    def reconnect(self, *end: Any) -> None:
        """end: a call of the chip that ends its link."""
        count = len(self.chip.announced("State"))
        self.hands.call(*end)
        wait_for(lambda: "ready" in self.chip.announced("State")[count:], what="a new connection")


@pytest.fixture
def shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    bus: Bus,
    tmp_path: Path,
) -> Shoe:
    virtual_bluez()
    quirks = ["--quirk=idle-timeout=0", "--quirk=orientation-delay=50"]
    chips = virtual_chip("hci1", args=["--walk=0", *quirks])
    config = tmp_path / "core2d.conf"
    config.write_text(f"[Orientation]\nMinIntervalMs={MIN_INTERVAL_MS}\n")
    return Shoe(chips, core2d("--config", str(config)), bus)


@pytest.mark.real_bluez_usual
def test_read(shoe: Shoe) -> None:
    """A fresh pair for the caller, the property and the signal for everybody."""
    assert shoe.chip.get("OrientationUpdated") == 0
    samples = shoe.chip.signals("OrientationChanged")
    before = GLib.get_real_time()
    x, y, time = shoe.chip.call("ReadOrientation")
    assert (x, y) == (0x1234, 0xFEDC)
    assert before <= time <= GLib.get_real_time()
    assert shoe.chip.get("Orientation") == (x, y)
    assert shoe.chip.get("OrientationUpdated") == time
    samples.wait()
    assert samples.args == [(x, y, time)]
    assert shoe.requests == 1


def test_equal_sample_is_told(shoe: Shoe) -> None:
    samples = shoe.chip.signals("OrientationChanged")
    for _ in range(2):
        shoe.chip.call("ReadOrientation")
    samples.wait(count=2)
    assert [args[:2] for args in samples.args] == [(0x1234, 0xFEDC)] * 2
    assert samples.args[0][2] < samples.args[1][2]


def test_answer_to_everybody_who_waits(shoe: Shoe) -> None:
    """Many callers, one request: the chip's battery pays for each."""
    clients = [shoe.bus.connect() for _ in range(3)]
    # Long enough for all to ask before the answer comes; on a busy computer that takes its time.
    for delay in (500, 2000, 7000):
        shoe.quirk("orientation-delay", delay)
        before = shoe.requests
        calls = [
            shoe.chip.call_async("ReadOrientation", connection=client)
            for client in clients
            for _ in range(4)
        ]
        # Twice: an answer to one client may overtake that to another.
        for client in (*clients, *clients):
            shoe.ping(client)
        all_asked_before = not any(call.done for call in calls)
        answers = [call.wait() for call in calls]
        if all_asked_before:
            break
    assert len(set(answers)) == 1
    assert shoe.requests == before + 1
    for client in clients:
        client.close(None, None)


def test_caller_leaves_while_it_waits(shoe: Shoe) -> None:
    shoe.quirk("orientation-delay", 500)
    client = shoe.bus.connect()
    shoe.chip.call_async("ReadOrientation", connection=client)
    other = shoe.read_async()
    shoe.hands.wait_property("OrientationRequests", 1)
    client.close(None, None)
    assert other.wait()[:2] == (0x1234, 0xFEDC)


def test_fire(shoe: Shoe) -> None:
    """Replies at once; one sample comes. Calls within the minimum interval are one request."""
    samples = shoe.chip.signals("OrientationChanged")
    with shoe.paced():
        for _ in range(10):
            shoe.chip.call("FireOrientationRead")
        samples.wait()
        assert samples.args[0][:2] == (0x1234, 0xFEDC)
        # Whatever was merged has been asked by the time of the next answer.
        shoe.chip.call("ReadOrientation")


def test_one_in_flight(shoe: Shoe) -> None:
    """While an answer is awaited nothing more is asked, however short the interval."""
    shoe.quirk("orientation-delay", 3 * MIN_INTERVAL_MS)
    samples = shoe.chip.signals("OrientationChanged")
    shoe.claim(1)
    for _ in range(3):
        shoe.chip.call("FireOrientationRead")
    shoe.read_async().wait()
    samples.wait(count=3)
    assert shoe.requests <= len(samples) + 1
    assert shoe.hands.get("LastOrientationRequestInterval") > 2 * MIN_INTERVAL_MS


def test_duplicated_answer(shoe: Shoe) -> None:
    shoe.quirk("orientation", "duplicate")
    for _ in range(2):
        assert shoe.chip.call("ReadOrientation")[:2] == (0x1234, 0xFEDC)


@pytest.mark.parametrize("answer", ["short", "refuse"])
def test_no_orientation_in_the_answer(shoe: Shoe, answer: str) -> None:
    shoe.quirk("orientation", answer)
    samples = shoe.chip.signals("OrientationChanged")
    with raises_bus_error(ERROR + "NoData"):
        shoe.chip.call("ReadOrientation")
    assert shoe.chip.get("OrientationUpdated") == 0
    shoe.quirk("orientation", "answer")
    assert shoe.chip.call("ReadOrientation")[:2] == (0x1234, 0xFEDC)
    samples.wait()
    assert len(samples) == 1


def test_silent_chip(shoe: Shoe) -> None:
    """NoData to everybody who waits; a claim goes on asking."""
    shoe.quirk("orientation", "silent")
    shoe.claim(1)
    calls = [shoe.read_async(), shoe.read_async()]
    for call in calls:
        with raises_bus_error(ERROR + "NoData"):
            call.wait()
    shoe.quirk("orientation", "answer")
    samples = shoe.chip.signals("OrientationChanged")
    samples.wait(count=2)
    assert shoe.chip.get("Connected")


def test_link_ends_while_it_waits(shoe: Shoe) -> None:
    shoe.quirk("orientation", "silent")
    call = shoe.read_async()
    shoe.hands.wait_property("OrientationRequests", 1)
    shoe.hands.call("DropLink")
    with raises_bus_error(ERROR + "NotConnected"):
        call.wait()


def test_chip_without_orientation(shoe: Shoe) -> None:
    shoe.reconnect("SetQuirk", "missing", GLib.Variant("s", "orientation"))
    for method in ("ReadOrientation", "FireOrientationRead"):
        with raises_bus_error(ERROR + "NotSupported"):
            shoe.chip.call(method)


@pytest.mark.real_bluez_usual
def test_claim(shoe: Shoe) -> None:
    """Samples come by themselves while somebody holds a claim, and only then."""
    assert shoe.chip.get("OrientationInterval") == 0
    samples = shoe.chip.signals("OrientationChanged")
    interval = MIN_INTERVAL_MS + 50
    with shoe.paced(interval):
        assert shoe.claim(interval) == interval
        assert shoe.chip.get("OrientationInterval") == interval
        samples.wait(count=4)

    shoe.release()
    assert shoe.chip.get("OrientationInterval") == 0
    # What was under way at the release is answered with this.
    shoe.chip.call("ReadOrientation")
    before = shoe.requests
    # The next request is the one of this call, one interval after the last.
    shoe.chip.call("ReadOrientation")
    assert shoe.requests == before + 1
    with raises_bus_error(ERROR + "Failed"):
        shoe.release()


def test_claims_are_nested(shoe: Shoe) -> None:
    """The smallest interval of all; each release takes back one claim, the newest first."""
    assert shoe.claim(5000) == 5000
    assert shoe.claim(1000) == 1000
    assert shoe.claim(3000) == 1000
    for interval in (1000, 5000, 0):
        shoe.release()
        assert shoe.chip.get("OrientationInterval") == interval


def test_claims_of_several_clients(shoe: Shoe) -> None:
    """Nobody can release what another holds; who leaves the bus takes the claims along."""
    first, second, third = (shoe.bus.connect() for _ in range(3))
    shoe.claim(4000, first)
    shoe.claim(2000, second)
    shoe.claim(1000, second)
    assert shoe.chip.get("OrientationInterval") == 1000
    with raises_bus_error(ERROR + "Failed"):
        shoe.release(third)
    second.close(None, None)
    shoe.chip.wait_property("OrientationInterval", 4000)
    shoe.release(first)
    assert shoe.chip.get("OrientationInterval") == 0
    for client in (first, third):
        client.close(None, None)


def test_killed_client(shoe: Shoe) -> None:
    """SIGKILL: a client that cannot say goodbye costs the chip nothing any more."""
    script = (
        "import gi\n"
        "from gi.repository import Gio, GLib\n"
        "bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)\n"
        f"bus.call_sync('{CORE2}', '{chip_path(0)}', '{CORE2}', 'ClaimOrientation',\n"
        "              GLib.Variant('(u)', (700,)), None, 0, -1)\n"
        "GLib.MainLoop().run()\n"
    )
    client = shoe.bus.start(["/usr/bin/python3", "-c", script], label="client")
    shoe.chip.wait_property("OrientationInterval", 700)
    client.kill()
    shoe.chip.wait_property("OrientationInterval", 0)


def test_claim_survives_a_reconnect(shoe: Shoe) -> None:
    samples = shoe.chip.signals("OrientationChanged")
    shoe.claim(MIN_INTERVAL_MS)
    samples.wait()
    shoe.reconnect("DropLink")
    assert shoe.chip.get("OrientationInterval") == MIN_INTERVAL_MS
    assert shoe.chip.announced("OrientationInterval")[-1] == MIN_INTERVAL_MS
    samples.clear()
    samples.wait(count=2)


def test_claim_before_the_connection(shoe: Shoe) -> None:
    """A claim on a chip that is away waits for it."""
    shoe.chip.call("Disconnect")
    assert shoe.claim(1000) == 1000
    samples = shoe.chip.signals("OrientationChanged")
    shoe.chip.call("Connect", {})
    samples.wait()


def test_limits(shoe: Shoe) -> None:
    """Shorter than allowed is lengthened, nonsense refused, and nobody can fill the memory."""
    for interval in (0, 3_600_001, 2**32 - 1):
        with raises_bus_error(ERROR + "InvalidArguments"):
            shoe.claim(interval)
    assert shoe.chip.get("OrientationInterval") == 0
    assert shoe.daemon.manager.get("MinOrientationInterval") == MIN_INTERVAL_MS
    assert shoe.claim(1) == MIN_INTERVAL_MS
    shoe.release()

    for _ in range(64):
        shoe.claim(3_600_000)
    with raises_bus_error(ERROR + "RateLimited"):
        shoe.claim(1000)
    assert shoe.chip.get("OrientationInterval") == 3_600_000
    client = shoe.bus.connect()
    assert shoe.claim(2000, client) == 2000
    client.close(None, None)
