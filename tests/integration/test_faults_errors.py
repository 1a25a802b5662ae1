# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error that BlueZ and the bus know, as the answer to every call that core2d makes to BlueZ.

Each chip gets an error of its own, all at once. What is held: whoever asked gets an error of core2d's, no call is
repeated in a storm, and when the errors stop every chip comes back by itself with its steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest
from gi.repository import GLib
from harness import CORE2, HCI0, BusError, Pending, Stage
from harness import chip_address, chip_path, device_path, wait_for

Stages = Callable[..., Stage]

ERRORS = [
    *(
        "org.bluez.Error." + name
        for name in (
            "AlreadyConnected AlreadyExists AuthenticationCanceled AuthenticationFailed "
            "AuthenticationRejected AuthenticationTimeout ConnectionAttemptFailed DoesNotExist "
            "Failed InProgress InvalidArguments InvalidOffset InvalidValueLength NotAuthorized "
            "NotAvailable NotConnected NotPermitted NotReady NotSupported"
        ).split()
    ),
    *(
        "org.freedesktop.DBus.Error." + name
        for name in (
            "AccessDenied LimitsExceeded NoReply ServiceUnknown TimedOut UnknownMethod UnknownObject"
        ).split()
    ),
    "x.Y",
]

#: A chip that nobody hears: to connect to it takes core2d a second by its own clock, and is in vain.
FAR = len(ERRORS)

#: A pause of at most a second and a quarter after each failure.
HASTY = "[Link]\nBackoffMaxSec=1\n[Orientation]\nMinIntervalMs=100\n"

#: The most that one method of one object may be called within a second: BlueZ's InProgress is answered by
#: a retry every 100 ms, which the bus may bunch a little.
STORM = 13


def lose_links(all_of: Stage) -> list[Pending]:
    for hand in all_of.hands[:FAR]:
        hand.call_async("DropLink")
    return []


def of_each(method: str, *args: object) -> Callable[[Stage], list[Pending]]:
    """Every chip is asked for this, by a client of its own: clients have limits."""

    def ask(all_of: Stage) -> list[Pending]:
        clients = [all_of.bus.connect() for _ in range(3)]
        return [
            all_of.daemon.chip(index).call_async(method, *args, connection=clients[index % 3])
            for index in range(FAR)
        ]

    return ask


#: What core2d calls on a device and below it, and what makes it do so.
CALLS: dict[str, Callable[[Stage], list[Pending]]] = {
    "Device1.Connect": lose_links,
    "Device1.Disconnect": of_each("Disconnect"),
    "Properties.Set": of_each("Disconnect"),
    "Properties.GetAll": lose_links,
    "GattCharacteristic1.StartNotify": lose_links,
    "GattCharacteristic1.ReadValue": of_each("ReadBattery"),
    "GattCharacteristic1.WriteValue": of_each("ReadOrientation"),
}


def a_second(all_of: Stage) -> None:
    """core2d lets a second go by."""
    far = all_of.daemon.chip(FAR)
    with pytest.raises(BusError):
        far.call("Connect", {"timeout": GLib.Variant("u", 1)})


def storms(all_of: Stage) -> dict[tuple[str, str], int]:
    """Methods of objects that core2d called too often within a second."""
    owner = all_of.bus.owner(CORE2)
    times = defaultdict(list)
    for time, sender, path, method in all_of.bluez.control.call("CallLog"):
        if sender == owner:
            times[path, method].append(time)
    return {
        call: len(when)
        for call, when in times.items()
        if any(after - before < 1_000_000 for before, after in zip(when, when[STORM:], strict=False))
    }


def ends(calls: list[Pending]) -> list[str]:
    """Every call is answered, with an error of ours if with any."""
    names = []
    wait_for(lambda: all(call.done for call in calls), what="answers")
    for call in calls:
        try:
            call.wait()
            names.append("")
        except BusError as error:
            assert error.name.startswith("org.example.Core2.Error."), error
            assert error.message and "\N{SNOWMAN}%n" not in error.message[:2]
            names.append(error.name)
    return names


def add_far(all_of: Stage) -> None:
    """One more chip that BlueZ knows, but that is nowhere."""
    all_of.daemon.add(FAR, ready=False)


@pytest.mark.parametrize("method", CALLS)
def test_f14_every_error_of_bluez(stage: Stages, method: str) -> None:
    all_of = stage(FAR, config=HASTY)
    add_far(all_of)
    all_of.bluez.control.call("ClearCalls")
    for index, name in enumerate(ERRORS):
        # Now and then with a text as no program expects one.
        message = "\N{SNOWMAN}%n%s" * (300 * (index % 2))
        all_of.fault(method, device_path(index), error=name, message=message)
    calls = CALLS[method](all_of)
    wait_for(
        lambda: all(all_of.call_times(method, device_path(index)) for index in range(FAR)),
        what=f"a {method} for each chip",
    )
    a_second(all_of)
    assert storms(all_of) == {}
    print(f"Ping {all_of.ledger.ping()} us")

    all_of.clear()
    ends(calls)
    if method in ("Device1.Disconnect", "Properties.Set"):
        for index in range(FAR):
            all_of.daemon.chip(index).call("Connect", {})
    held = [
        index
        for index in range(FAR)
        if "another program holds" in all_of.ledger[index].now[1]
    ]
    assert method == "GattCharacteristic1.StartNotify" or not held
    for index in held:
        # The counter is read now and then; a new link is subscribed again.
        all_of.hands[index].call("Step", 5)
        all_of.daemon.chip(index).call("ReadSteps")
        assert all_of.ledger[index].values["StepsTotal"] == all_of.ledger.truth(index)
        all_of.hands[index].call("DropLink")
        wait_for(lambda i=index: "another" not in all_of.ledger[i].now[1], what="a new link")
    all_of.ledger.settle()


