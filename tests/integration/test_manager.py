# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scanning for chips, and adding, removing and finding them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import both_buses
from gi.repository import Gio, GLib
from harness import CORE2, STANDING, BluezFaults, Bus, Core2d, VirtualBluez, VirtualChips
from harness import VirtualClock, chip_address, chip_path, raises_bus_error, wait_for

ERROR = "org.example.Core2.Error."
KEY = bytes(range(16))
HUAMI_SERVICE = "0000fee0-0000-1000-8000-00805f9b34fb"
BAND = "C8:0F:10:00:00:01"


class World(BluezFaults):
    """Three radios for chips, of which two have one; core2d knows none."""

    def __init__(self, bus: Bus, bluez: VirtualBluez, chips: VirtualChips, daemon: Core2d) -> None:
        self.bus = bus
        self.bluez = bluez
        self.chips = chips
        self.daemon = daemon
        self.manager = daemon.manager
        for chip in (chips[0], chips[1]):
            chip.wait_property("Advertising", True)

    def scan(self, **options: int) -> list[str]:
        return self.manager.call("Scan", {k: GLib.Variant("u", v) for k, v in options.items()})

    def ping(self, client: Gio.DBusConnection) -> None:
        """Wait until core2d has seen all that this client sent."""
        path = self.manager.path
        self.bus.call_async(
            CORE2, path, "org.freedesktop.DBus.Peer", "Ping", connection=client
        ).wait()

    def add_band(self) -> None:
        """A bracelet of the same maker, with the same service."""
        options = {
            "Name": GLib.Variant("s", "Mi Band 3"),
            "UUIDs": GLib.Variant("as", [HUAMI_SERVICE]),
            "ManufacturerData": GLib.Variant(
                "a{qv}", {0x0157: GLib.Variant("ay", bytes.fromhex(BAND.replace(":", "")))}
            ),
        }
        self.bluez.control.call("AddDevice", "/org/bluez/hci0", BAND, options)

    def add_chip(self) -> None:
        """One more, which advertises from now on."""
        options = {
            "Name": GLib.Variant("s", "HM0D"),
            "UUIDs": GLib.Variant("as", [HUAMI_SERVICE]),
            "ManufacturerData": GLib.Variant("a{qv}", {0x0157: GLib.Variant("ay", b"\0" * 6)}),
        }
        self.bluez.control.call("AddDevice", "/org/bluez/hci0", "F1:4F:BB:00:00:01", options)

    def chips_known(self) -> dict[str, Any]:
        """What must not change when something is refused."""
        return {
            path: (chip[CORE2]["Alias"], chip[CORE2]["Side"], chip[CORE2]["Paired"])
            for path, chip in self.daemon.objects().items()
            if CORE2 in chip and chip[CORE2]["Remembered"]
        }


