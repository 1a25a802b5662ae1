# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls and signals of core2d, for programs that know nothing of main loops.

Signals need a main context that runs, and the program's main thread may sleep or block. So one
thread runs a main context of its own for the connection to the bus, and another one runs the
callbacks: these may call methods, which wait for the first thread.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

logger = logging.getLogger("amazfit")

CORE2 = "org.example.Core2"
BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
ERROR_PREFIX = "org.example.Core2.Error."

#: For Gio: no time-out. core2d ends every call by itself.
NO_TIMEOUT = 2**31 - 1

#: Milliseconds for a call that needs no radio, core2d's start by activation included.
START_TIMEOUT = 60_000

SignalHandler = Callable[..., None]


class Core2Error(RuntimeError):
    """Something that core2d, or the bus on the way to it, refused.

    name is the D-Bus name of the error, as org.example.Core2.Error.Asleep; empty for an error that
    did not come over the bus.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name

    @property
    def reason(self) -> str:
        """The last part of the name of an error of core2d, as Asleep; else empty."""
        return self.name[len(ERROR_PREFIX) :] if self.name.startswith(ERROR_PREFIX) else ""


def to_core2_error(error: GLib.Error) -> Core2Error:
    """What went wrong, without GLib's decoration of the message."""
    name = Gio.DBusError.get_remote_error(error) or ""
    message = error.message.removeprefix(f"GDBus.Error:{name}: ")
    if name in (
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner",
    ):
        message = f"core2d does not run: {message}"
    return Core2Error(message, name)


class Client:
    """One connection to the system bus, with its two threads."""

    def __init__(self) -> None:
        """Connect. Raises Core2Error when there is no system bus."""
        self._context = GLib.MainContext.new()
        self._callbacks: queue.SimpleQueue[tuple[SignalHandler, tuple[Any, ...]] | None] = (
            queue.SimpleQueue()
        )
        self._stopping = False
        self._start_handlers: list[SignalHandler] = []
        self._connection = self._connect()
        self._loop_thread = threading.Thread(
            target=self._run_loop, name="amazfit-bus", daemon=True
        )
        self._callback_thread = threading.Thread(
            target=self._run_callbacks, name="amazfit-callbacks", daemon=True
        )
        self._loop_thread.start()
        self._callback_thread.start()

    def _connect(self) -> Gio.DBusConnection:
        flags = Gio.DBusConnectionFlags
        self._context.push_thread_default()
        try:
            address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM, None)
            connection = Gio.DBusConnection.new_for_address_sync(
                address,
                flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION,
                None,
                None,
            )
        except GLib.Error as error:
            raise Core2Error(f"no connection to the system bus: {error.message}") from error
        finally:
            self._context.pop_thread_default()
        connection.set_exit_on_close(False)
        return connection

    @property
    def usable(self) -> bool:
        """False after the bus has ended: then only a new Client helps."""
        return not self._connection.is_closed()

    def close(self) -> None:
        """End both threads; waits for the first, for the second only if it runs no callback."""

        def stop() -> None:
            self._stopping = True

        self._callbacks.put(None)
        self._in_loop(stop)
        if threading.current_thread() is not self._loop_thread:
            self._loop_thread.join()

    # Threads

    def _run_loop(self) -> None:
        self._context.push_thread_default()
        while not self._stopping:
            self._context.iteration(True)
        self._context.pop_thread_default()

    def _run_callbacks(self) -> None:
        while (job := self._callbacks.get()) is not None:
            function, args = job
            try:
                function(*args)
            except Exception:
                logger.exception("a callback raised an exception")

    def _in_loop(self, function: Callable[[], None]) -> None:
        """Run function in the thread of the connection, soon. Raises Core2Error after close()."""
        if self._stopping:
            raise Core2Error("the connection to the system bus has ended: call connect() again")

        def run(_data: object) -> bool:
            function()
            return bool(GLib.SOURCE_REMOVE)

        source = GLib.idle_source_new()
        source.set_priority(GLib.PRIORITY_DEFAULT)
        source.set_callback(run, None)
        source.attach(self._context)

    def run_callback(self, function: SignalHandler, *args: Any) -> None:
        """Run function in the thread of callbacks, after those that wait already."""
        self._callbacks.put((function, args))

    # The bus

    def call(
        self,
        path: str,
        interface: str,
        method: str,
        args: GLib.Variant | None = None,
        timeout: int = NO_TIMEOUT,
    ) -> Any:
        """Call a method of core2d and wait: None, one value, or a tuple of values.

        timeout is in milliseconds. Raises Core2Error. A KeyboardInterrupt ends the waiting.
        """
        values = self.send(path, interface, method, args, timeout).result().unpack()
        return None if not values else values[0] if len(values) == 1 else values

    def send(
        self,
        path: str,
        interface: str,
        method: str,
        args: GLib.Variant | None = None,
        timeout: int = NO_TIMEOUT,
        destination: str = CORE2,
    ) -> Future[GLib.Variant]:
        """Call a method; the future gets the tuple of its reply, or a Core2Error."""
        future: Future[GLib.Variant] = Future()

        def on_reply(connection: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
            try:
                future.set_result(connection.call_finish(result))
            except GLib.Error as error:
                future.set_exception(to_core2_error(error))

        def start() -> None:
            self._connection.call(
                destination,
                path,
                interface,
                method,
                args,
                None,
                Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION,
                timeout,
                None,
                on_reply,
            )

        self._in_loop(start)
        return future

    def subscribe(
        self,
        path: str,
        interface: str,
        signal: str,
        handler: SignalHandler,
        sender: str = CORE2,
        first_value: str | None = None,
    ) -> None:
        """From now on call handler with the values of each such signal, in the connection's thread.

        Returns when the bus has the rule, so that nothing after it is missed.
        """

        def on_signal(*args: Any) -> None:
            handler(*args[5].unpack())

        def start() -> None:
            self._connection.signal_subscribe(
                sender, interface, signal, path, first_value, Gio.DBusSignalFlags.NONE, on_signal
            )

        self._in_loop(start)
        # The bus handles messages in order: its answer to a later call follows the rule.
        self.send(BUS_PATH, BUS, "GetId", timeout=START_TIMEOUT, destination=BUS).result()

    def on_daemon_start(self, handler: SignalHandler) -> None:
        """From now on call handler whenever core2d has started again, in the callbacks' thread."""
        first = not self._start_handlers
        self._start_handlers.append(handler)
        if first:
            self.subscribe(
                BUS_PATH, BUS, "NameOwnerChanged", self._on_owner, sender=BUS, first_value=CORE2
            )

    def _on_owner(self, _name: str, _old: str, new: str) -> None:
        if new:
            for handler in self._start_handlers:
                self.run_callback(handler)


_lock = threading.Lock()
_client: Client | None = None


def get_client() -> Client:
    """The connection that all chips of this program share. Raises Core2Error."""
    global _client
    with _lock:
        if _client is None or not _client.usable:
            _close(_client)
            _client = None
            _client = Client()
        return _client


def _close(client: Client | None) -> None:
    if client is not None:
        client.close()


@atexit.register
def _close_at_exit() -> None:
    _close(_client)