@pytest.mark.parametrize(
    "method", ["Adapter1.SetDiscoveryFilter", "Adapter1.StartDiscovery", "Adapter1.StopDiscovery"]
)
def test_f14_every_error_of_a_scan(stage: Stages, method: str) -> None:
    one = stage()
    options = {"timeout": GLib.Variant("u", 1), "max": GLib.Variant("u", 1)}
    # What the scan is to find, so that it ends at once.
    found = {
        "Name": GLib.Variant("s", "HM0D"),
        "UUIDs": GLib.Variant("as", ["fee0"]),
        "ManufacturerData": GLib.Variant("a{qv}", {0x0157: GLib.Variant("ay", bytes(6))}),
    }
    one.bluez.control.call("AddDevice", HCI0, chip_address(40), found)
    # A discovery that did not stop is told so again two seconds later.
    stops = method == "Adapter1.StopDiscovery"
    errors = ERRORS[::4] if stops else ERRORS
    needed = "Adapter1.StartDiscovery" if stops else method

    def scanned(before: int) -> bool:
        """A scan may be over before a slow bluetoothd has begun."""
        ends([one.daemon.manager.call_async("Scan", options)])
        return one.count_calls(needed) > before

    for name in errors:
        one.fault(method, error=name, message="no", count=1)
        before, begun = one.count_calls(method), one.count_calls(needed)
        wait_for(lambda count=begun: scanned(count), what=f"a call of {needed}")
        one.wait_call(method, before)
        one.daemon.manager.wait_property("Scanning", False)
        one.clear()
    assert one.count_calls(method) <= (4 if stops else 2) * len(errors)
    one.ledger.settle()


def test_f14_every_error_of_remove(stage: Stages) -> None:
    """The chip is removed here, whatever BlueZ says to it; and can be added again."""
    all_of = stage(len(ERRORS))
    for index, name in enumerate(ERRORS):
        # The device is in the argument, so the faults are used up in turn.
        all_of.fault("Adapter1.RemoveDevice", error=name, message="no", count=1)
        path = all_of.ledger.paths[index]
        before = all_of.count_calls("Adapter1.RemoveDevice")
        ends([all_of.daemon.manager.call_async("RemoveChip", path, {})])
        all_of.wait_call("Adapter1.RemoveDevice", before)
        assert path not in all_of.daemon.objects()
        assert all_of.count_calls("Adapter1.RemoveDevice") == before + 1
    for index in range(len(ERRORS)):
        all_of.daemon.add(index, ready=False)
    all_of.wait_counting()


def test_f14_errors_of_the_list(stage: Stages) -> None:
    """BlueZ does not tell what there is: asked again after a pause, until it does."""
    one = stage()
    one.daemon.stop()
    method, error = "ObjectManager.GetManagedObjects", "org.freedesktop.DBus.Error."
    one.fault(method, error=error + "AccessDenied", message="no", count=1)
    one.fault(method, error=error + "NoReply", message="no")
    one.hands[0].call("Step", 4)
    one.bluez.control.call("ClearCalls")
    one.start_core2d()
    one.wait_call(method, 1)
    assert one.ledger[0].values["State"] != "ready"
    one.clear()
    one.ledger.settle()
    owner = one.bus.owner(CORE2)
    lists = [
        call
        for call in one.bluez.control.call("CallLog")
        if call[1] == owner and call[3] == method
    ]
    assert len(lists) >= 3
    gaps = [after[0] - before[0] for before, after in zip(lists, lists[1:], strict=False)]
    assert min(gaps) >= 1_000_000


def test_f14_covers_every_call(stage: Stages) -> None:
    """core2d calls nothing of BlueZ that is not in the tables above."""
    one = stage()
    chip = one.chip
    one.daemon.manager.call("Scan", {"timeout": GLib.Variant("u", 1)})
    chip.call("ReadOrientation")
    chip.call("ReadInfo")
    one.quirk(auth_key="accept")
    chip.call("Pair", {})
    one.drop_links()
    one.ledger.wait_states("ready")
    chip.call("Disconnect")
    one.daemon.manager.call("RemoveChip", chip_path(0), {})
    owner = one.bus.owner(CORE2)
    called = {call[3] for call in one.bluez.control.call("CallLog") if call[1] == owner}
    assert called <= set(CALLS) | {
        "Adapter1.SetDiscoveryFilter",
        "Adapter1.StartDiscovery",
        "Adapter1.StopDiscovery",
        "Adapter1.RemoveDevice",
        "ObjectManager.GetManagedObjects",
    }
    assert called >= set(CALLS)
