# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random calls of every method that the running daemon shows, and a chip of which no byte is right.

Both come from a seed, which a failure shows: `--fuzz-seed N` does the same again, `--fuzz-rounds N` does
more of it. tests/fuzz/long runs both for hours.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from gi.repository import Gio, GLib
from harness import CORE2, CORE2_PATH, STANDING, Bus, BusError, Core2d, Remote, VirtualBluez
from harness import SOURCE, VirtualChips, chip_address, chip_path, wait_for
from harness.values import Values, split

DEVICE = f"/org/bluez/hci0/dev_{chip_address().replace(':', '_')}"
PROPERTIES = "org.freedesktop.DBus.Properties"
PROPERTIES_AT_ONCE = 20
#: Whatever else core2d shows: none of these may be left out.
INTERFACES = {
    CORE2,
    f"{CORE2}.History",
    f"{CORE2}.Manager",
    "org.freedesktop.DBus.ObjectManager",
    PROPERTIES,
}
#: Fewer than the requests that core2d lets a client have waiting.
IN_FLIGHT = 48
ERROR = "org.example.Core2.Error."
KNOWN_ERRORS = (ERROR, "org.freedesktop.DBus.Error.", "System.Error.E")


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    seed = request.config.getoption("--fuzz-seed")
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    return request.config.getoption("--fuzz-rounds")


@dataclass(frozen=True)
class Method:
    path: str
    interface: str
    name: str
    inputs: tuple[str, ...]
    outputs: str


def find_methods(bus: Bus, path: str = "/") -> list[Method]:
    """Every method of every object of core2d from this one down, those of the standard interfaces too."""
    node = bus.introspect(CORE2, path)
    found = [
        Method(
            path,
            interface.name,
            method.name,
            tuple(arg.signature for arg in method.in_args),
            "(" + "".join(arg.signature for arg in method.out_args) + ")",
        )
        for interface in node.interfaces
        for method in interface.methods
    ]
    for child in node.nodes:
        found += find_methods(bus, f"{path.rstrip('/')}/{child.path}")
    return found


@dataclass(frozen=True)
class Property:
    path: str
    interface: str
    name: str
    signature: str
    writable: bool


def find_properties(bus: Bus, paths: list[str]) -> list[Property]:
    """Those that may be written, which LogControl1 alone has, and all others."""
    writable = Gio.DBusPropertyInfoFlags.WRITABLE
    return [
        Property(path, interface.name, prop.name, prop.signature, bool(prop.flags & writable))
        for path in paths
        for interface in bus.introspect(CORE2, path).interfaces
        for prop in interface.properties
    ]


def find_words(bus: Bus, paths: list[str]) -> list[str]:
    """What means something to core2d: names of interfaces, properties and options, addresses, errors."""
    words = {CORE2, chip_address(0), chip_address(1), chip_address(7), "left", "right", "debug", "info"}
    # Not "journal": that is the machine's.
    words |= {"emerg", "err", "notice", "auto", "console", "null"}
    for path in paths:
        for interface in bus.introspect(CORE2, path).interfaces:
            words.add(interface.name)
            words |= {prop.name for prop in interface.properties}
    sources = "".join(
        file.read_text() for file in sorted((SOURCE / "daemon").glob("*methods*.c"))
    )
    words |= set(re.findall(r'{ "([a-z-]+)", \'', sources))
    return sorted(words)


