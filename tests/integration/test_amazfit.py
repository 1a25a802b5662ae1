# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python module amazfit: programs written for the older library of that name, and what can go wrong."""

from __future__ import annotations

import signal

import pytest
from amazfit_programs import Programs, interrupt, no_bluetooth, programs  # noqa: F401
from amazfit_programs import wait_line
from gi.repository import GLib
from harness import Bus, VirtualClock, chip_address, wait_for

KEY = bytes(range(0x30, 0x40))

pytestmark = pytest.mark.real_bluez
two_chips = pytest.mark.virtual_bluez("there is one chip")
own_clock = pytest.mark.virtual_bluez("a clock that the test moves")
no_service = pytest.mark.virtual_bluez("the service is installed, and not to be started")

# Searching


@two_chips
def test_find(programs: Programs) -> None:
    found = programs.run("""
from amazfit import Core2
chip = Core2.find(timeout=60)
print(repr(type(chip) is Core2))
everyone = Core2.find_all()
print(sorted(chip.address for chip in everyone))
""").stdout.splitlines()
    assert found == ["True", repr([chip_address(0), chip_address(1)])]


def test_find_nothing(programs: Programs) -> None:
    for index in (0, 1):
        programs.chips[index].call("Vanish")
    source = "from amazfit import Core2\nprint(Core2.find(timeout=1), Core2.find_all(timeout=1))"
    assert programs.run(source).stdout == "None []\n"


def test_find_a_chip_that_is_connected(programs: Programs) -> None:
    """It does not advertise: a second program would never find it in the air."""
    programs.chips[1].call("Vanish")
    programs.daemon.add(0)
    source = "from amazfit import Core2\nprint(Core2.find(timeout=1).address)\n"
    assert programs.run(source).stdout == f"{chip_address()}\n"
    source = "from amazfit import Core2\nprint([c.address for c in Core2.find_all(timeout=1)])\n"
    assert programs.run(source).stdout == f"{[chip_address()]}\n"


# Connecting


def test_connect_by_address_in_lower_case(programs: Programs) -> None:
    source = f"""
from amazfit import Core2
chip = Core2({chip_address().lower()!r}, name="left")
chip.connect()
chip.connect()
print(chip.name, chip.key, chip.serial_number, chip.steps)
"""
    assert programs.run(source).stdout == "left None None 0\n"
    chip = programs.daemon.chip()
    assert chip.get("Remembered") is True
    assert chip.get("AutoConnect") is False


def test_connect_to_a_found_chip_adds_nothing(programs: Programs) -> None:
    programs.run("from amazfit import Core2\nCore2.find(timeout=60).connect()\n")
    chips = [o["org.example.Core2"] for p, o in programs.daemon.objects().items() if "/chip/" in p]
    assert [chip["Connected"] for chip in chips].count(True) == 1
    assert not any(chip["Remembered"] for chip in chips)


@pytest.mark.parametrize("address", ["", "left", "F1:4F:BB:6A:B5", "F1:4F:BB:6A:B5:7G"])
def test_bad_address(programs: Programs, address: str) -> None:
    programs.daemon.add(0, side=GLib.Variant("s", "left"))
    source = f"""
from amazfit import Core2
try:
    Core2({address!r}).connect()
except RuntimeError as error:
    print(error.name)
"""
    result = programs.run(source)
    assert result.stdout == "org.example.Core2.Error.InvalidArguments\n"


def test_everything_fails_before_connect(programs: Programs) -> None:
    source = f"""
from amazfit import Core2
chip = Core2({chip_address()!r})
calls = [
    chip.pair, chip.read_info, chip.fire_orientation_read,
    lambda: chip.steps, lambda: chip.battery, lambda: chip.orientation, lambda: chip.current_time,
    lambda: chip.on_steps(print), lambda: chip.on_orientation(print),
]
for call in calls:
    try:
        call()
    except RuntimeError as error:
        print(error)
"""
    lines = programs.run(source).stdout.splitlines()
    assert lines == [f"{chip_address()} is not connected: call connect() first"] * 9


@no_service
def test_without_the_daemon(programs: Programs) -> None:
    programs.daemon.stop()
    source = f"""
from amazfit import Core2
for call in (Core2.find, Core2({chip_address()!r}).connect):
    try:
        call()
    except RuntimeError as error:
        print(str(error).split(":")[0])
"""
    assert programs.run(source).stdout == "core2d does not run\n" * 2


def test_interrupt_ends_connecting(programs: Programs) -> None:
    """A chip that is away: Ctrl+C works while connect() waits for it."""
    programs.chips[0].call("Vanish")
    program = programs.start(f"""
from amazfit import Core2
try:
    Core2({chip_address()!r}).connect()
except KeyboardInterrupt:
    print("interrupted")
""")
    chip_appears = programs.daemon.objects
    wait_for(lambda: any("/chip/" in path for path in chip_appears()), what="the chip's object")
    programs.daemon.chip().wait_property("State", lambda state: state != "disconnected")
    interrupt(program)
    assert program.stdout == "interrupted\n"


