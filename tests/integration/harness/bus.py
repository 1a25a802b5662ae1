# SPDX-License-Identifier: LGPL-2.1-or-later
"""A message bus of a test's own, and what a test does with objects on it."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from . import broker
from .loop import TIMEOUT, iterate, wait_for
from .process import Process

#: <type>system</type> without limits of its own has the limits of the real system bus.
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*"/>
  </policy>
  {extra}
</busconfig>
"""

DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"


class BusError(Exception):
    """A D-Bus error as a caller sees it."""

    def __init__(self, error: GLib.Error) -> None:
        self.name = Gio.DBusError.get_remote_error(error) or ""
        self.message = error.message.removeprefix(f"GDBus.Error:{self.name}: ")
        super().__init__(f"{self.name or 'local error'}: {self.message}")


@contextmanager
def raises_bus_error(name: str) -> Iterator[list[BusError]]:
    """Expect the D-Bus error of that name; the list holds it afterwards."""
    caught: list[BusError] = []
    try:
        yield caught
    except BusError as error:
        assert error.name == name, f"expected {name}, got {error}"
        caught.append(error)
    else:
        raise AssertionError(f"expected {name}, got a reply")


class Pending:
    """A call whose reply has not been waited for yet.

    at_reply gets the reply in its turn among the signals. wait() may return it later than signals that came
    after it, so what signals go on to change must be taken here.
    """

    def __init__(self, what: str, at_reply: Callable[[Any], None] | None = None) -> None:
        self.what = what
        self.at_reply = at_reply
        self.done = False
        self._reply: GLib.Variant | None = None
        self._error: BusError | None = None

    def _on_reply(self, connection: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            self._reply = connection.call_finish(result)
        except GLib.Error as error:
            self._error = BusError(error)
        self.done = True
        if self._reply is not None and self.at_reply is not None:
            self.at_reply(self._unpack())

    def _unpack(self) -> Any:
        assert self._reply is not None
        values = self._reply.unpack()
        return None if not values else values[0] if len(values) == 1 else values

    def wait(self, timeout: float = TIMEOUT) -> Any:
        """The reply: nothing, one value, or a tuple of values. Raises BusError."""
        wait_for(lambda: self.done, timeout, f"the reply to {self.what}")
        if self._error is not None:
            raise self._error
        return self._unpack()


@dataclass(frozen=True)
class Signal:
    sender: str
    path: str
    interface: str
    member: str
    args: tuple[Any, ...]


class SignalLog:
    """The signals that came since it was made, in order."""

    def __init__(self) -> None:
        self.signals: list[Signal] = []

    def __len__(self) -> int:
        return len(self.signals)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self.signals)

    @property
    def args(self) -> list[tuple[Any, ...]]:
        return [signal.args for signal in self.signals]

    def clear(self) -> None:
        self.signals.clear()

    def wait(
        self,
        predicate: Callable[[Signal], bool] = lambda signal: True,
        count: int = 1,
        timeout: float = TIMEOUT,
        what: str = "",
    ) -> list[Signal]:
        """Wait until at least count signals satisfy predicate, and return those."""

        def enough() -> list[Signal]:
            found = [signal for signal in self.signals if predicate(signal)]
            return found if len(found) >= count else []

        return wait_for(enough, timeout, what or f"{count} signals, {len(self)} came")


def noon_zone() -> str:
    """A time zone in which it is noon: no day begins while the test runs."""
    return f"NOON{datetime.now(UTC).hour - 12:+d}"


def environment(directory: Path, address: str) -> dict[str, str]:
    """What programs under test get: this bus, a home of the test's own, no surprises of the host."""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("DBUS_", "XDG_")) and key not in ("NOTIFY_SOCKET", "HOME")
    } | {
        "DBUS_SYSTEM_BUS_ADDRESS": address,
        "G_DEBUG": "fatal-warnings",
        "G_MESSAGES_DEBUG": "",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": noon_zone(),
    }


