# SPDX-License-Identifier: LGPL-2.1-or-later
"""dbus-broker as a private bus.

Its launcher needs systemd's journal socket, which containers lack, so this is a launcher of our own: it gives
the broker a listening socket and a policy that allows everything.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from gi.repository import Gio, GLib

from .loop import wait_for
from .process import Process

# The broker's own format of a policy: whether connecting is allowed, then rules for names, sending, receiving.
_BATCH = "bta(btbs)a(btssssuutt)a(btssssuutt)"
_POLICY = f"(a(u({_BATCH}))a(buu({_BATCH}))a(ss)bs)"
_ANY_UID = 0xFFFFFFFF
_PRIORITY = 1


def _allow_everything() -> GLib.Variant:
    any_message = (True, _PRIORITY, "", "", "", "", 0, 0, 0, 2**64 - 1)
    batch = (True, _PRIORITY, [(True, _PRIORITY, True, "")], [any_message], [any_message])
    return GLib.Variant(_POLICY, ([(_ANY_UID, batch)], [], [], False, ""))


def start(
    socket_path: Path, start_process: Callable[..., Process]
) -> tuple[Process, Gio.DBusConnection]:
    """Start a broker that listens at socket_path; it ends with the returned connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path))
    socket_path.chmod(0o666)
    listener.listen(128)
    listener.setblocking(False)  # the broker accepts until there is nobody left
    ours, theirs = socket.socketpair()

    machine_id = "0123456789abcdef0123456789abcdef"
    controller_fd = theirs.fileno()
    process = start_process(
        ["dbus-broker", "--controller", str(controller_fd), "--machine-id", machine_id],
        inherit=[controller_fd],
    )
    theirs.close()

    done: list[Gio.AsyncResult] = []
    stream = Gio.Socket.new_from_fd(ours.detach()).connection_factory_create_connection()
    Gio.DBusConnection.new(
        stream,
        None,
        Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT,
        None,
        None,
        lambda _source, result: done.append(result),
    )
    wait_for(lambda: bool(done), what="dbus-broker's controller connection")
    controller = Gio.DBusConnection.new_finish(done[0])
    controller.set_exit_on_close(False)

    descriptors = Gio.UnixFDList.new()
    descriptors.append(listener.fileno())
    arguments = GLib.Variant.new_tuple(
        GLib.Variant("o", "/org/bus1/DBus/Listener/0"),
        GLib.Variant("h", 0),
        GLib.Variant("v", _allow_everything()),
    )
    replies: list[Gio.AsyncResult] = []
    controller.call_with_unix_fd_list(
        None,
        "/org/bus1/DBus/Broker",
        "org.bus1.DBus.Broker",
        "AddListener",
        arguments,
        None,
        Gio.DBusCallFlags.NONE,
        -1,
        descriptors,
        None,
        lambda _source, result: replies.append(result),
    )
    wait_for(lambda: bool(replies), what="dbus-broker's listener")
    controller.call_with_unix_fd_list_finish(replies[0])
    listener.close()
    return process, controller
