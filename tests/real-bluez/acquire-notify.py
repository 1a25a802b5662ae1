#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bluetoothd makes of AcquireNotify when the chip vanishes during the call. Run it in the virtual machine:

    tests/real-bluez/run -- tests/real-bluez/acquire-notify.py
    tests/real-bluez/run --bluez trixie -- tests/real-bluez/acquire-notify.py

The call has to write to the chip. That write waits behind a read that the chip does not answer, and then the link ends:
the same as with a chip that goes out of reach, but not left to chance.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / "integration"), str(TESTS / "real-bluez" / "checks")]

import sensor  # noqa: E402
from harness import BusError, wait_for  # noqa: E402
from harness.real import RealBluez, SystemBus, adapter_address  # noqa: E402
from stack import Device  # noqa: E402

# Longer than any time-out of bluetoothd's and of a plain D-Bus call.
ANSWER_WITHIN = 60


class MuteSensor(sensor.Sensor):
    """Answers reads only while it speaks."""

    speaks = True

    def on_call(self, connection, sender, path, interface, method, arguments, invocation):
        if method != "ReadValue" or self.speaks:
            super().on_call(connection, sender, path, interface, method, arguments, invocation)


class Trial:
    def __init__(self, bus):
        self.bus = bus
        self.start()

    def start(self):
        """A bluetoothd, a sensor and a device that nothing has happened to."""
        self.bluez = RealBluez(self.bus)
        self.bluez.restart()
        self.sensor = MuteSensor(self.bus, self.bluez)
        self.sensor.register("/org/bluez/hci1")
        self.device = Device(self.bluez, self.bluez.discover(adapter_address(1)))

    def characteristic(self):
        return self.device.find_characteristic(sensor.CHARACTERISTIC).remote

    def wait_answer(self, what, pending, within=ANSWER_WITHIN):
        """Tells how a call ends, or that it does not."""
        try:
            pending.wait(within)
            told = "succeeds"
        except BusError as error:
            told = str(error)
        except AssertionError:
            told = f"no answer within {within} s"
        print(f"{what}: {told}", flush=True)

    def drop_link(self):
        """Ends it from the chip's side, at once."""
        subprocess.run(["btmgmt", "--index", "1", "disconnect", "-t", "1", adapter_address(0)],
                       check=True, stdout=subprocess.DEVNULL)
        wait_for(lambda: not self.device.remote.get("Connected"), what="the end of the link")

    def lose_link_during(self, method, *args):
        """Calls a method of the characteristic, and ends the link before the chip can have seen anything of it."""
        self.device.connect()
        characteristic = self.characteristic()
        self.sensor.speaks = False
        reading = characteristic.call_async("ReadValue", {})
        called = characteristic.call_async(method, *args) if method else None
        # A call that is answered at once says that bluetoothd has taken the others.
        self.bluez.objects()
        pid = self.bluez.pid
        try:
            self.drop_link()
        except BusError as error:
            print(f"  {error}", flush=True)
        self.wait_answer("  the read", reading)
        if called:
            self.wait_answer(f"  {method}", called)
        self.sensor.speaks = True
        if self.bluez.pid != pid:
            print("  bluetoothd has crashed", flush=True)
            return False
        return True

    def try_again(self):
        self.device.connect()
        characteristic = self.characteristic()
        for method, args in (("AcquireNotify", [{}]), ("StartNotify", []), ("StopNotify", [])):
            self.wait_answer(f"  connected again: {method}", characteristic.call_async(method, *args))

    def run(self, method, *args):
        print(f"The link ends during a read and {method or 'nothing else'}:", flush=True)
        try:
            self.start()
            if self.lose_link_during(method, *args):
                self.try_again()
        except BusError as error:
            print(f"  {error}", flush=True)


def tell_version():
    """bluetoothd says it in the journal only."""
    lines = subprocess.run(["journalctl", "--boot", "--unit=bluetooth", "--output=cat", "--grep=Bluetooth daemon"],
                           check=True, text=True, capture_output=True).stdout.splitlines()
    print(lines[-1], flush=True)


def main():
    tell_version()
    with tempfile.TemporaryDirectory() as directory:
        trial = Trial(SystemBus(Path(directory)))
        trial.device.connect()
        trial.wait_answer("AcquireNotify, undisturbed", trial.characteristic().call_async("AcquireNotify", {}))
        for call in ((None,), ("StartNotify",), ("AcquireNotify", {})):
            trial.run(*call)


if __name__ == "__main__":
    main()
