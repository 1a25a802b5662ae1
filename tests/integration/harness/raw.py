# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of the bus that does what no library does: sends any bytes, and reads only when told to."""

from __future__ import annotations

import os
import socket

from gi.repository import Gio, GLib

from .bus import DBUS, Bus
from .loop import wait_for


class RawClient:
    """A connection that has said Hello. What it sends waits for nobody; what comes stays in the socket."""

    def __init__(self, bus: Bus) -> None:
        self._serial = 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(bus.socket_path))
        uid = str(os.getuid()).encode().hex()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
        assert self.socket.recv(4096).startswith(b"OK ")
        self.socket.sendall(b"BEGIN\r\n")
        self.call(*DBUS, "Hello")
        # The reply, and the signal that tells of the name.
        wait_for(lambda: b"NameAcquired" in self.socket.recv(65536), what="the answer to Hello")
        self.socket.setblocking(False)

    def call(
        self, name: str, path: str, interface: str, method: str, args: GLib.Variant | None = None
    ) -> None:
        """Send a call and go on."""
        self.send(self.message(name, path, interface, method, args))

    def message(
        self, name: str, path: str, interface: str, method: str, args: GLib.Variant | None = None
    ) -> bytes:
        """A call as it is on the wire."""
        message = Gio.DBusMessage.new_method_call(name, path, interface, method)
        if args is not None:
            message.set_body(args)
        self._serial += 1
        message.set_serial(self._serial)
        return bytes(message.to_blob(Gio.DBusCapabilityFlags.NONE))

    def send(self, data: bytes) -> None:
        """Send all of it, while everybody else goes on."""
        rest = memoryview(data)

        def sent() -> bool:
            nonlocal rest
            try:
                rest = rest[self.socket.send(rest) :]
            except BlockingIOError:
                pass
            return not rest

        wait_for(sent, what="the bus to take what is sent")

    def subscribe(self, rule: str) -> None:
        """Have signals sent here."""
        self.call(*DBUS, "AddMatch", GLib.Variant("(s)", (rule,)))

    def drain(self) -> int:
        """Read what is there, and return how many bytes it was."""
        size = 0
        try:
            while data := self.socket.recv(1 << 20):
                size += len(data)
        except BlockingIOError:
            pass
        return size

    def is_closed(self) -> bool:
        """Whether the bus has ended the connection."""
        try:
            while self.socket.recv(1 << 20):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()
