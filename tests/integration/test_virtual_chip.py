# SPDX-License-Identifier: LGPL-2.1-or-later
"""The virtual chip as a central sees it, without core2d."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from central import Central, full_uuid
from conftest import both_buses
from harness import (
    Bus,
    BusError,
    Result,
    VirtualBluez,
    VirtualChips,
    chip_address,
    raises_bus_error,
    wait_for,
)
from virtual_chip_client import INVALID_ARGS, quirk, steps_of

pytestmark = pytest.mark.real_bluez
virtual_bluez_only = pytest.mark.virtual_bluez
own_gap_service = virtual_bluez_only("bluetoothd keeps the services 1800 and 1801 to itself")
own_advertisement = virtual_bluez_only("btvirt's controllers have room for 31 bytes")
no_late_answer = virtual_bluez_only("bluetoothd 5.66 ends when a read is answered after its link has gone")
too_quick = virtual_bluez_only("each of its steps is to be notified within seconds, on an emulated processor")

STEPS, ORIENTATION, AUTH = "V0007", "V0003", "V0009"
HISTORY_CONTROL, HISTORY_DATA = "V0004", "V0005"
TIME, BATTERY = "2a2b", "2a19"
KEY = bytes(range(0x30, 0x40))

Start = Callable[..., VirtualChips]


@pytest.fixture
def bluez(virtual_bluez: Callable[..., VirtualBluez]) -> VirtualBluez:
    return virtual_bluez("--gap")


@pytest.fixture
def central(bus: Bus, bluez: VirtualBluez) -> Central:
    return Central(bus)


@pytest.fixture
def chips(bluez: VirtualBluez, virtual_chip: Start) -> VirtualChips:
    """One chip, that stands."""
    return virtual_chip("hci1", args=["--walk=0", "--seed=1", "--time=2026-01-05 10:00:00"])


# --- The profile ---------------------------------------------------------------------------------


@own_advertisement
def test_advertisement(chips: VirtualChips, central: Central) -> None:
    found = central.discover()
    assert found["Name"] == "HM0D"
    assert full_uuid("fee0") in found["UUIDs"]
    address = bytes.fromhex(chip_address().replace(":", ""))
    data = bytes(found["ManufacturerData"][0x0157])
    assert data == b"\x02" + b"\xff" * 16 + b"\x02" + address


def test_steps_in_the_advertisement(
    bluez: VirtualBluez, virtual_chip: Start, central: Central
) -> None:
    chips = virtual_chip("hci1", args=["--walk=0", "--quirk=advertised-steps=true"])
    chips[0].wait_property("Advertising", True)
    chips[0].call("Vanish")
    chips[0].call("Step", 258)
    chips[0].call("Appear")
    chips[0].wait_property("Advertising", True)
    assert bytes(central.discover()["ServiceData"][full_uuid("fee0")]) == b"\x02\x01\0\0"


@own_gap_service
def test_reads(chips: VirtualChips, central: Central) -> None:
    central.connect()
    address = bytes.fromhex(chip_address().replace(":", ""))
    expected = {
        "2a00": b"HM0D\0\0\0\0",
        "2a01": b"\0\0",
        "2a02": b"\0",
        "2a04": struct.pack("<4H", 24, 40, 0, 500),
        "2a05": struct.pack("<2H", 1, 0xFFFF),
        "2a23": address[:2:-1] + b"\xfe\xff" + address[2::-1],
        "2a25": address.hex().encode(),
        "2a27": b"V0.14.0.2",
        "2a28": b"V1.1.4.24",
        "2a50": struct.pack("<BHHH", 1, 0x0157, 0x18, 0x100),
        BATTERY: b"\x50",
        STEPS: b"\x03" + bytes(12),
    }
    assert {uuid: central[uuid].read() for uuid in expected} == expected
    assert not central.has("2a26")
    assert central.service_of(AUTH) == full_uuid("fee0")
    assert central.service_of("V1531") == full_uuid("V1530")


def test_time_runs_and_can_be_set(chips: VirtualChips, central: Central) -> None:
    central.connect()
    year, month, day, hour, minute = struct.unpack("<H4B", central[TIME].read()[:6])
    assert (year, month, day, hour) == (2026, 1, 5, 10) and minute < 30

    central[TIME].write(bytes.fromhex("e207040f1014000700000c"))
    value = central[TIME].read()
    assert value.hex().startswith("e207040f1014") and value[7] == 7 and value[10] == 12
    assert chips[0].get("WrittenTime") == "e207040f1014000700000c"
    with raises_bus_error("org.bluez.Error.InvalidArguments"):
        central[TIME].write(b"\xe2\x07\x04")
    assert chips[0].get("WrittenTime") == "e207040f1014000700000c"


# --- Steps ---------------------------------------------------------------------------------------


@both_buses
def test_every_step_is_notified_in_order(chips: VirtualChips, central: Central) -> None:
    central.connect()
    central[STEPS].subscribe()
    chips[0].wait_property("Subscribed", True)
    steps = central[STEPS]
    chips[0].call("StepEach", 500)
    assert [steps_of(value) for value in steps.wait_values(500)] == list(range(1, 501))
    steps.forget_values()
    chips[0].call("Step", 12)
    chips[0].call("Step", 1)
    assert [steps_of(value) for value in steps.wait_values(2)] == [512, 513]
    assert chips[0].get("StepsWalked") == 513


def test_equal_notifications_are_sent(chips: VirtualChips, central: Central) -> None:
    central.connect()
    central[STEPS].subscribe()
    steps = central[STEPS]
    raw = [b"\0\1\0\0\0", b"\0\1\0\0\0", b"", b"", b"\xff" * 20, b"\xff" * 20]
    for value in raw:
        chips[0].call("Notify", "steps", value)
    assert steps.wait_values(len(raw)) == raw


def test_counts_without_subscriber(chips: VirtualChips, central: Central) -> None:
    chips[0].call("Step", 5)
    central.connect()
    chips[0].call("Step", 6)
    assert steps_of(central[STEPS].read()) == 11
    central[STEPS].subscribe()
    chips[0].wait_property("Subscribed", True)
    central[STEPS].unsubscribe()
    chips[0].wait_property("Subscribed", False)
    steps = central[STEPS]
    chips[0].call("Step", 1)
    assert steps_of(steps.read()) == 12
    assert [steps_of(value) for value in steps.values] == [12]


@too_quick
def test_walks_in_model_time(bluez: VirtualBluez, virtual_chip: Start, central: Central) -> None:
    chips = virtual_chip("hci1", args=["--walk=120", "--speed=120", "--quirk=midnight-reset=false"])
    central.connect()
    central[STEPS].subscribe()
    values = central[STEPS].wait_values(50)
    assert [steps_of(value) for value in values] == list(
        range(steps_of(values[0]), steps_of(values[0]) + len(values))
    )
    chips[0].call("Stop")
    walked = chips[0].get("StepsWalked")
    before = chips[0].get("Counter")
    assert walked == before == steps_of(central[STEPS].read())


def test_walks_when_time_is_advanced(bluez: VirtualBluez, virtual_chip: Start) -> None:
    """Nearly standing still, so that how long the test takes adds nothing."""
    chips = virtual_chip("hci1", args=["--walk=100", "--speed=0.001"])
    walked = chips[0].get("StepsWalked")
    chips[0].call("Advance", 600)
    assert 950 < chips[0].get("StepsWalked") - walked < 1050


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_same_seed_same_walk(bluez: VirtualBluez, virtual_chip: Start, seed: int) -> None:
    walked = []
    for _ in range(2):
        chips = virtual_chip("hci1", args=[f"--seed={seed}", "--speed=0.001"])
        assert chips.process.stdout.startswith(f"seed {seed}\n")
        assert chips[0].get("Seed") == seed
        chips[0].call("Advance", 3600)
        walked.append(chips[0].get("StepsWalked"))
        chips.stop()
        chips[0].bus.wait_name_gone(chips.name)
    assert walked[0] == walked[1] > 3000


def test_counter_resets(chips: VirtualChips, central: Central) -> None:
    chips[0].call("Step", 100)
    chips[0].call("SetTime", "2026-01-05 23:59:00")
    central.connect()
    central[STEPS].subscribe()
    steps = central[STEPS]
    chips[0].call("Advance", 60)
    assert chips[0].get("LastResetReason") == "day"
    chips[0].call("Step", 3)
    chips[0].call("ResetCounter", "battery")
    assert [steps_of(value) for value in steps.wait_values(3)] == [0, 3, 0]
    assert chips[0].get("Resets") == 2 and chips[0].get("StepsWalked") == 103
    chips[0].call("SetCounter", 2**32 - 1)
    chips[0].call("Step", 2)
    assert steps_of(steps.read()) == 1


# --- Orientation, battery ------------------------------------------------------------------------


def test_orientation_on_request_only(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetQuirk", "orientation-delay", quirk(0))
    chips[0].call("Tilt", 0x1234, 0xFEDC)
    central.connect()
    orientation = central[ORIENTATION]
    orientation.subscribe()
    orientation.write(b"\x07\x02", "command")
    orientation.write(b"\x07", "command")
    orientation.write(b"\x07\x01", "command")
    assert orientation.wait_values(1) == [bytes.fromhex("1007013412dcfe")]
    assert chips[0].get("OrientationRequests") == 1
    assert chips[0].get("LastOrientationRequestInterval") == 0
    chips[0].call("Tilt", 1, 2)
    orientation.write(b"\x07\x01", "command")
    assert orientation.wait_values(2)[1] == bytes.fromhex("10070101000200")
    assert chips[0].get("OrientationRequests") == 2


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("short", ["1007010100"]),
        ("refuse", ["100704"]),
        ("duplicate", ["10070101000200", "10070101000200"]),
    ],
)
def test_odd_orientations(
    chips: VirtualChips, central: Central, mode: str, expected: list[str]
) -> None:
    chips[0].call("SetQuirk", "orientation-delay", quirk(0))
    chips[0].call("SetQuirk", "orientation", quirk(mode))
    chips[0].call("Tilt", 1, 2)
    central.connect()
    orientation = central[ORIENTATION]
    orientation.subscribe()
    orientation.write(b"\x07\x01", "command")
    assert [value.hex() for value in orientation.wait_values(len(expected))] == expected


def test_battery(chips: VirtualChips, central: Central) -> None:
    central.connect()
    battery = central[BATTERY]
    battery.subscribe()
    chips[0].call("SetBattery", 62)
    assert battery.wait_values(1) == [b"\x3e"]
    for payload in (b"", b"\0", b"\x64", b"\x65", b"\x3e\x00"):
        chips[0].call("SetQuirk", "battery-payload", quirk(payload))
        assert battery.read() == payload
    chips[0].call("ClearQuirks")
    assert battery.read() == b"\x3e"
    with raises_bus_error(INVALID_ARGS):
        chips[0].call("SetBattery", 101)


# --- Payloads of odd forms -----------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, 1, 3, 0x0C, 0x0F])
def test_step_flags(
    bluez: VirtualBluez, virtual_chip: Start, central: Central, flags: int
) -> None:
    chips = virtual_chip("hci1", args=["--walk=0", f"--steps-flags={flags}"])
    chips[0].call("Step", 1000)
    central.connect()
    value = central[STEPS].read()
    assert value[0] == flags and steps_of(value) == 1000
    assert len(value) == 5 + 4 * bin(flags).count("1")


@pytest.mark.parametrize("length", [0, 1, 4, 5, 9, 13, 21, 512])
def test_step_lengths(chips: VirtualChips, central: Central, length: int) -> None:
    chips[0].call("Step", 1000)
    chips[0].call("SetQuirk", "step-length", quirk(length))
    central.connect()
    full = bytes.fromhex("03e80300000000000000e80300 00".replace(" ", ""))[:13]
    assert central[STEPS].read() == (full[:5] + bytes(4) + full[1:5] + bytes(512))[:length]


@pytest.mark.parametrize("length", [7, 9, 10, 11])
def test_time_lengths(chips: VirtualChips, central: Central, length: int) -> None:
    chips[0].call("SetQuirk", "time-length", quirk(length))
    central.connect()
    value = central[TIME].read()
    assert len(value) == length and value[:5] == bytes.fromhex("ea0701050a")


def test_reads_that_fail(chips: VirtualChips, central: Central) -> None:
    central.connect()
    chips[0].call("SetQuirk", "fail-read", quirk("battery,time"))
    for uuid in (BATTERY, TIME):
        with pytest.raises(BusError):
            central[uuid].read()
    assert steps_of(central[STEPS].read()) == 0
    chips[0].call("SetQuirk", "time-write", quirk("refuse"))
    with raises_bus_error("org.bluez.Error.NotPermitted"):
        central[TIME].write(bytes.fromhex("e207040f1014000700000c"))
    assert chips[0].get("WrittenTime") == ""


def test_slow_reads(chips: VirtualChips, central: Central) -> None:
    central.connect()
    battery = central[BATTERY]
    chips[0].call("SetQuirk", "read-delay", quirk(300))
    before = time.monotonic()
    assert battery.read() == b"\x50"
    assert time.monotonic() - before >= 0.3
    # A real bluetoothd reads the battery for itself as well.
    assert chips[0].get("Reads") >= 1


# --- Pairing -------------------------------------------------------------------------------------


def test_pairing_waits_for_the_shake(chips: VirtualChips, central: Central) -> None:
    chips[0].call("Step", 10)
    central.connect()
    auth = central[AUTH]
    auth.subscribe()
    auth.write(b"\x01\0", "command")
    assert auth.wait_values(1) == [b"\x10\x01\x04"]
    auth.write(b"\x01\0" + KEY, "command")
    chips[0].wait_property("PairingWaitsForShake", True)
    assert chips[0].get("Key") == [] and chips[0].get("Counter") == 10
    chips[0].call("Shake")
    assert auth.wait_values(2)[1] == b"\x10\x01\x01"
    assert bytes(chips[0].get("Key")) == KEY
    assert chips[0].get("Counter") == 0 and chips[0].get("LastResetReason") == "pairing"
    assert not chips[0].get("PairingWaitsForShake")

    auth.write(b"\x02\0", "command")
    challenge = auth.wait_values(3)[2]
    assert challenge[:3] == b"\x10\x02\x01" and len(challenge) == 19
    auth.write(b"\x03\0" + challenge[3:], "command")
    assert auth.wait_values(4)[3] == b"\x10\x03\x04"
    assert not chips[0].get("Authenticated")


def test_right_response_authenticates(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetKey", KEY)
    central.connect()
    auth = central[AUTH]
    auth.subscribe()
    auth.write(b"\x02\x08", "command")
    challenge = auth.wait_values(1)[0]
    openssl = ["openssl", "enc", "-aes-128-ecb", "-nopad", "-K", KEY.hex()]
    response = subprocess.run(openssl, input=challenge[3:], stdout=subprocess.PIPE, check=True)
    auth.write(b"\x03\x08" + response.stdout, "command")
    assert auth.wait_values(2)[1] == b"\x10\x03\x01"
    assert chips[0].get("Authenticated")
    central.disconnect()
    chips[0].wait_property("Authenticated", False)
    chips[0].call("SetKey", b"")
    assert chips[0].get("Key") == []


def test_pairing_ends_when_nobody_shakes(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetQuirk", "shake-window", quirk(50))
    central.connect()
    auth = central[AUTH]
    auth.subscribe()
    auth.write(b"\x01\0" + KEY, "command")
    assert auth.wait_values(1) == [b"\x10\x01\x04"]
    assert chips[0].get("Key") == []


def test_shakes_itself(bluez: VirtualBluez, virtual_chip: Start, central: Central) -> None:
    virtual_chip("hci1", args=["--auto-shake=10"])
    central.connect()
    auth = central[AUTH]
    auth.subscribe()
    auth.write(b"\x01\0" + KEY, "command")
    assert auth.wait_values(1) == [b"\x10\x01\x01"]


def test_link_drops_during_pairing(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetQuirk", "auth-drop-before", quirk("key"))
    central.connect()
    central[AUTH].subscribe()
    central[AUTH].write(b"\x01\0" + KEY, "command")
    central.device.wait_property("Connected", False)
    chips[0].wait_property("Connected", False)
    assert chips[0].get("Key") == []


# --- Going away and coming back ------------------------------------------------------------------


def test_sleeps_until_shaken(chips: VirtualChips, central: Central) -> None:
    chips[0].call("Advance", 61)
    assert chips[0].get("Asleep")
    chips[0].wait_property("Advertising", False)
    chips[0].call("Shake")
    assert not chips[0].get("Asleep")
    central.connect()
    chips[0].wait_property("Connected", True)
    chips[0].call("Advance", 3600)
    assert not chips[0].get("Asleep")
    chips[0].call("Sleep")
    central.device.wait_property("Connected", False)
    chips[0].wait_property("Advertising", False)
    chips[0].call("Step", 1)
    central.connect()
    assert steps_of(central[STEPS].read()) == 1


def test_starts_asleep(bluez: VirtualBluez, virtual_chip: Start) -> None:
    chips = virtual_chip("hci1", args=["--asleep", "--walk=120", "--speed=60"])
    chips[0].wait_property("Registered", True)
    assert chips[0].get("Asleep") and not chips[0].get("Advertising")
    assert chips[0].get("StepsWalked") == 0
    chips[0].call("Shake")
    chips[0].wait_property("Advertising", True)
    wait_for(lambda: chips[0].get("StepsWalked") > 5)


def test_vanishes_and_appears(chips: VirtualChips, central: Central) -> None:
    central.connect()
    chips[0].call("Vanish")
    central.device.wait_property("Connected", False)
    chips[0].call("Step", 4)
    chips[0].call("Shake")
    chips[0].wait_property("Advertising", False)
    chips[0].call("Appear")
    chips[0].wait_property("Advertising", True)
    central.connect()
    assert steps_of(central[STEPS].read()) == 4


def test_drops_the_link(chips: VirtualChips, central: Central) -> None:
    central.connect()
    chips[0].call("DropLink")
    central.device.wait_property("Connected", False)
    assert chips[0].get("Advertising")
    central.connect()


@no_late_answer
def test_vanishes_in_the_middle_of_a_read(chips: VirtualChips, central: Central) -> None:
    central.connect()
    chips[0].call("SetQuirk", "vanish-on-read", quirk("battery"))
    pending = central[BATTERY].read_async()
    central.device.wait_property("Connected", False)
    # bluetoothd 5.66 takes a lost link for an empty value, others for an error.
    try:
        assert pending.wait() == []
    except BusError:
        pass
    assert chips[0].get("Vanished")


def test_subscription_survives_a_lost_link(chips: VirtualChips, central: Central) -> None:
    central.connect()
    central[STEPS].subscribe()
    for _ in range(3):
        chips[0].call("DropLink")
        central.device.wait_property("Connected", False)
        central.connect()
        chips[0].wait_property("Subscribed", True)
    steps = central[STEPS]
    chips[0].call("StepEach", 10)
    assert [steps_of(value) for value in steps.wait_values(10)] == list(range(1, 11))


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_of_bluetoothd(
    bluez: VirtualBluez, chips: VirtualChips, central: Central, end: str
) -> None:
    central.connect()
    chips[0].call("Step", 3)
    for _ in range(3):
        getattr(bluez, end)()
        chips[0].wait_property("Advertising", False)
        assert not chips[0].get("Connected") and not chips[0].get("Registered")
        bluez.start()
        chips[0].wait_property("Advertising", True)
    central.connect()
    assert steps_of(central[STEPS].read()) == 3


def test_adapter_off_and_on(bluez: VirtualBluez, chips: VirtualChips, central: Central) -> None:
    radio = bluez.remote("/org/bluez/hci1", "org.bluez.Adapter1")
    chips[0].wait_property("Advertising", True)
    radio.set("Powered", False)
    chips[0].wait_property("Advertising", False)
    radio.set("Powered", True)
    chips[0].wait_property("Advertising", True)
    central.connect()


# --- History, firmware, attributes ---------------------------------------------------------------


def fetch(central: Central, since: datetime, packets: int) -> tuple[list[bytes], list[bytes]]:
    """Control and data notifications of one fetch that sends so many packets."""
    control, data = central[HISTORY_CONTROL], central[HISTORY_DATA]
    control.subscribe()
    data.subscribe()
    date = struct.pack("<H4B", since.year, since.month, since.day, since.hour, since.minute)
    control.write(b"\x01\x01" + date + b"\0\0", "command")
    control.wait_values(1)
    control.write(b"\x02", "command")
    return control.wait_values(2), data.wait_values(packets)


def test_history(
    chips: VirtualChips, central: Central, run_command: Callable[..., Result]
) -> None:
    chips[0].call("Walk", 110)
    chips[0].call("Advance", 11 * 60)
    central.connect()
    start = datetime(2026, 1, 5, 10, 1)
    control, data = fetch(central, start, 3)
    count = int.from_bytes(control[0][3:7], "little")
    assert control[0][:3] == b"\x10\x01\x01" and 10 <= count <= 11
    quarters = int(run_command("date", "+%z").stdout) // 100 * 4
    assert control[0][7:] == struct.pack("<H5Bb", 2026, 1, 5, 10, 1, 0, quarters)
    assert control[1] == b"\x10\x02\x01"
    assert [packet[0] for packet in data] == [0, 1, 2]
    samples = b"".join(packet[1:] for packet in data)
    assert len(samples) == 4 * count
    assert all(100 < steps < 120 for steps in samples[2::4])


def test_nothing_to_fetch(chips: VirtualChips, central: Central) -> None:
    central.connect()
    control, data = fetch(central, datetime(2026, 1, 5) + timedelta(days=9), 0)
    assert control[0][3:7] == bytes(4) and not data


def test_history_with_a_gap(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetQuirk", "history", quirk("gap"))
    chips[0].call("Advance", 3600)
    chips[0].call("Shake")
    central.connect()
    control, data = fetch(central, datetime(2026, 1, 5), 14)
    assert [packet[0] for packet in data] == [0, *range(2, 15)]
    assert control[1] == b"\x10\x02\x01"


@pytest.mark.parametrize(("mode", "answer"), [("refuse", "100104"), ("fail", "100204")])
def test_history_that_fails(
    chips: VirtualChips, central: Central, mode: str, answer: str
) -> None:
    chips[0].call("SetQuirk", "history", quirk(mode))
    central.connect()
    control, _ = fetch(central, datetime(2026, 1, 5), 0)
    assert bytes.fromhex(answer) in control


def test_forbidden_writes_are_counted(chips: VirtualChips, central: Central) -> None:
    central.connect()
    central["V1531"].write(b"\x01")
    central["V1532"].write(b"\x01", "command")
    wait_for(lambda: chips[0].get("FirmwareWrites") == 2)
    central[HISTORY_CONTROL].write(b"\x03", "command")
    wait_for(lambda: chips[0].get("HistoryDeletes") == 1)


@own_gap_service
def test_other_characteristics(chips: VirtualChips, central: Central) -> None:
    chips[0].call("SetQuirk", "missing", quirk("battery,privacy-flag"))
    chips[0].call("SetQuirk", "extra", quirk("firmware-revision,battery-service"))
    chips[0].call("SetQuirk", "auth-service", quirk("fee1"))
    chips[0].wait_property("Advertising", True)
    central.connect()
    assert central.service_of(AUTH) == full_uuid("fee1")
    assert central.service_of(BATTERY) == full_uuid("180f")
    assert central["2a26"].read() == b"V1.1.4" and not central.has("2a02")
    chips[0].call("ClearQuirks")
    chips[0].wait_property("Connected", False)
    chips[0].wait_property("Advertising", True)
    central.connect()
    wait_for(lambda: central.has("2a02") and not central.has("2a26"))
    assert central.service_of(AUTH) == full_uuid("fee0")
