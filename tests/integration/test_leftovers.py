# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one part of a connection leaves behind neither holds nor hurries another, and nothing is held for nobody."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from bluez_world import ADAPTER, BATTERY, ERROR, MakeWorld, World
from gi.repository import GLib
from harness import CORE2, Bus, BusError, VirtualClock, device_path, wait_for

RADIO = "/org/bluez/hci1"
ADAPTERS = ("/org/bluez/hci0", "/org/bluez/hci1")
REFUSED = {"error": "Failed", "message": "Input/output error"}
LIMIT = {"error": "Failed", "message": "le-connection-concurrent-connection-limit"}
CONNECT, DISCONNECT = "Device1.Connect", "Device1.Disconnect"
STOP = "Adapter1.StopDiscovery"

#: Of a Connect that is not to end by itself.
HOUR_MS = 3_600_000


@pytest.fixture
def clock(bus: Bus) -> VirtualClock:
    """Before everything else that lives in its time."""
    return VirtualClock(bus)


@pytest.fixture
def patient(tmp_path: Path) -> list[str]:
    """Arguments with which core2d waits ten minutes for the answer to a Connect."""
    path = tmp_path / "core2d.conf"
    path.write_text("[Link]\nConnectTimeoutSec=600\n")
    return [f"--config={path}"]


def is_ready(world: World) -> bool:
    return world.chip.get("State") == "ready"


def wait_quickly(clock: VirtualClock, world: World, happened: Callable[[], object], what: str) -> None:
    """As clock.wait, for what takes minutes."""

    def look() -> bool:
        clock.add(4)
        world.daemon.manager.get("Scanning")
        clock.let_answer()
        return bool(happened())

    wait_for(look, what=what)


def search_in_vain(clock: VirtualClock, world: World, searches: int) -> None:
    """core2d looks for a chip that nobody hears, with ever longer pauses; then it can be heard."""
    world.control("SetInRange", RADIO, False)
    world.daemon.add(0, ready=False)
    for count in range(1, searches + 1):
        wait_quickly(clock, world, lambda n=count: world.count_calls(STOP) >= n, "the end of a search")
    world.control("SetInRange", RADIO, True)


def keep_no_connection(world: World) -> None:
    world.chip.call("SetAutoConnect", False)
    world.chip.wait_property("State", "disconnected")


def let_another_connect(world: World) -> None:
    """core2d's Connect has no answer yet, when another program's succeeds."""
    world.options(signal_connected=True)
    world.lose_link()
    world.wait_count(CONNECT, 2)
    before = len(world.chip.changes)
    world.device.call("Connect")
    world.chip.wait_change("State", "ready", before)
    world.daemon.wait_idle(world.chip)


# --- attempts -------------------------------------------------------------------------------------------------


def test_attempt_of_another_program_that_succeeded(world: World) -> None:
    """It need not be cancelled before the next Connect."""
    world.chip.call("Disconnect")
    world.control("SetInRange", RADIO, False)
    world.control("ClearCalls")
    others = world.device.call_async("Connect")
    world.wait_count(CONNECT, 1)
    before = len(world.chip.changes)
    waiting = world.chip.call_async("Connect", {})
    world.chip.wait_change("StatusText", "another program is connecting to the chip", before)
    world.control("SetInRange", RADIO, True)
    others.wait()
    waiting.wait()
    world.daemon.wait_idle(world.chip)
    world.control("ClearCalls")
    world.lose_link()
    world.ready_again()
    assert [call.method for call in world.calls(CONNECT, DISCONNECT)] == [CONNECT]


