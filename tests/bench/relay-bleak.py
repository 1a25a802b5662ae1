#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The relay that people would write today: bleak, and dbus-fast, which bleak stands on, for the signal.

usage: relay-bleak.py CHIPS steps|orientation
"""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
import time
from collections.abc import Callable

from bleak import BleakClient
from bleak.backends.device import BLEDevice
from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

FIRST_CHIP = 0xF14FBB6AB579
UUIDS = {
    "steps": "00000007-0000-3512-2118-0009af100700",
    "orientation": "00000003-0000-3512-2118-0009af100700",
}


def steps(bus: MessageBus, path: str) -> Callable[..., None]:
    last = 0

    def on_notification(_characteristic: object, data: bytearray) -> None:
        nonlocal last
        (counter,) = struct.unpack_from("<I", data, 1)
        now = time.time_ns() // 1000
        bus.send(
            Message(
                message_type=MessageType.SIGNAL, path=path, interface="org.example.Core2",
                member="StepsChanged", signature="uut", body=[counter, counter - last, now],
            )
        )  # fmt: skip
        last = counter

    return on_notification


def orientation(bus: MessageBus, path: str) -> Callable[..., None]:
    def on_notification(_characteristic: object, data: bytearray) -> None:
        x, y = struct.unpack_from("<HH", data, 3)
        bus.send(
            Message(
                message_type=MessageType.SIGNAL, path=path, interface="org.example.Core2",
                member="OrientationChanged", signature="qqt", body=[x, y, time.time_ns() // 1000],
            )
        )  # fmt: skip

    return on_notification


async def subscribe(bus: MessageBus, number: int, kind: str) -> BleakClient:
    digits = f"{FIRST_CHIP + number:012X}"
    address = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
    name = address.replace(":", "_")
    device = BLEDevice(address, "HM0D", {"path": f"/org/bluez/hci0/dev_{name}", "props": {}}, 0)
    client = BleakClient(device)
    await client.connect()
    publish = steps if kind == "steps" else orientation
    await client.start_notify(UUIDS[kind], publish(bus, f"/org/example/Core2/chip/{name}"))
    return client


async def relay(count: int, kind: str) -> None:
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    await bus.request_name("org.example.Core2")
    clients = [await subscribe(bus, number, kind) for number in range(count)]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    for client in clients:
        await client.disconnect()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), sys.argv[2]))