@pytest.fixture
def world(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> World:
    bluez = virtual_bluez("--peripherals", "3")
    chips = virtual_chip("hci1", "hci2", args=STANDING)
    return World(bus, bluez, chips, core2d())


def test_scan_for_all(world: World) -> None:
    """What advertises is there as an object that is not remembered."""
    found = world.scan(timeout=60, max=2)
    assert sorted(found) == [chip_path(0), chip_path(1)]
    for path in found:
        properties = world.daemon.objects()[path][CORE2]
        assert not properties["Remembered"]
        assert properties["State"] == "disconnected"
        assert properties["Name"] == "HM0D"
        assert properties["LastSeen"] > 0
    assert world.chips_known() == {}


def test_scan_for_one(world: World) -> None:
    """Replies as soon as it is found, long before the time is over."""
    found = world.scan(timeout=60, max=1)
    assert len(found) == 1
    world.manager.wait_property("Scanning", False)
    wait_for(lambda: world.count_calls("Adapter1.StopDiscovery") == 1, what="the end of the discovery")


def test_scan_in_vain(world: World) -> None:
    """Nothing but the number of others: that one must shake the chip, not look at Bluetooth."""
    for index in (0, 1):
        world.chips[index].call("Vanish")
        world.chips[index].wait_property("Advertising", False)
    assert world.scan(timeout=1) == []
    assert world.manager.get("OtherDevicesSeen") == 0

    options = {"Name": GLib.Variant("s", "headphones")}
    for number in range(3):
        address = f"C8:0F:20:00:00:0{number}"
        world.bluez.control.call("AddDevice", "/org/bluez/hci0", address, options)

    def all_heard() -> bool:
        """On a busy computer a second may be too short to hear them."""
        assert world.scan(timeout=1) == []
        return world.manager.get("OtherDevicesSeen") == 3

    wait_for(all_heard, what="three other devices in one scan")


def test_parallel_scans_share_a_discovery(world: World) -> None:
    clients = [world.bus.connect() for _ in range(3)]
    options = {"timeout": GLib.Variant("u", 60), "max": GLib.Variant("u", 3)}
    for radio in ("hci1", "hci2"):
        world.bluez.control.call("SetInRange", f"/org/bluez/{radio}", False)
    world.bluez.control.call("ClearCalls")
    calls = [world.manager.call_async("Scan", options, connection=client) for client in clients]
    # All wait for three chips, which come when all have asked: messages keep their order.
    for client in clients:
        world.ping(client)
    world.manager.wait_property("Scanning", True)
    for radio in ("hci1", "hci2"):
        world.bluez.control.call("SetInRange", f"/org/bluez/{radio}", True)
    world.add_chip()
    answers = [sorted(call.wait()) for call in calls]
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]) == 3
    assert world.count_calls("Adapter1.StartDiscovery") == 1
    wait_for(lambda: world.count_calls("Adapter1.StopDiscovery") == 1, what="the end of the discovery")
    for client in clients:
        client.close(None, None)


def test_late_scan_knows_what_an_early_one_found(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    """BlueZ tells of a chip once in a discovery. Who joins it half a minute later is told, too."""
    clock = VirtualClock(bus)
    world = World(bus, virtual_bluez(), virtual_chip("hci1", "hci2", args=STANDING), core2d())
    client = bus.connect()
    world.manager.call_async("Scan", {"timeout": GLib.Variant("u", 60)}, connection=client)
    paths = {chip_path(0), chip_path(1)}
    wait_for(lambda: paths <= world.daemon.objects().keys(), what="both chips in the first scan")
    clock.add(30)
    assert set(world.scan(timeout=10, max=2)) == paths
    client.close(None, None)


@both_buses
def test_caller_leaves(world: World) -> None:
    """Its scan ends with it, unless somebody else scans."""
    first, second = world.bus.connect(), world.bus.connect()
    options = {"timeout": GLib.Variant("u", 60)}
    for client in (first, second):
        world.manager.call_async("Scan", options, connection=client)
    world.manager.wait_property("Scanning", True)
    first.close(None, None)
    world.ping(second)
    # Whoever asks now is served by the same discovery, of which only a chip that comes may be news.
    options |= {"max": GLib.Variant("u", 1)}
    scan = world.manager.call_async("Scan", options)
    world.ping(world.bus.connection)
    world.add_chip()
    assert len(scan.wait()) == 1
    assert world.manager.get("Scanning")
    second.close(None, None)
    world.manager.wait_property("Scanning", False)
    wait_for(lambda: world.count_calls("Adapter1.StopDiscovery") >= 1, what="the end of the discovery")


def test_other_device_of_the_maker(world: World) -> None:
    """No bracelet is taken for a chip by itself; who says so by its address is believed."""
    world.add_band()
    wanted = {chip_path(0), chip_path(1)}

    def all_heard() -> bool:
        found = set(world.scan(timeout=1))
        assert found <= wanted
        return found == wanted and world.manager.get("OtherDevicesSeen") == 1

    wait_for(all_heard, what="both chips and the other device in one scan")
    path = world.manager.call("AddChip", BAND, {"connect": GLib.Variant("b", False)})
    assert path in world.chips_known()
    assert path in world.scan(timeout=60, max=3)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": GLib.Variant("u", 0)},
        {"timeout": GLib.Variant("u", 61)},
        {"timeout": GLib.Variant("s", "5")},
        {"max": GLib.Variant("i", 1)},
        {"adapter": GLib.Variant("s", "hci0")},
        {"adapter": GLib.Variant("s", "00:AA:01:00:00:0G")},
        {"duration": GLib.Variant("u", 5)},
    ],
    ids=["0 s", "61 s", "text", "signed", "hci0", "no hex", "unknown"],
)
def test_bad_scan(world: World, options: dict[str, GLib.Variant]) -> None:
    with raises_bus_error(ERROR + "InvalidArguments"):
        world.manager.call("Scan", options)
    assert not world.manager.get("Scanning")
    assert world.count_calls("Adapter1.StartDiscovery") == 0