def test_connect_has_no_answer_though_there_is_a_link(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """When core2d gives that Connect up, the link stays."""
    world = make_world()
    world.fault(CONNECT, never_answer=True, count=1)
    let_another_connect(world)
    before, disconnects = len(world.chip.changes), world.count_calls(DISCONNECT)
    # core2d's own limit is a minute.
    for _ in range(35):
        clock.add(2)
        world.chip.get("State")
        clock.let_answer()
    assert world.chip.announced("State", before) == []
    assert world.count_calls(DISCONNECT) == disconnects
    world.ready_again()


def test_connect_fails_though_there_is_a_link(world: World) -> None:
    """Another program's link is used, whatever the answer to core2d's Connect is later."""
    world.fault(CONNECT, count=1, delay_ms=HOUR_MS, **REFUSED)
    let_another_connect(world)
    before = len(world.chip.changes)
    # The answer is given now.
    world.control("ClearFaults")
    world.daemon.wait_idle(world.chip)
    assert world.chip.announced("State", before) == []
    world.ready_again()


def test_connect_has_no_answer_and_the_link_is_lost(
    clock: VirtualClock, make_world: MakeWorld, patient: list[str]
) -> None:
    """The next Connect does not wait for the answer to that one."""
    world = make_world(daemon_args=patient)
    world.fault(CONNECT, never_answer=True, count=1)
    let_another_connect(world)
    world.lose_link()
    assert clock.wait(lambda: is_ready(world), "a connection") < 300
    world.ready_again()


def test_already_connected_is_a_success(world: World) -> None:
    """BlueZ has a link of which it told nothing."""
    world.chip.call("Disconnect")
    world.options(resolve_delay=-1)
    world.device.call("Connect")
    world.fault(CONNECT, error="AlreadyConnected", count=1)
    before = len(world.chip.changes)
    world.chip.call_async("Connect", {})
    world.chip.wait_change("State", "resolving", before)
    assert ERROR + "Failed" not in world.chip.announced("LastError", before)


def longest_pause(world: World, method: str) -> float:
    """Seconds between one call of it and the next."""
    times = [call.time for call in world.calls(method)]
    return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0) / 1e6


def test_ready_for_a_moment_only(clock: VirtualClock, make_world: MakeWorld) -> None:
    """Again and again: that is no reason for a storm of attempts, though each succeeds."""
    world = make_world()
    battery = world.characteristic(BATTERY).path
    world.fault("GattCharacteristic1.ReadValue", battery, drop_link_before=True)
    world.control("ClearCalls")
    world.lose_link()
    clock.wait(lambda: longest_pause(world, CONNECT) >= 8, "a pause")
    world.control("ClearFaults")
    clock.wait(lambda: is_ready(world), "a connection")
    world.ready_again()


def test_services_stale_again_and_again(clock: VirtualClock, make_world: MakeWorld) -> None:
    """BlueZ never knows the battery that it lists: it is not told to forget the chip in a storm."""
    world = make_world()
    unknown = "org.freedesktop.DBus.Error.UnknownObject"
    world.fault("GattCharacteristic1.ReadValue", world.characteristic(BATTERY).path, error=unknown)
    world.lose_link()
    clock.wait(lambda: longest_pause(world, "Adapter1.RemoveDevice") >= 8, "a pause")
    world.control("ClearFaults")
    clock.wait(lambda: is_ready(world), "a connection")