@own_clock
def test_connect_to_a_chip_that_sleeps(bus: Bus, request: pytest.FixtureRequest) -> None:
    """It gives up after a while, with a RuntimeError that says what to do; the next attempt works."""
    clock = VirtualClock(bus)
    programs: Programs = request.getfixturevalue("programs")
    programs.chips[0].call("Sleep")
    program = programs.start(f"""
from amazfit import Core2
chip = Core2({chip_address()!r})
try:
    chip.connect()
except RuntimeError as error:
    print(error.name, error, sep="\\n")
chip.connect()
print(chip.steps)
""")
    begin = clock.monotonic()
    # No time goes by before it waits for the chip: the calls on the way there have time-outs, too.
    wait_for(lambda: any("/chip/" in path for path in programs.daemon.objects()), what="the chip's object")
    programs.daemon.chip().wait_property("State", lambda state: state != "disconnected")
    clock.wait(lambda: "shake" in program.stdout, "connect() to give up")
    assert clock.monotonic() - begin >= 55
    name, message = program.stdout.splitlines()
    assert name == "org.example.Core2.Error.Asleep"
    assert chip_address() in message
    programs.chips[0].call("Shake")
    assert program.wait() == 0, program.stderr
    assert program.stdout.splitlines()[2:] == ["0"]


@own_clock
def test_without_bluetooth(programs: Programs) -> None:
    """A search and a connection fail with the reason; nothing is found by chance."""
    off = GLib.Variant("(ssv)", ("org.bluez.Adapter1", "Powered", GLib.Variant("b", False)))
    properties = "org.freedesktop.DBus.Properties"
    programs.bus.call("org.bluez", "/org/bluez/hci0", properties, "Set", off)
    programs.daemon.manager.wait_property("AdapterState", "off")
    source = """
from amazfit import Core2
for call in (Core2.find, Core2.find_all):
    try:
        call(timeout=1)
    except RuntimeError as error:
        print(error.name)
"""
    name = "org.example.Core2.Error.AdapterUnavailable"
    assert programs.run(source).stdout == f"{name}\n" * 2


# Pairing


def test_pair_with_a_key(programs: Programs) -> None:
    for key in (KEY, KEY.hex()):
        programs.chips[0].call("SetKey", b"")
        program = programs.start(f"""
from amazfit import Core2
chip = Core2({chip_address()!r}, key={key!r})
chip.connect()
chip.pair()
print(chip.key)
""")
        programs.chips[0].wait_property("PairingWaitsForShake", True)
        programs.chips[0].call("Shake")
        assert program.wait() == 0, program.stderr
        assert program.stdout == f"{KEY}\n"
        assert bytes(programs.chips[0].get("Key")) == KEY
        assert bytes(programs.daemon.chip().call("GetKey")) == KEY


def test_pairing_that_fails_keeps_the_key_of_before(programs: Programs) -> None:
    chip = programs.daemon.add(0, key=GLib.Variant("ay", bytes(16)))
    programs.chips[0].call("SetQuirk", "shake-window", GLib.Variant("u", 100))
    source = f"""
from amazfit import Core2
chip = Core2({chip_address()!r}, key={KEY!r})
chip.connect()
try:
    chip.pair()
except RuntimeError as error:
    print(error.name)
"""
    assert programs.run(source).stdout == "org.example.Core2.Error.NotShaken\n"
    assert bytes(chip.call("GetKey")) == bytes(16)


def test_interrupt_cancels_pairing(programs: Programs) -> None:
    program = programs.start(f"""
import signal, sys
from amazfit import Core2
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
chip = Core2({chip_address()!r})
chip.connect()
try:
    chip.pair()
except KeyboardInterrupt:
    print("interrupted")
    signal.pause()
""")
    programs.chips[0].wait_property("PairingWaitsForShake", True)
    program.send_signal(signal.SIGINT)
    wait_line(program, "interrupted")
    programs.daemon.chip().wait_property("PairingState", lambda s: s in ("idle", "failed"))
    assert program.stop() == 0, program.stderr


@no_bluetooth
@pytest.mark.parametrize("key", [b"", b"15 bytes, sorry", "00" * 17, "no digits"])
def test_bad_key(programs: Programs, key: bytes | str) -> None:
    source = f"""
from amazfit import Core2
try:
    Core2({chip_address()!r}, "", {key!r})
except ValueError:
    print("ValueError")
"""
    assert programs.run(source).stdout == "ValueError\n"


# Values


