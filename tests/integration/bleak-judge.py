# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a user of Debian's python3-bleak writes: find the chip, connect, read, and hear of steps."""

import asyncio
import sys
from contextlib import suppress

from bleak import BleakClient, BleakScanner

STEPS = "00000007-0000-3512-2118-0009af100700"
HARDWARE_REVISION = "00002a27-0000-1000-8000-00805f9b34fb"


async def main() -> None:
    device = await BleakScanner.find_device_by_filter(
        lambda found, data: data.local_name == "HM0D" and 0x0157 in data.manufacturer_data,
        timeout=60,
        adapter="hci0",  # left alone bleak takes any that is powered, a chip's radio too
    )
    assert device is not None
    print("found", device.address, flush=True)

    gone = asyncio.Event()
    heard: asyncio.Queue[bytearray] = asyncio.Queue()
    client = BleakClient(device, disconnected_callback=lambda client: gone.set(), timeout=60)
    # Told of the disconnection before Disconnect() is answered, bleak closes the connection that the answer
    # would come by.
    with suppress(EOFError):
        async with client:
            print("services", len(list(client.services)), flush=True)
            revision = await client.read_gatt_char(HARDWARE_REVISION)
            print("revision", revision.decode(), flush=True)
            await client.start_notify(STEPS, lambda sender, data: heard.put_nowait(data))
            counts = []
            while len(counts) < 3:
                frame = await asyncio.wait_for(heard.get(), 60)
                counts.append(int.from_bytes(frame[1:5], "little"))
            print("steps", *counts, flush=True)
            await client.stop_notify(STEPS)
    await asyncio.wait_for(gone.wait(), 60)
    print("disconnected", flush=True)


sys.exit(asyncio.run(main()))