def test_scan_on_an_adapter(world: World) -> None:
    for address in ("00:AA:01:00:00:00", "00:aa:01:00:00:00"):
        options = {
            "adapter": GLib.Variant("s", address),
            "max": GLib.Variant("u", 1),
            "timeout": GLib.Variant("u", 60),
        }
        assert len(world.manager.call("Scan", options)) == 1
    with raises_bus_error(ERROR + "AdapterUnavailable"):
        world.manager.call("Scan", {"adapter": GLib.Variant("s", "00:AA:01:99:99:99")})


@pytest.mark.parametrize("spell", [str.upper, str.lower, str.swapcase, str.title])
def test_add(world: World, spell: Callable[[str], str]) -> None:
    """One chip, in whatever case its address is given; later options change only what they name."""
    options = {
        "alias": GLib.Variant("s", "Schuh"),
        "side": GLib.Variant("s", "left"),
        "key": GLib.Variant("ay", KEY),
        "connect": GLib.Variant("b", False),
    }
    assert world.manager.call("AddChip", spell(chip_address()), options) == chip_path(0)
    chip = world.daemon.chip(0)
    assert chip.get("Address") == chip_address()
    assert world.chips_known() == {chip_path(0): ("Schuh", "left", True)}
    assert bytes(chip.call("GetKey")) == KEY
    assert chip.get("State") == "disconnected"

    options = {"side": GLib.Variant("s", "right"), "connect": GLib.Variant("b", False)}
    assert world.manager.call("AddChip", chip_address(), options) == chip_path(0)
    assert world.chips_known() == {chip_path(0): ("Schuh", "right", True)}


BAD_ADDRESSES = {
    "empty": "",
    "text": "left shoe",
    "five pairs": "F1:4F:BB:6A:B5",
    "seven pairs": "F1:4F:BB:6A:B5:79:00",
    "no hex": "F1:4F:BB:6A:B5:7G",
    "dashes": "F1-4F-BB-6A-B5-79",
    "space": " F1:4F:BB:6A:B5:79",
    "path": "../../../../../etc",
    "no latin": "Ｆ1:4F:BB:6A:B5:79",
}
BAD_OPTIONS = {
    "side": GLib.Variant("s", "middle"),
    "side of a wrong type": GLib.Variant("u", 1),
    "alias of a wrong type": GLib.Variant("ay", b"x"),
    "alias too long": GLib.Variant("s", "x" * 1000),
    "alias with a line end": GLib.Variant("s", "left\nshoe"),
    "key too short": GLib.Variant("ay", KEY[1:]),
    "key too long": GLib.Variant("ay", KEY + b"x"),
    "key as text": GLib.Variant("s", KEY.hex()),
    "connect": GLib.Variant("s", "yes"),
    "colour": GLib.Variant("s", "blue"),
}