def test_read_info(programs: Programs) -> None:
    """Every attribute of the reference has the value of the property, or None without one."""
    attributes = {
        "name": "Name",
        "appearance": "Appearance",
        "privacy_flag": "PrivacyFlag",
        "min_connection_int": "MinConnectionInterval",
        "max_connection_int": "MaxConnectionInterval",
        "slave_latency": "SlaveLatency",
        "timeout_mult": "TimeoutMultiplier",
        "service_changed_start": "ServiceChangedStart",
        "service_changed_end": "ServiceChangedEnd",
        "system_id": "SystemId",
        "serial_number": "SerialNumber",
        "hardware_rev": "HardwareRevision",
        "software_rev": "SoftwareRevision",
        "vendor_src": "VendorSource",
        "vendor_id": "VendorId",
        "product_id": "ProductId",
        "product_ver": "ProductVersion",
    }
    names = list(attributes)
    values, _ = programs.connected(f"chip.read_info() or [getattr(chip, n) for n in {names}]")
    properties = programs.daemon.chip(0, "org.example.Core2.Info").get_all()
    for (attribute, name), value in zip(attributes.items(), values, strict=True):
        wanted = properties[name] if name in properties["Available"] else None
        assert value == (bytes(wanted) if name == "SystemId" else wanted), attribute
    assert sum(value is not None for value in values) >= 9


def test_values(programs: Programs) -> None:
    programs.chips[0].call("SetCounter", 70000)
    programs.chips[0].call("SetTime", "2020-01-28 09:49:09")
    programs.chips[0].call("Tilt", 12, 34)
    expression = "(chip.steps, chip.battery, chip.orientation, chip.current_time)"
    (steps, battery, orientation, time), _ = programs.connected(expression)
    assert (steps, battery, orientation) == (70000, 62, (12, 34))
    assert time.startswith("2020-01-28T09:")


def test_battery_without_a_value(programs: Programs) -> None:
    """The known fault of the firmware: None, and an error in the log."""
    programs.chips[0].call("SetQuirk", "battery-payload", GLib.Variant("ay", b""))
    value, result = programs.connected("chip.battery")
    assert value is None
    assert f"{chip_address()}: no battery level: " in result.stderr


# Callbacks


def test_callbacks(programs: Programs) -> None:
    """They may use the chip; one that fails does not end the others; equal samples are silent."""
    program = programs.start(f"""
from amazfit import Core2
chip = Core2({chip_address()!r})
chip.connect()

def on_steps(steps):
    print("counter", steps, "read", chip.steps)
    if steps == 1:
        raise ValueError("my own mistake")

chip.on_steps(print)
chip.on_steps(on_steps)
assert chip.steps == 0
print("ready")
chip.wait_until_break()
print("end")
""")
    wait_line(program, "ready\n")
    programs.chips[0].call("Step", 1)
    wait_line(program, "counter 1 read 1\n")
    programs.chips[0].call("Step", 1)
    wait_line(program, "counter 2 read 2\n")
    interrupt(program)
    assert program.stdout == "ready\ncounter 1 read 1\ncounter 2 read 2\nend\n"
    assert "my own mistake" in program.stderr


@two_chips
def test_two_chips(programs: Programs) -> None:
    program = programs.start("""
from amazfit import Core2
chips = sorted(Core2.find_all(), key=lambda chip: chip.address)
for number, chip in enumerate(chips):
    chip.connect()
    chip.on_steps(lambda steps, number=number: print("chip", number, "steps", steps))
print("ready")
chips[0].wait_until_break()
""")
    wait_line(program, "ready\n")
    programs.chips[1].call("Step", 5)
    wait_line(program, "chip 1 steps 5\n")
    programs.chips[0].call("Step", 9)
    wait_line(program, "chip 0 steps 9\n")
    interrupt(program)


def test_callbacks_go_on(programs: Programs) -> None:
    """After the chip was away, and after core2d was restarted and knows the chip no more."""
    programs.chips[1].call("Vanish")
    program = programs.start("""
from amazfit import Core2
chip = Core2.find(timeout=60)
chip.connect()
chip.on_steps(lambda steps: print("steps", steps))
print("ready")
chip.wait_until_break()
""")
    wait_line(program, "ready\n")
    chip = programs.chips[0]
    before = len(chip.changes)
    chip.call("DropLink")
    chip.wait_change("Subscribed", False, before)
    chip.wait_property("Subscribed", True)
    chip.call("Step", 3)
    wait_line(program, "steps 3\n")

    before = len(chip.changes)
    programs.daemon.restart()
    chip.wait_change("Subscribed", False, before)
    chip.wait_property("Subscribed", True)
    chip.call("Step", 4)
    wait_line(program, "steps 7\n")
    interrupt(program)


@no_service
def test_failure_while_connected(programs: Programs) -> None:
    """core2d ends under a program: its next call says so."""
    program = programs.start(f"""
from amazfit import Core2
chip = Core2({chip_address()!r})
chip.connect()
try:
    print("ready")
    chip.wait_until_break()
except KeyboardInterrupt:
    pass  # before it waited
try:
    chip.steps
except RuntimeError as error:
    print(error)
""")
    wait_line(program, "ready\n")
    programs.daemon.stop()
    interrupt(program)
    assert "core2d does not run" in program.stdout
