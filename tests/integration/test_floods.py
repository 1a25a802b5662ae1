# SPDX-License-Identifier: LGPL-2.1-or-later
"""Too much of everything, from clients and from a chip: memory stays bounded, everybody else is served.

The limits that these tests show are listed in README.md.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import both_buses
from gi.repository import Gio, GLib
from harness import CORE2, CORE2_PATH, STANDING, Bus, BusError, Core2d, RawClient, Remote
from harness import VirtualBluez, VirtualChips, chip_address, chip_path, raises_bus_error, wait_for

ERROR = "org.example.Core2.Error."
DEVICE = f"/org/bluez/hci0/dev_{chip_address().replace(':', '_')}"
STEPS = "00000007-0000-3512-2118-0009af100700"
MANAGER_PATH = f"{CORE2_PATH}/Manager"
MANAGER = f"{CORE2}.Manager"
#: Requests that one client may have waiting, and that all clients may.
WAITING = 64
WAITING_OF_ALL = 4096
MIB = 1 << 20
#: A sanitizer keeps what was freed, for a while, and notes about all memory: how many times as much there is then.
SANITIZED = 8
SHORT_QUARANTINE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}


class World:
    def __init__(self, bluez: VirtualBluez, hands: Remote, daemon: Core2d) -> None:
        self.bus = bluez.bus
        self.bluez = bluez
        self.hands = hands
        self.daemon = daemon
        self.chip = daemon.add_counting()
        self.memory_before = self.memory()
        self.walked = 0

    def memory(self) -> int:
        """Bytes that are the daemon's alone."""
        text = Path(f"/proc/{self.daemon.pid}/smaps_rollup").read_text()
        return sum(1024 * int(n) for n in re.findall(r"^Private_\w+: +(\d+)", text, re.MULTILINE))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.daemon.pid}/fd").iterdir()))

    def serves(self) -> None:
        """Others are answered, and steps count."""
        self.daemon.manager.call("FindChip", chip_address())
        self.chip.wait_property("State", "ready")
        self.hands.call("Step", 3)
        self.walked += 3
        self.chip.wait_property("StepsTotal", self.walked)

    def is_bounded(self, at_most: int = 16 * MIB) -> bool:
        sanitized = "libasan" in Path(f"/proc/{self.daemon.pid}/maps").read_text()
        return self.memory() - self.memory_before < at_most * (SANITIZED if sanitized else 1)


