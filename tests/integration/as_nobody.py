# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of another user, with a polkit agent of its own that refuses to ask anybody.

It reads calls from stdin, as JSON: [[path, interface, method, arguments in GVariant's text, interactive], ...],
and prints the name of the error of each, or "", and what the agent was asked: the action and the message.
"""

import json
import os
import sys
from typing import Any

from gi.repository import Gio, GLib

AGENT = """<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/>
    <arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface></node>"""
AGENT_PATH = "/agent"
POLKIT = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority")
CORE2 = "org.example.Core2"

asked: list[tuple[str, str]] = []


def on_agent_call(
    _connection: Gio.DBusConnection,
    _sender: str,
    _path: str,
    _interface: str,
    method: str,
    arguments: GLib.Variant,
    invocation: Gio.DBusMethodInvocation,
) -> None:
    if method == "BeginAuthentication":
        action, message, *_ = arguments.unpack()
        asked.append((action, message))
        name = "org.freedesktop.PolicyKit1.Error.Cancelled"
        invocation.return_dbus_error(name, "the person closed the dialog")
    else:
        invocation.return_value(None)


def call(
    connection: Gio.DBusConnection,
    name: str,
    path: str,
    interface: str,
    method: str,
    arguments: GLib.Variant | None,
    interactive: bool = False,
) -> str:
    """Call, serving the agent meanwhile. Returns the name of the error, or ""."""
    loop = GLib.MainLoop()
    errors: list[str] = []
    flag = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
    flags = flag if interactive else Gio.DBusCallFlags.NONE

    def on_done(_connection: Gio.DBusConnection, result: Gio.AsyncResult) -> None:
        try:
            connection.call_finish(result)
            errors.append("")
        except GLib.Error as error:
            errors.append(Gio.DBusError.get_remote_error(error) or error.message)
        loop.quit()

    connection.call(
        name, path, interface, method, arguments, None, flags, 60_000, None, on_done
    )
    loop.run()
    return errors[0]


def register_agent(connection: Gio.DBusConnection) -> None:
    interface = Gio.DBusNodeInfo.new_for_xml(AGENT).interfaces[0]
    connection.register_object(AGENT_PATH, interface, on_agent_call, None, None)
    subject: dict[str, Any] = {
        "pid": GLib.Variant("u", os.getpid()),
        "start-time": GLib.Variant("t", 0),
    }
    arguments = GLib.Variant("((sa{sv})ss)", (("unix-process", subject), "en", AGENT_PATH))
    error = call(
        connection,
        *POLKIT,
        "org.freedesktop.PolicyKit1.Authority",
        "RegisterAuthenticationAgent",
        arguments,
    )
    assert not error, error


def main() -> None:
    connection = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    register_agent(connection)
    errors = []
    for path, interface, method, text, interactive in json.load(sys.stdin):
        arguments = GLib.Variant.parse(None, text, None, None) if text else None
        errors.append(call(connection, CORE2, path, interface, method, arguments, interactive))
    print(json.dumps({"errors": errors, "asked": asked}))


main()