class Fuzzer:
    """Calls from a connection that waits for the answers, and from others that do not."""

    def __init__(self, bus: Bus, dice: random.Random) -> None:
        self.bus = bus
        self.dice = dice
        self.methods = find_methods(bus)
        paths = sorted({method.path for method in self.methods})
        self.properties = find_properties(bus, paths)
        paths += [chip_path(7), f"{CORE2_PATH}/chip/00_00_00_00_00_00", "/a/b/c"]
        self.values = Values(dice, find_words(bus, paths[:-3]), paths)
        self.connection = bus.connect()
        self.under_way = 0
        self.answered: set[tuple[str, str]] = set()
        self.faults: list[str] = []
        self.devnull = os.open(os.devnull, os.O_RDWR)

    def round(self) -> None:
        """Each method once, in any order, on a connection that then leaves in mid-call."""
        writable = [prop for prop in self.properties if prop.writable]
        some = self.dice.sample(self.properties, PROPERTIES_AT_ONCE)
        targets = [*self.methods, *writable, *some]
        for target in self.dice.sample(targets, len(targets)):
            wait_for(lambda: self.under_way < IN_FLIGHT, what="calls to be answered")
            if isinstance(target, Method):
                self.call(target, self.values.args(list(target.inputs)))
            else:
                self.change(target)
        # So long as the quick ones need; whoever waits for a chip is left.
        self.bus.call_async(
            CORE2, "/", "org.freedesktop.DBus.Peer", "Ping", connection=self.connection
        ).wait()
        self.connection.close_sync(None)
        wait_for(lambda: self.under_way == 0, what="the calls to end with their connection")
        self.connection = self.bus.connect()

    def change(self, prop: Property) -> None:
        """Set it to something of its type, mostly."""
        signature = prop.signature if self.dice.random() < 0.8 else "v"
        value = GLib.Variant.new_variant(self.values.value(signature))
        args = GLib.Variant.new_tuple(
            GLib.Variant("s", prop.interface), GLib.Variant("s", prop.name), value
        )
        self.call(Method(prop.path, PROPERTIES, "Set", ("s", "s", "v"), "()"), args)

    def call(self, method: Method, args: GLib.Variant) -> None:
        flags = self.dice.choice(
            (Gio.DBusCallFlags.NONE, Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
        )
        descriptors = None
        if "h" in args.get_type_string():
            descriptors = Gio.UnixFDList.new_from_array([os.dup(self.devnull)])

        def on_reply(connection: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            self.under_way -= 1
            try:
                reply, _ = connection.call_with_unix_fd_list_finish(result)
            except GLib.Error as error:
                self.judge_error(method, args, error)
                return
            self.answered.add((method.interface, method.name))
            if reply.get_type_string() != method.outputs:
                self.faults.append(f"{method}{args}: a reply of type {reply.get_type_string()}")

        self.under_way += 1
        self.connection.call_with_unix_fd_list(
            CORE2, method.path, method.interface, method.name, args, None, flags, 2**31 - 1,
            descriptors, None, on_reply,
        )  # fmt: skip

    def judge_error(self, method: Method, args: GLib.Variant, error: GLib.Error) -> None:
        found = BusError(error)
        if not found.name:
            return  # it has left before the answer
        self.answered.add((method.interface, method.name))
        ours = found.name.startswith(ERROR)
        if not found.name.startswith(KNOWN_ERRORS) or (ours and len(found.message) > 400):
            self.faults.append(f"{method}{args.print_(True)[:500]}: {found}")

    def finish(self) -> None:
        self.connection.close_sync(None)
        os.close(self.devnull)
        assert not self.faults, "\n".join(self.faults)


def recover(daemon: Core2d, hands: Remote) -> None:
    """Whatever was done to the chips: core2d makes one of them count again."""
    hands.call("Appear")
    hands.call("ClearQuirks")
    hands.call("Shake")
    for path in [path for path in daemon.objects() if "/chip/" in path]:
        try:
            daemon.manager.call("RemoveChip", path, {})
        except BusError as error:
            assert error.name.endswith((".NotFound", ".InProgress")), error
    chip = daemon.add()
    chip.call("Connect", {})
    chip.wait_property("StepsUpdated", lambda time: time > 0)
    total = chip.get("StepsTotal")
    hands.call("Step", 5)
    chip.wait_property("StepsTotal", total + 5)


def test_random_calls(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    dice: random.Random,
    rounds: int,
) -> None:
    """Every method with any arguments: an answer by name, and nothing else happens."""
    virtual_bluez("--peripherals=3")
    chips = virtual_chip("hci1", "hci2", args=STANDING)
    daemon = core2d()
    answered: set[tuple[str, str]] = set()
    for _ in range(rounds):
        daemon.add(0, ready=False)
        daemon.add(1, ready=False)
        fuzzer = Fuzzer(bus, dice)
        assert {method.interface for method in fuzzer.methods} >= INTERFACES
        assert {prop.name for prop in fuzzer.properties if prop.writable} == {"LogLevel", "LogTarget"}
        for _ in range(4):
            event = dice.choice(("DropLink", "Sleep", "Shake", "Vanish", "Appear"))
            chips[dice.randrange(2)].call_async(event)
            fuzzer.round()
        fuzzer.finish()
        answered |= fuzzer.answered
    # Without arguments nothing can be wrong with a call, and it may wait for a chip that sleeps.
    quick = {(method.interface, method.name) for method in fuzzer.methods if method.inputs}
    assert quick <= answered
    recover(daemon, chips[0])


#: Named as the control interface of the virtual chip does.
NOTIFYING = ("steps", "orientation", "auth", "battery", "history-control", "history-data")
READS = ("ReadBattery", "ReadSteps", "ReadTime", "ReadOrientation", "ReadInfo")
SIZES = (0, 1, 2, 3, 4, 5, 9, 13, 17, 19, 20, 21, 512)


def random_bytes(dice: random.Random) -> bytes:
    size = dice.choice((*SIZES, dice.randrange(513)))
    begin = dice.choice((b"", b"\x10\x01\x01", b"\x10\x02\x01", b"\x10\x03\x01", b"\x10\x83\x04", b"\x0c"))
    return (begin + dice.randbytes(size))[:512]


def test_chip_of_garbage(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    dice: random.Random,
    rounds: int,
) -> None:
    """Any bytes, read from the chip, notified by it, or shown by BlueZ, on every characteristic."""
    bluez = virtual_bluez("--gap")
    hands = virtual_chip("hci1", args=STANDING)[0]
    daemon = core2d()
    chip = daemon.add()
    info = daemon.chip(interface="org.example.Core2.Info")
    for _ in range(rounds):
        hands.call("SetQuirk", "garbage", GLib.Variant("u", dice.randrange(1, 2**32)))
        paths = [
            path
            for path, interfaces in bluez.bus.managed_objects("org.bluez", "/").items()
            if path.startswith(DEVICE) and "org.bluez.GattCharacteristic1" in interfaces
        ]
        assert len(paths) > 10
        calls = [chip.call_async(name) for name in READS for _ in range(3)]
        calls += [chip.call_async("Pair", {}), chip.call_async("ClaimOrientation", 1)]
        for path in paths:
            bluez.control.call_async("EmitValue", path, random_bytes(dice), {})
        for _ in range(40):
            hands.call_async("Notify", dice.choice(NOTIFYING), random_bytes(dice))
        calls += [chip.call_async("SetTime", {}), chip.call_async("FireOrientationRead")]
        bluez.bus.synchronize()
        assert 0 <= chip.get_all()["Battery"] <= 255 and info.get_all()
        hands.call("DropLink")
        hands.call("SetQuirk", "garbage", GLib.Variant("u", 0))
        hands.call("Shake")
        cancel = chip.call_async("CancelPairing")
        for call in [*calls, cancel]:
            try:
                call.wait()
            except BusError as error:
                assert error.name.startswith(ERROR), error
        chip.wait_property("State", "ready")
    recover(daemon, hands)
