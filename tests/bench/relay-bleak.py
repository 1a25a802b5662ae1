#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The relay that people would write today: bleak, and dbus-fast, which bleak stands on, for the signal.

usage: relay-bleak.py CHIPS steps|orientation [both]

both: PropertiesChanged before each signal, as core2d sends it.
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
import time
from typing import Any

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

FIRST_CHIP = 0xF14FBB6AB579
UUIDS = {
    "steps": "00000007-0000-3512-2118-0009af100700",
    "orientation": "00000003-0000-3512-2118-0009af100700",
}


INTERFACE = "org.example.Core2"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Publisher:
    """Of one chip."""

    def __init__(self, bus: MessageBus, path: str, both: bool) -> None:
        self.bus = bus
        self.path = path
        self.both = both
        self.last = 0

    def send(self, interface: str, member: str, signature: str, body: list[Any]) -> None:
        self.bus.send(
            Message(
                message_type=MessageType.SIGNAL, path=self.path, interface=interface,
                member=member, signature=signature, body=body,
            )
        )  # fmt: skip

    def send_properties(self, properties: dict[str, Variant]) -> None:
        self.send(PROPERTIES, "PropertiesChanged", "sa{sv}as", [INTERFACE, properties, []])

    def on_steps(self, _characteristic: object, data: bytearray) -> None:
        (counter,) = struct.unpack_from("<I", data, 1)
        now = time.time_ns() // 1000
        if self.both:
            same = {name: Variant("u", counter) for name in ("Steps", "StepsToday", "Cadence", "WalkSteps")}
            more = {"StepsUpdated": Variant("t", now), "StepsTotal": Variant("t", counter)}
            self.send_properties(same | more)
        self.send(INTERFACE, "StepsChanged", "uut", [counter, counter - self.last, now])
        self.last = counter

    def on_orientation(self, _characteristic: object, data: bytearray) -> None:
        x, y = struct.unpack_from("<HH", data, 3)
        now = time.time_ns() // 1000
        if self.both:
            self.send_properties({"Orientation": Variant("(qq)", [x, y]), "OrientationUpdated": Variant("t", now)})
        self.send(INTERFACE, "OrientationChanged", "qqt", [x, y, now])


async def subscribe(bus: MessageBus, number: int, kind: str, both: bool) -> BleakClient:
    digits = f"{FIRST_CHIP + number:012X}"
    address = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
    name = address.replace(":", "_")
    device = BLEDevice(address, "HM0D", {"path": f"/org/bluez/hci0/dev_{name}", "props": {}}, 0)
    client = BleakClient(device)
    await client.connect()
    publisher = Publisher(bus, f"/org/example/Core2/chip/{name}", both)
    take = publisher.on_steps if kind == "steps" else publisher.on_orientation
    await client.start_notify(UUIDS[kind], take)
    return client


async def relay(count: int, kind: str, both: bool) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    await bus.request_name("org.example.Core2")
    clients = [await subscribe(bus, number, kind, both) for number in range(count)]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    for client in clients:
        await client.disconnect()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["both"]))