def test_chip_that_was_awake_is_not_called_asleep(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """The link that it made ended before it was of use."""
    world = make_world("--connect-timeout=6000", chip_args=["--asleep"], connected=False)
    world.know()
    chip = world.daemon.add(0, ready=False)
    clock.wait(lambda: world.count_calls(CONNECT) >= 2, "the next Connect")
    world.fault("GattCharacteristic1.StartNotify", drop_link_before=True, count=1)
    before = len(chip.changes)
    world.hands.call("Shake")
    chip.wait_change("State", "ready", before)
    assert "connecting" in chip.announced("StatusText", before)


# --- pauses ---------------------------------------------------------------------------------------------------


def test_searches_in_vain_do_not_hold_attempts(clock: VirtualClock, make_world: MakeWorld) -> None:
    """However long it was looked for: a chip that is found is tried again after a second."""
    world = make_world(connected=False)
    world.fault(CONNECT, count=1, **REFUSED)
    search_in_vain(clock, world, 6)
    world.adapter.call("StartDiscovery")
    world.wait_count(CONNECT, 1)
    # It was a minute.
    assert clock.wait(lambda: is_ready(world), "a connection") < 45


def test_attempts_in_vain_do_not_hold_searches(clock: VirtualClock, make_world: MakeWorld) -> None:
    """BlueZ forgets a chip whose attempts failed: it is looked for soon, and again after 20 s."""
    world = make_world()
    world.fault(CONNECT, **REFUSED)
    world.control("SetInRange", RADIO, False)
    world.control("ClearCalls")
    wait_quickly(clock, world, lambda: world.count_calls(CONNECT) >= 7, "attempts")
    world.adapter.call("RemoveDevice", device_path())
    clock.wait(lambda: world.count_calls(STOP) == 1, "the end of a search")
    # It was ten minutes.
    assert clock.wait(lambda: world.count_calls(STOP) == 2, "the end of the next") < 200


def test_full_adapter_does_not_hold_the_other(clock: VirtualClock, make_world: MakeWorld) -> None:
    """It is switched off: the pause of a minute was for it alone."""
    world = make_world(centrals=2)
    used, other = world.adapter_paths()
    world.fault(CONNECT, device_path(0, used), **LIMIT)
    world.chip.wait_change("LastError", ERROR + "ConnectionLimit", world.lose_link())
    # It may have been seen there, and that may be forgotten at any time.
    with suppress(BusError):
        world.bluez.remote(other, ADAPTER).call("RemoveDevice", device_path(0, other))
    world.bluez.remote(used, ADAPTER).set("Powered", False)
    assert clock.wait(lambda: is_ready(world), "a connection") < 45


def make_world_of_two(make_world: MakeWorld) -> World:
    """BlueZ knows the chip on both adapters."""
    world = make_world(centrals=2, connected=False)
    for adapter in ADAPTERS:
        world.know(adapter=adapter)
    return world


@pytest.mark.parametrize("answer", [LIMIT, REFUSED])
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_that_fails_is_not_the_only_one(
    make_world: MakeWorld, adapter: str, answer: dict[str, str]
) -> None:
    """The other one knows the chip, too: it has the next turn."""
    world = make_world_of_two(make_world)
    world.fault(CONNECT, device_path(0, adapter), **answer)
    chip = world.daemon.add(0)
    (other,) = set(ADAPTERS) - {adapter}
    assert chip.get("Adapter") == world.bluez.remote(other, ADAPTER).get("Address")
    assert world.count_calls(CONNECT) <= 2


def test_adapters_that_are_full_take_turns_with_pauses(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """Each is tried at once; then there is the pause of a minute, and not for each of them another one without."""
    world = make_world_of_two(make_world)
    world.fault(CONNECT, **LIMIT)
    world.daemon.add(0, ready=False)
    world.wait_count(CONNECT, 2)
    assert clock.wait(lambda: world.count_calls(CONNECT) >= 3, "the third attempt") >= 40
    assert clock.wait(lambda: world.count_calls(CONNECT) >= 4, "the fourth attempt") >= 40
    paths = [call.path for call in world.calls(CONNECT)]
    assert paths[0::2] == 2 * [paths[0]] and paths[1::2] == 2 * [paths[1]]
    assert set(paths) == {device_path(0, adapter) for adapter in ADAPTERS}


def test_adapter_is_plugged_in_between_searches(clock: VirtualClock, make_world: MakeWorld) -> None:
    """It may hear the chip: it is not left alone until the pause of the other one is over."""
    world = make_world(connected=False)
    search_in_vain(clock, world, 5)
    adapter = world.bluez.remote(world.control("AddAdapter", 10, {}), ADAPTER)
    adapter.set("Powered", True)
    # It was more than five minutes.
    assert clock.wait(lambda: is_ready(world), "a connection") < 200


def test_search_that_cannot_begin(clock: VirtualClock, make_world: MakeWorld) -> None:
    """An adapter that is not ready for a while costs seconds, not the pauses between searches."""
    world = make_world(connected=False)
    world.fault("Adapter1.StartDiscovery", error="NotReady", count=4)
    world.daemon.add(0, ready=False)
    # It was five minutes.
    assert clock.wait(lambda: is_ready(world), "a connection") < 150


def test_failures_of_other_requests_do_not_hold_the_next(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """To a chip that keeps no connection each caller has more than one attempt."""
    world = make_world()
    keep_no_connection(world)
    world.fault(CONNECT, **REFUSED)
    for _ in range(3):
        world.control("ClearCalls")
        read = world.chip.call_async("ReadSteps")
        tried = lambda r=read: r.done or world.count_calls(CONNECT) >= 3  # noqa: E731
        clock.wait(tried, "three attempts")
        assert not read.done
        clock.wait(lambda r=read: r.done, "the end of the request")
        world.chip.wait_property("State", "disconnected")


# --- links and attempts for nobody ----------------------------------------------------------------------------


def test_lost_link_that_nobody_needs(world: World) -> None:
    """A link that is kept for a moment after a request is not made anew when it is lost."""
    keep_no_connection(world)
    world.chip.call("ReadSteps")
    world.daemon.wait_idle(world.chip)
    world.control("ClearCalls")
    world.lose_link()
    world.chip.wait_property("State", "disconnected")
    assert world.calls(CONNECT) == []


def test_nobody_waits_any_more(
    clock: VirtualClock, make_world: MakeWorld, patient: list[str]
) -> None:
    """The attempt ends with the request that it was for."""
    world = make_world(f"--connect-timeout={HOUR_MS}", daemon_args=patient)
    keep_no_connection(world)
    world.hands.call("Sleep")
    read = world.chip.call_async("ReadSteps")
    clock.wait(lambda: read.done, "the end of the request")
    world.chip.wait_property("State", "disconnected")
    world.hands.call("Shake")
    clock.let_answer()
    assert world.control("Links") == []


def test_pairing_is_not_cut_short(clock: VirtualClock, make_world: MakeWorld) -> None:
    """A link that was made for a request lasts until the pairing that began on it has ended."""
    world = make_world()
    keep_no_connection(world)
    world.chip.call("ReadSteps")
    world.daemon.wait_idle(world.chip)
    pair = world.chip.call_async("Pair", {"timeout": GLib.Variant("u", 120)})
    world.chip.wait_property("PairingState", "shake-now")
    world.hands.wait_property("PairingWaitsForShake", True)
    clock.add(16)
    for _ in range(2):
        world.chip.get("State")
        clock.let_answer()
    world.hands.call("Shake")
    pair.wait()
    clock.wait(lambda: world.chip.get("State") == "disconnected", "the end of the link")


def test_slow_answers_are_not_cut_short(clock: VirtualClock, make_world: MakeWorld) -> None:
    """Info is a dozen reads, which may take longer than such a link is kept."""
    world = make_world()
    keep_no_connection(world)
    world.fault("GattCharacteristic1.ReadValue", delay_ms=4000)
    info = world.chip.call_async("ReadInfo")
    clock.wait(lambda: info.done, "the answer")
    info.wait()


@pytest.mark.parametrize("answer", [{"error": "InProgress"}, {"never_answer": True}], ids=["error", "none"])
def test_discovery_that_does_not_stop(
    clock: VirtualClock, make_world: MakeWorld, answer: dict[str, str | bool]
) -> None:
    """It would keep other devices of the host away for ever: it is told to stop again."""
    world = make_world()
    world.fault(STOP, count=1, **answer)
    scan = world.daemon.manager.call_async("Scan", {"timeout": GLib.Variant("u", 2)})
    world.adapter.wait_property("Discovering", True)
    clock.wait(lambda: scan.done, "the end of the scan")
    clock.wait(lambda: not world.adapter.get("Discovering"), "the end of the discovery")
    world.control("ClearFaults")


# --- what BlueZ lists -----------------------------------------------------------------------------------------


def test_list_that_fails_takes_nothing_away(clock: VirtualClock, make_world: MakeWorld) -> None:
    """A chip is unknown to BlueZ, which is then asked for everything, and fails: no other chip is touched."""
    world = make_world(chips=2)
    other = world.daemon.add(1)
    before = len(other.changes)
    world.chip.call("Disconnect")
    owner = world.daemon.bus.owner(CORE2)
    world.fault("ObjectManager.GetManagedObjects", error="Failed", count=1, sender=owner)
    world.control("RemoveObject", device_path(), True)
    connect = world.chip.call_async("Connect", {"timeout": GLib.Variant("u", 600)})
    clock.wait(lambda: connect.done, "the connection")
    connect.wait()
    assert "cannot list" in world.daemon.stderr
    assert other.announced("State", before) == []


def test_object_gone_without_a_word_while_it_is_connected(
    clock: VirtualClock, make_world: MakeWorld
) -> None:
    """Connect succeeds, but BlueZ shows nothing of the chip any more."""
    world = make_world()
    world.control("SetInRange", RADIO, False)
    world.chip.wait_property("Connected", False)
    world.wait_count(CONNECT, 2)
    world.control("RemoveObject", device_path(), True)
    world.control("SetInRange", RADIO, True)
    clock.wait(lambda: is_ready(world), "a connection")


def test_scan_takes_an_adapter_in_that_is_new_and_on(world: World) -> None:
    options = {"timeout": GLib.Variant("u", 60), "max": GLib.Variant("u", 9)}
    world.daemon.manager.call_async("Scan", options)
    world.adapter.wait_property("Discovering", True)
    adapter = world.bluez.remote(world.control("AddAdapter", 10, {}), ADAPTER)
    adapter.wait_property("Discovering", True)


def test_searches_for_many_share_a_discovery(clock: VirtualClock, make_world: MakeWorld) -> None:
    """Chips that are nowhere, missed since different times: together they do not keep other devices away."""
    world = make_world(connected=False)

    def let_go_by(seconds: float) -> float:
        before = clock.monotonic()
        clock.add(seconds)
        world.daemon.manager.get("Scanning")
        clock.let_answer()
        return clock.monotonic() - before

    for index in range(1, 21):
        world.daemon.add(index, ready=False)
        for _ in range(5):
            let_go_by(6)
    begin, discovered = clock.monotonic(), 0.0
    while clock.monotonic() - begin < 1200:
        seconds = let_go_by(6)
        discovered += seconds * world.adapter.get("Discovering")
    # It was half of the time.
    assert discovered < 300
