# SPDX-License-Identifier: LGPL-2.1-or-later
"""A polkitd of the test's own: it says what the test wants, and keeps what it was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gi.repository import Gio, GLib
from harness import Bus, wait_for
from harness.bus import DBUS

NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"

XML = """<node><interface name="org.freedesktop.PolicyKit1.Authority">
  <method name="CheckAuthorization">
    <arg type="(sa{sv})" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/>
    <arg type="u" direction="in"/><arg type="s" direction="in"/>
    <arg type="(bba{ss})" direction="out"/>
  </method>
  <method name="CancelCheckAuthorization"><arg type="s" direction="in"/></method>
</interface></node>"""


@dataclass
class Question:
    """One CheckAuthorization."""

    subject: tuple[str, dict[str, Any]]
    action: str
    details: dict[str, str]
    interactive: bool
    cancel_id: str
    invocation: Gio.DBusMethodInvocation

    def answer(self, authorized: bool, challenge: bool = False) -> None:
        reply = GLib.Variant("((bba{ss}))", ((authorized, challenge, {}),))
        self.invocation.return_value(reply)

    def fail(self, name: str, message: str) -> None:
        self.invocation.return_dbus_error(name, message)


class FakePolkit:
    """Owns polkit's name. Each question is answered by `answer`, or kept when that is None."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.questions: list[Question] = []
        self.cancelled: list[str] = []
        self.answer: tuple[bool, bool] | str | None = None
        self.connection = bus.connect()
        interface = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
        self.connection.register_object(PATH, interface, self._on_call, None, None)
        request = GLib.Variant("(su)", (NAME, 0))
        assert bus.call_async(*DBUS, "RequestName", request, self.connection).wait() == 1

    def _on_call(
        self,
        _connection: Gio.DBusConnection,
        _sender: str,
        _path: str,
        _interface: str,
        method: str,
        args: GLib.Variant,
        invocation: Gio.DBusMethodInvocation,
    ) -> None:
        values = args.unpack()
        if method == "CancelCheckAuthorization":
            self.cancelled.append(values[0])
            invocation.return_value(None)
            return
        subject, action, details, flags, cancel_id = values
        question = Question(subject, action, details, bool(flags & 1), cancel_id, invocation)
        self.questions.append(question)
        if isinstance(self.answer, str):
            question.fail(self.answer, "a test")
        elif self.answer is not None:
            question.answer(*self.answer)

    def wait_question(self, count: int = 1) -> Question:
        wait_for(lambda: len(self.questions) >= count, what=f"{count} questions to polkit")
        return self.questions[-1]

    def synchronize(self) -> None:
        """What was answered is before all that anybody sends from now on."""
        self.bus.call_async(*DBUS, "GetId", connection=self.connection).wait()

    def close(self) -> None:
        self.connection.close(None, None)