class Bus:
    """One private bus, the test's own connection to it, and the programs on it.

    kind is "dbus-daemon" or "dbus-broker". extra is XML for dbus-daemon's configuration.
    """

    #: What every call from the test says of itself.
    call_flags = Gio.DBusCallFlags.NONE

    def __init__(self, directory: Path, kind: str = "dbus-daemon", extra: str = "") -> None:
        self.directory = directory
        self.kind = kind
        # A short path of its own: the address of a socket has at most 107 bytes.
        self._socket_directory = tempfile.TemporaryDirectory(prefix="core2-bus-")
        self.socket_path = Path(self._socket_directory.name) / "bus"
        os.chmod(self._socket_directory.name, 0o755)
        self.address = f"unix:path={self.socket_path}"
        self.processes: list[Process] = []
        self.env = environment(directory, self.address)
        if kind == "dbus-daemon":
            self._start_dbus_daemon(extra)
        else:
            self._broker = broker.start(self.socket_path, self.start)
        self.connection = self.connect()

    def _start_dbus_daemon(self, extra: str) -> None:
        configuration = self.directory / "bus.conf"
        configuration.write_text(CONFIGURATION.format(socket=self.socket_path, extra=extra))
        self.daemon = self.start(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"]
        )
        wait_for(self._accepts, what="dbus-daemon")

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.socket_path)) == 0

    def start(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        label: str = "",
        inherit: Sequence[int] = (),
    ) -> Process:
        """Start a program that lives at most as long as the bus."""
        process = Process(argv, self.env | dict(env or {}), self.directory, label, inherit)
        self.processes.append(process)
        return process

    def connect(self) -> Gio.DBusConnection:
        """One more connection of the test, for what is bound to a client of the bus."""
        done: list[Gio.AsyncResult] = []
        flags = Gio.DBusConnectionFlags
        Gio.DBusConnection.new_for_address(
            self.address,
            flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION,
            None,
            None,
            lambda _source, result: done.append(result),
        )
        wait_for(lambda: bool(done), what="a connection to the bus")
        connection = Gio.DBusConnection.new_for_address_finish(done[0])
        connection.set_exit_on_close(False)
        return connection

    def close(self) -> None:
        """End the bus; everything else on it must have ended before."""
        if not self.connection.is_closed():
            self.connection.close(None, None)
        for process in reversed(self.processes):
            process.expect_end()
            process.stop()
        iterate()
        self.release()

    def release(self) -> None:
        """Remove what the bus itself made."""
        self._socket_directory.cleanup()

    def call_async(
        self,
        name: str,
        path: str,
        interface: str,
        method: str,
        args: GLib.Variant | None = None,
        connection: Gio.DBusConnection | None = None,
        flags: Gio.DBusCallFlags = Gio.DBusCallFlags.NONE,
        at_reply: Callable[[Any], None] | None = None,
    ) -> Pending:
        pending = Pending(f"{interface}.{method} on {path}", at_reply)
        (connection or self.connection).call(
            name,
            path,
            interface,
            method,
            args,
            None,
            flags | self.call_flags,
            2**31 - 1,
            None,
            pending._on_reply,
        )
        return pending

    def call(
        self,
        name: str,
        path: str,
        interface: str,
        method: str,
        args: GLib.Variant | None = None,
        timeout: float = TIMEOUT,
    ) -> Any:
        """Call a method; nothing, one value, or a tuple of values. Raises BusError."""
        return self.call_async(name, path, interface, method, args).wait(timeout)

    def signals(
        self,
        name: str | None = None,
        path: str | None = None,
        interface: str | None = None,
        member: str | None = None,
    ) -> SignalLog:
        """Record the matching signals from now on. The match rule is in force on return."""
        log = SignalLog()

        def on_signal(_connection, sender, path_, interface_, member_, args):
            log.signals.append(Signal(sender, path_, interface_, member_, args.unpack()))

        self.connection.signal_subscribe(
            name, interface, member, path, None, Gio.DBusSignalFlags.NONE, on_signal
        )
        self.synchronize()
        return log

    def synchronize(self) -> None:
        """Wait until the bus has handled all that this connection sent."""
        self.call(*DBUS, "GetId")

    def owner(self, name: str) -> str | None:
        """The unique name of the owner, or None."""
        try:
            return self.call(*DBUS, "GetNameOwner", GLib.Variant("(s)", (name,)))
        except BusError:
            return None

    def owner_pid(self, name: str) -> int | None:
        """The process of the owner, or None."""
        try:
            return self.call(*DBUS, "GetConnectionUnixProcessID", GLib.Variant("(s)", (name,)))
        except BusError:
            return None

    def wait_name(self, name: str, timeout: float = TIMEOUT) -> str:
        """Wait until the name has an owner, and return it."""
        log = self.signals(DBUS[0], DBUS[1], DBUS[2], "NameOwnerChanged")
        owner = self.owner(name)
        while not owner:
            change = log.wait(lambda s: s.args[0] == name, timeout=timeout, what=f"name {name}")
            owner = change[-1].args[2]
            log.clear()
        return owner

    def wait_name_gone(self, name: str, timeout: float = TIMEOUT) -> None:
        log = self.signals(DBUS[0], DBUS[1], DBUS[2], "NameOwnerChanged")
        if self.owner(name):
            log.wait(lambda s: s.args[0] == name and not s.args[2], timeout=timeout)

    def managed_objects(
        self, name: str, path: str, at_reply: Callable[[Any], None] | None = None
    ) -> dict[str, dict[str, dict[str, Any]]]:
        method = (OBJECT_MANAGER, "GetManagedObjects")
        return self.call_async(name, path, *method, at_reply=at_reply).wait()

    def introspect(self, name: str, path: str) -> Gio.DBusNodeInfo:
        xml = self.call(name, path, "org.freedesktop.DBus.Introspectable", "Introspect")
        return Gio.DBusNodeInfo.new_for_xml(xml)