@pytest.mark.parametrize("address", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_bad_address(world: World, address: str) -> None:
    before = sorted(world.daemon.objects())
    with raises_bus_error(ERROR + "InvalidArguments") as caught:
        world.manager.call("AddChip", address, {})
    assert "no Bluetooth address" in caught[0].message
    assert sorted(world.daemon.objects()) == before


@pytest.mark.parametrize("what", BAD_OPTIONS)
def test_bad_option(world: World, what: str) -> None:
    """Neither a new chip comes of it nor does a known one change."""
    options = {what.split()[0]: BAD_OPTIONS[what], "connect": GLib.Variant("b", False)}
    if what == "connect":
        options["connect"] = BAD_OPTIONS[what]
    good = {"alias": GLib.Variant("s", "old"), "connect": GLib.Variant("b", False)}
    world.manager.call("AddChip", chip_address(0), good)
    before = world.chips_known()
    for index in (0, 1):
        with raises_bus_error(ERROR + "InvalidArguments"):
            world.manager.call("AddChip", chip_address(index), options)
    assert world.chips_known() == before == {chip_path(0): ("old", "unknown", False)}


def test_start_without_a_signal(bus: Bus, core2d: Callable[..., Core2d]) -> None:
    """Whom nobody can know yet says nothing; whoever sees the name finds all chips."""
    daemon = core2d()
    for index in range(3):
        daemon.add(index, ready=False)
    daemon.stop()
    log = bus.signals()
    daemon.start()
    owner = bus.owner(CORE2)
    named = next(n for n, s in enumerate(log) if s.member == "NameOwnerChanged" and s.args[:3:2] == (CORE2, owner))
    assert set(daemon.objects()) == {daemon.manager.path, *(chip_path(index) for index in range(3))}
    assert [s for s in log.signals[:named] if s.sender == owner] == []
    assert [s for s in log if s.sender == owner and s.member == "InterfacesAdded"] == []
    daemon.manager.call("AddChip", chip_address(3), {})
    added = log.wait(lambda s: s.sender == owner and s.member == "InterfacesAdded")
    path, interfaces = added[0].args
    assert path == chip_path(3)
    assert set(interfaces) >= {CORE2, f"{CORE2}.Info", f"{CORE2}.History"}


def test_remove(world: World) -> None:
    """Object, key and files go, and BlueZ forgets it, even while it is connected."""
    world.daemon.add(0, key=GLib.Variant("ay", KEY))
    state = world.daemon.state_directory
    assert list((state / "keys").iterdir())
    world.manager.call("RemoveChip", chip_path(0), {})
    assert chip_path(0) not in world.daemon.objects()
    assert not list((state / "keys").iterdir())
    assert not [file for file in state.rglob("*") if chip_address().replace(":", "_") in file.name]
    wait_for(lambda: world.count_calls("Adapter1.RemoveDevice") == 1, what="BlueZ to forget it")
    world.chips[0].wait_property("Connected", False)
    world.daemon.restart()
    assert chip_path(0) not in world.daemon.objects()
    with raises_bus_error(ERROR + "NotFound"):
        world.manager.call("RemoveChip", chip_path(0), {})


def test_remove_but_let_bluez_keep_it(world: World) -> None:
    world.daemon.add(0)
    options = {"forget-bluez": GLib.Variant("b", False)}
    world.manager.call("RemoveChip", chip_path(0), options)
    world.chips[0].wait_property("Connected", False)
    assert world.count_calls("Adapter1.RemoveDevice") == 0


@pytest.mark.parametrize(
    "path",
    ["/", "/org/example/Core2/Manager", chip_path(1), "/org/example/Core2/chip/F1_4F"],
)
def test_remove_what_is_none(world: World, path: str) -> None:
    world.daemon.add(0, ready=False, connect=GLib.Variant("b", False))
    with raises_bus_error(ERROR + "NotFound"):
        world.manager.call("RemoveChip", path, {})
    with raises_bus_error(ERROR + "InvalidArguments"):
        world.manager.call("RemoveChip", chip_path(0), {"force": GLib.Variant("b", True)})
    assert list(world.chips_known()) == [chip_path(0)]


def test_find(world: World) -> None:
    """By address in any case, by alias, by side; what fits two chips fits none."""
    sides = ("left", "right", "right")
    for index, side in enumerate(sides):
        world.daemon.add(
            index,
            ready=False,
            connect=GLib.Variant("b", False),
            side=GLib.Variant("s", side),
            alias=GLib.Variant("s", f"shoe {min(index, 1)}"),
        )

    def find(name: str) -> str:
        return world.manager.call("FindChip", name)

    assert find(chip_address(1)) == find(chip_address(1).lower()) == chip_path(1)
    assert find("left") == find("shoe 0") == chip_path(0)
    for name in ("right", "shoe 1"):
        with raises_bus_error(ERROR + "Ambiguous"):
            find(name)
    for name in ("", "unknown", "shoe", "SHOE 0", chip_address(7), "x" * 10_000):
        with raises_bus_error(ERROR + "NotFound"):
            find(name)