@pytest.fixture
def world(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> World:
    return World(virtual_bluez(), virtual_chip("hci1", args=STANDING)[0], core2d(env=SHORT_QUARANTINE))


def no_reply(client: RawClient, *call: str) -> bytes:
    """A call that wants no reply, so that the bus lets any number of them pass."""
    data = bytearray(client.message(*call))
    data[2] |= 1
    return bytes(data)


def test_hundred_thousand_calls(world: World) -> None:
    """One client calls as fast as it can; another one is served meanwhile."""
    hasty = RawClient(world.bus)
    read = no_reply(hasty, CORE2, chip_path(), CORE2, "ReadBattery")
    find = no_reply(hasty, CORE2, MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping")
    for _ in range(10):
        hasty.send(read * 1000 + find * 9000)
        assert world.chip.call("ReadBattery")[0] <= 100
        assert world.is_bounded()
    world.serves()


def test_waiting_requests_of_one_client(world: World) -> None:
    """A client has a limit, others have theirs, and a client that leaves frees all that is its own."""
    world.hands.call("Vanish")
    world.chip.wait_property("Connected", False)
    greedy = world.bus.connect()
    reads = [world.chip.call_async("ReadSteps", connection=greedy) for _ in range(WAITING + 16)]
    wait_for(lambda: sum(read.done for read in reads) >= 16, what="refusals")
    for read in [read for read in reads if read.done]:
        with raises_bus_error(ERROR + "RateLimited"):
            read.wait()
    with raises_bus_error(ERROR + "RateLimited"):
        world.daemon.manager.call_async("FindChip", chip_address(), connection=greedy).wait()

    other = world.chip.call_async("ReadSteps")
    world.hands.call("Appear")
    other.wait()
    wait_for(lambda: all(read.done for read in reads), what="all answers")
    world.daemon.manager.call_async("FindChip", chip_address(), connection=greedy).wait()
    world.serves()


def many_reads(client: RawClient) -> bytes:
    """As many requests as a client may have waiting. Made quickly: with a serial each, of one message."""
    read = bytearray(client.message(CORE2, chip_path(), CORE2, "ReadSteps"))
    reads = b""
    for serial in range(1000, 1000 + WAITING):
        read[8:12] = serial.to_bytes(4, "little")
        reads += read
    return reads


def test_waiting_requests_of_all_clients(world: World) -> None:
    """Many clients have a limit together; beyond it nobody is served until some of them leave."""

    def is_served() -> bool:
        try:
            world.daemon.manager.call("FindChip", chip_address())
        except BusError as error:
            assert error.name == ERROR + "RateLimited", error
            assert "all callers" in error.message
            return False
        return True

    crowd = [RawClient(world.bus) for _ in range(WAITING_OF_ALL // WAITING)]
    reads = {client: many_reads(client) for client in crowd}
    world.hands.call("Vanish")
    world.chip.wait_property("Connected", False)

    def is_full() -> bool:
        # A request waits for 20 s. Whose end now on a busy machine ask again.
        for client in crowd:
            if client.drain() > 0:
                client.send(reads[client])
        return not is_served()

    for client in crowd:
        client.send(reads[client])
    wait_for(is_full, what="a refusal")
    assert world.is_bounded()

    crowd.pop().close()
    wait_for(is_served, what="an answer")
    for client in crowd:
        client.close()
    world.hands.call("Appear")
    world.serves()


def test_ten_thousand_claims(world: World) -> None:
    """One client holds 64 claims at most; those of many clients count alike, and go with them."""
    refused = 0
    for _ in range(100):
        claims = [world.chip.call_async("ClaimOrientation", 1000) for _ in range(100)]
        for claim in claims:
            try:
                claim.wait()
            except BusError as error:
                assert error.name == ERROR + "RateLimited"
                refused += 1
    assert refused == 10_000 - 64
    crowd = [world.bus.connect() for _ in range(50)]
    for client in crowd:
        world.chip.call_async("ClaimOrientation", 500, connection=client).wait()
    assert world.chip.get("OrientationInterval") == max(
        500, world.daemon.manager.get("MinOrientationInterval")
    )
    for client in crowd:
        client.close(None, None)
    for _ in range(64):
        world.chip.call("ReleaseOrientation")
    world.chip.wait_property("OrientationInterval", 0)
    assert world.is_bounded()
    world.serves()


def huge_options() -> list[tuple[str, GLib.Variant]]:
    word = "x" * 60
    many = {f"{word}{index}": GLib.Variant("u", index) for index in range(10_000)}
    long = {"timeout": GLib.Variant("s", "1" * (2 * MIB))}
    long_name = {"t" * MIB: GLib.Variant("u", 1)}
    zeros = GLib.Bytes.new(bytes(2 * MIB))
    numbers = {"key": GLib.Variant.new_from_bytes(GLib.VariantType("ay"), zeros, True)}
    nested = GLib.Variant("u", 1)
    for _ in range(60):
        nested = GLib.Variant("v", nested)
    deep = {"timeout": nested}
    return [
        (name, GLib.Variant("a{sv}", options))
        for name, options in (
            ("many", many),
            ("long", long),
            ("long-name", long_name),
            ("numbers", numbers),
            ("deep", deep),
        )
    ]


def test_f29_huge_option_dictionaries(world: World) -> None:
    """Refused with the reason, and nothing of them is kept."""
    calls = [
        (MANAGER_PATH, MANAGER, "Scan", None),
        (MANAGER_PATH, MANAGER, "AddChip", GLib.Variant("s", chip_address(1))),
        (chip_path(), CORE2, "Connect", None),
        (chip_path(), CORE2, "Pair", None),
    ]
    for name, options in huge_options():
        for path, interface, method, first in calls:
            args = [first, options] if first is not None else [options]
            body = GLib.Variant.new_tuple(*args)
            with raises_bus_error(ERROR + "InvalidArguments") as caught:
                world.bus.call(CORE2, path, interface, method, body)
            assert len(caught[0].message) < 300, name
    assert world.is_bounded()
    world.serves()


def test_f27_names_that_leave_in_mid_call(world: World) -> None:
    """Whatever was asked by clients that did not wait for it ends with them: a thousand calls, and no word of it."""
    world.hands.call("Vanish")
    world.chip.wait_property("Connected", False)
    options = GLib.Variant("(a{sv})", ({},))
    lines = world.daemon.stderr.count("\n")
    for _ in range(170):
        hasty = RawClient(world.bus)
        for path, interface, method, args in (
            (MANAGER_PATH, MANAGER, "Scan", options),
            (chip_path(), CORE2, "Pair", options),
            (chip_path(), CORE2, "Connect", options),
            (chip_path(), CORE2, "ReadBattery", None),
            (chip_path(), CORE2, "ReadInfo", None),
            (chip_path(), CORE2, "ClaimOrientation", GLib.Variant("(u)", (1000,))),
        ):
            hasty.call(CORE2, path, interface, method, args)
        hasty.close()
    world.daemon.manager.wait_property("Scanning", False)
    world.chip.wait_property("OrientationInterval", 0)
    assert world.chip.get("PairingState") in ("idle", "failed")
    assert world.daemon.stderr.count("\n") - lines < 10
    world.hands.call("Appear")
    assert world.is_bounded()
    world.serves()


def lies() -> list[bytes]:
    """Messages that are not what they say: endianness, version, lengths, types."""
    maker = Gio.DBusMessage.new_method_call(CORE2, chip_path(), CORE2, "SetAlias")
    maker.set_body(GLib.Variant("(s)", ("red",)))
    maker.set_serial(77)
    true = bytes(maker.to_blob(Gio.DBusCapabilityFlags.NONE))

    def patched(offset: int, value: bytes) -> bytes:
        return true[:offset] + value + true[offset + len(value) :]

    return [
        patched(0, b"x"),
        patched(3, b"\2"),
        patched(4, b"\xff\xff\xff\xff"),  # length of the body
        patched(4, b"\x00\x00\x00\x09"),
        patched(8, b"\0\0\0\0"),  # serial
        patched(12, b"\xff\xff\xff\x7f"),  # length of the header
        true.replace(b"red\0", b"\xff\xfe\xfd\0"),  # no UTF-8
        true.replace(b"red\0", b"redd"),  # no end
        true[:40] + true,
    ]


def test_f29_lies_about_lengths(world: World) -> None:
    """The bus ends such clients; what does get through is judged by its type."""
    for lie in lies():
        liar = RawClient(world.bus)
        liar.send(lie + bytes(64))
        wait_for(liar.is_closed, what="the bus to end the liar")
    wrong = [GLib.Variant("(u)", (1,)), GLib.Variant("(ss)", ("a", "b")), GLib.Variant("()", ())]
    for args in wrong:
        with raises_bus_error("org.freedesktop.DBus.Error.InvalidArgs"):
            world.bus.call(CORE2, chip_path(), CORE2, "SetAlias", args)
    assert world.chip.get("Alias") == ""
    world.serves()


def test_f29_descriptors_that_nobody_asked_for(world: World) -> None:
    """They are closed with the message that brought them."""
    before = world.descriptors()
    ours, theirs = socket.socketpair()
    for _ in range(200):
        fds = Gio.UnixFDList.new()
        for _ in range(10):
            fds.append(theirs.fileno())
        world.bus.connection.call_with_unix_fd_list_sync(
            CORE2, MANAGER_PATH, MANAGER, "FindChip", GLib.Variant("(s)", (chip_address(),)),
            None, Gio.DBusCallFlags.NONE, 60_000, fds, None,
        )  # fmt: skip
    # A reply is on its way before the message that asked for it is freed.
    wait_for(lambda: world.descriptors() <= before, what="the end of the descriptors")
    ours.close()
    theirs.close()
    world.serves()


def test_f17_chip_that_floods(world: World) -> None:
    """At most four signals a second, however fast the samples; none of the steps is lost."""
    path = next(
        path
        for path, interfaces in world.bus.managed_objects("org.bluez", "/").items()
        if path.startswith(DEVICE)
        and interfaces.get("org.bluez.GattCharacteristic1", {}).get("UUID") == STEPS
    )
    before = world.chip.get("Steps")
    stepped = world.chip.signals("StepsChanged")
    changes = len(world.chip.changes)
    count = 20_000
    options = {
        "times": GLib.Variant("u", count),
        "rate": GLib.Variant("u", 20_000),
        "increment": GLib.Variant("u", 1),
    }
    value = b"\x0c" + (before + 1).to_bytes(4, "little") + bytes(8)
    world.bluez.control.call("EmitValue", path, value, options)
    stepped.wait(lambda signal: signal.args[0] == before + count)

    seconds = (stepped.args[-1][2] - stepped.args[0][2]) / 1e6
    assert len(stepped) <= 4 * seconds + 2
    # The cadence falls by itself afterwards.
    told = [args[1] for args in world.chip.changes.args[changes:] if list(args[1]) != ["Cadence"]]
    assert len(told) <= 2 * len(stepped)
    assert world.is_bounded()
    assert sum(args[1] for args in stepped.args) == count
    assert world.chip.get("StepsTotal") == count


def test_gatt_table_changes_while_in_use(world: World) -> None:
    """Characteristics and services go and come back under requests, in any order."""
    objects = world.bus.managed_objects("org.bluez", "/")
    table = {
        path: interfaces
        for path, interfaces in objects.items()
        if path.startswith(DEVICE + "/") and "org.bluez.GattCharacteristic1" in interfaces
    }
    control = world.bluez.control
    for path in table:
        calls = [world.chip.call_async(name) for name in ("ReadInfo", "ReadBattery", "ReadSteps")]
        control.call("EmitInterfacesRemoved", path, ["org.bluez.GattCharacteristic1"])
        uuid = GLib.Variant("s", table[path]["org.bluez.GattCharacteristic1"]["UUID"])
        wrong = {"UUID": GLib.Variant("u", 7), "Value": GLib.Variant("s", "x")}
        back = {"UUID": uuid, "Service": GLib.Variant("o", path.rpartition("/")[0])}
        for properties in (wrong, back):
            interface = {"org.bluez.GattCharacteristic1": properties}
            control.call("EmitInterfacesAdded", path, interface)
        for call in calls:
            try:
                call.wait()
            except BusError as error:
                assert error.name.startswith(ERROR), error
    world.serves()
    service = min(path for path in objects if path.startswith(DEVICE + "/service"))
    read = world.chip.call_async("ReadInfo")
    control.call("RemoveObject", service, False)
    try:
        read.wait()
    except BusError as error:
        assert error.name.startswith(ERROR), error
    world.hands.call("DropLink")
    world.serves()


def with_unknown_field(message: bytes, size: int) -> bytes:
    """A message with one more header field, of a kind that nobody knows, of so many bytes."""
    length = int.from_bytes(message[12:16], "little")
    fields = bytearray(message[16 : 16 + length])
    fields += bytes(-len(fields) % 8) + b"\xc8\2ay\0"
    fields += bytes(-len(fields) % 4) + size.to_bytes(4, "little") + bytes(size)
    changed = message[:12] + len(fields).to_bytes(4, "little") + fields
    return changed + bytes(-len(changed) % 8)


@both_buses
def test_big_headers_of_waiting_requests(world: World) -> None:
    """What a waiting request keeps is small, whatever came with it."""
    world.hands.call("Vanish")
    world.chip.wait_property("Connected", False)
    client = RawClient(world.bus)
    for _ in range(4):
        read = client.message(CORE2, chip_path(), CORE2, "ReadSteps")
        client.send(with_unknown_field(read, MIB))
    client.call(CORE2, "/", "org.freedesktop.DBus.Peer", "Ping")
    wait_for(lambda: client.drain() > 0, what="the answer to Ping")
    assert world.is_bounded(3 * MIB)
    client.close()
    world.hands.call("Appear")
    world.serves()
