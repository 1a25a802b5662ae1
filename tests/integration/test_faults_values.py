# SPDX-License-Identifier: LGPL-2.1-or-later
"""Values that no chip should send, and counters that do what they like."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import HCI0, Stage, device_path, wait_for

Stages = Callable[..., Stage]
CHARACTERISTIC = "org.bluez.GattCharacteristic1"
STEPS = "00000007-0000-3512-2118-0009af100700"
#: Calls of a test that are under way together.
BATCH = 100
SEED = 20240506


def steps_characteristic(one: Stage) -> str:
    return next(
        path
        for path, interfaces in one.bus.managed_objects("org.bluez", "/").items()
        if interfaces.get(CHARACTERISTIC, {}).get("UUID") == STEPS and path.startswith(HCI0)
    )


def value(one: Stage, path: str) -> bytes:
    """What bluetoothd shows as the last value."""
    return bytes(one.bluez.remote(path, CHARACTERISTIC).get("Value"))


def emit(one: Stage, path: str, data: bytes, times: int = 1) -> None:
    one.bluez.control.call("EmitValue", path, data, {"times": GLib.Variant("u", times)})


def measured(one: Stage) -> dict[str, object]:
    """What of a chip a value can change."""
    every = one.chip.get_all()
    return {name: every[name] for name in every if name not in ("Cadence", "LastSeen", "Rssi")}


def test_f12_values_of_every_length(stage: Stages) -> None:
    """What is too short is dropped, with a line now and then; no length makes a step."""
    print("seed", SEED)
    dice = random.Random(SEED)
    one = stage()
    one.ledger.settle()
    path = steps_characteristic(one)
    before, lines = measured(one), one.daemon.stderr.count("\n")

    def emit_random(sizes: list[int]) -> None:
        # Fewer at a time than the bus lets wait for their replies.
        for start in range(0, len(sizes), BATCH):
            for size in sizes[start : start + BATCH]:
                one.bluez.control.call_async("EmitValue", path, dice.randbytes(size), {})
            one.bluez.control.call("CallCount", "*")
        one.ledger.ping()

    emit_random([dice.randrange(5) for _ in range(1000)])
    assert measured(one) == before
    assert one.daemon.stderr.count("\n") - lines <= 2
    # Counters as nobody walks: doubted, not counted.
    emit_random([*range(5, 513)])
    assert one.chip.get("StepsTotal") == before["StepsTotal"]
    one.ledger.settle()


@pytest.mark.parametrize(
    ("changed", "invalidated"),
    [
        ({"Value": GLib.Variant("s", "12345")}, []),
        ({"Value": GLib.Variant("u", 7)}, []),
        ({"Value": GLib.Variant("aay", [[1], [2]])}, []),
        ({"Value": GLib.Variant("v", GLib.Variant("ay", bytes(5)))}, []),
        ({}, ["Value"]),
        ({}, []),
        ({"Notifying": GLib.Variant("s", "no"), "Flags": GLib.Variant("u", 1)}, ["UUID"]),
    ],
)
def test_f12_values_of_wrong_type(
    stage: Stages, changed: dict[str, GLib.Variant], invalidated: list[str]
) -> None:
    one = stage()
    one.ledger.settle()
    before = measured(one)
    path = steps_characteristic(one)
    for _ in range(20):
        one.bluez.control.call("EmitProperties", path, CHARACTERISTIC, changed, invalidated)
    one.ledger.ping()
    assert measured(one) == before
    one.ledger.settle()


def test_f13_duplicate_equal_reordered_and_early_notifications(stage: Stages) -> None:
    one = stage()
    path = steps_characteristic(one)
    one.hands[0].call("Step", 3)
    one.chip.wait_property("StepsTotal", 3)
    first = value(one, path)
    one.hands[0].call("Step", 4)
    one.chip.wait_property("StepsTotal", 7)
    second = value(one, path)
    assert first != second
    emit(one, path, second, times=5)
    emit(one, path, first)
    emit(one, path, second)
    emit(one, path, first, times=3)
    emit(one, path, second, times=2)
    one.ledger.ping()
    assert one.chip.get("StepsTotal") == 7
    one.ledger.settle()

    # Before the services are resolved, and before core2d has subscribed.
    one.options(resolve_delay=-1)
    one.drop_links()
    emit(one, path, second, times=3)
    one.ledger.wait_states("resolving")
    emit(one, path, second, times=3)
    one.ledger.ping()
    one.options(resolve_delay=20)
    one.drop_links_unseen()
    one.ledger.settle()


def test_f13_counter_wraps(stage: Stages) -> None:
    one = stage()
    one.hands[0].call("SetCounter", 2**32 - 6)
    one.daemon.manager.call("RemoveChip", one.ledger.paths[0], {"delete-history": GLib.Variant("b", True)})
    chip = one.daemon.add_counting(0)
    resets = chip.signals("CounterReset")
    assert chip.get("Steps") == 2**32 - 6
    one.hands[0].call("Step", 20)
    chip.wait_property("StepsTotal", 20)
    assert one.hands[0].get("Counter") == 14
    assert resets.wait()[0].args == (2**32 - 6, 14, "wrap")


@pytest.mark.parametrize("linked", [True, False])
def test_f13_counter_starts_again(stage: Stages, linked: bool) -> None:
    """At the chip's midnight, and for a new battery; seen or unseen."""
    one = stage()
    one.ledger.walk(40)
    one.ledger.settle()
    for begin in (
        lambda: one.hands[0].call("ResetCounter", "battery"),
        lambda: (
            one.hands[0].call("SetTime", "2024-05-06 23:59:50"),
            one.hands[0].call("Advance", 20),
        ),
    ):
        resets = one.chip.signals("CounterReset")
        if linked:
            begin()
            # A fall is believed with the next link at the latest.
            one.drop_links()
        else:
            one.hands[0].call("Vanish")
            one.ledger.wait_states("waiting", "connecting")
            begin()
            one.hands[0].call("Appear")
        one.ledger.wait_states("ready")
        resets.wait()
        one.ledger.settle()


def test_f28_many_clients_list_everything(stage: Stages) -> None:
    """All ask for all objects again and again; all are answered, and no notification is lost meanwhile."""
    all_of = stage(40)
    connections = [all_of.bus.connect() for _ in range(8)]
    manager = ("org.example.Core2", "/org/example/Core2", "org.freedesktop.DBus.ObjectManager")
    begin = GLib.get_monotonic_time()
    for _ in range(3):
        calls = [
            all_of.bus.call_async(*manager, "GetManagedObjects", connection=connection)
            for connection in connections
        ]
        all_of.ledger.walk()
        for call in calls:
            assert len(call.wait()) == all_of.count + 1
    spent = GLib.get_monotonic_time() - begin
    print(f"{3 * len(connections)} lists of {all_of.count} chips in {spent} us")
    for connection in connections:
        connection.close(None, None)
    assert all_of.links and device_path() in all_of.links
    wait_for(lambda: len(all_of.links) == all_of.count, what="all links")
    all_of.ledger.settle()
