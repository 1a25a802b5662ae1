# SPDX-License-Identifier: LGPL-2.1-or-later
"""An interface of a remote object, called with the types that its XML gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from gi.repository import Gio, GLib

from .bus import PROPERTIES, Bus, Pending, SignalLog
from .loop import TIMEOUT, wait_for

SOURCE = Path(__file__).resolve().parents[3]


@cache
def contract() -> dict[str, Gio.DBusInterfaceInfo]:
    """Every interface that XML in the source tree describes, by name."""
    found: dict[str, Gio.DBusInterfaceInfo] = {}
    for folder in ("dbus-interfaces", "tests/virtual-bluez", "tests/virtual-chip"):
        for file in sorted((SOURCE / folder).glob("*.xml")):
            node = Gio.DBusNodeInfo.new_for_xml(file.read_text())
            found |= {interface.name: interface for interface in node.interfaces}
    return found


class Remote:
    """One interface of one object. Property values are followed by their change signals from the start."""

    def __init__(self, bus: Bus, name: str, path: str, interface: str) -> None:
        self.bus = bus
        self.name = name
        self.path = path
        self.interface = interface
        self.info = contract()[interface]
        self.changes = bus.signals(name, path, PROPERTIES, "PropertiesChanged")

    def __repr__(self) -> str:
        return f"{self.interface} of {self.path}"

    def call_async(
        self, method: str, *args: Any, connection: Gio.DBusConnection | None = None
    ) -> Pending:
        """Call without waiting; the values of a{sv} must be GLib.Variant."""
        info = self.info.lookup_method(method)
        assert info is not None, f"{self.interface} has no method {method}"
        signature = "(" + "".join(arg.signature for arg in info.in_args) + ")"
        return self.bus.call_async(
            self.name, self.path, self.interface, method, GLib.Variant(signature, args), connection
        )

    def call(self, method: str, *args: Any, timeout: float = TIMEOUT) -> Any:
        """Call and wait: nothing, one value, or a tuple of values. Raises BusError."""
        return self.call_async(method, *args).wait(timeout)

    def get(self, name: str) -> Any:
        """The value of a property now."""
        args = GLib.Variant("(ss)", (self.interface, name))
        return self.bus.call(self.name, self.path, PROPERTIES, "Get", args)

    def get_all(self) -> dict[str, Any]:
        args = GLib.Variant("(s)", (self.interface,))
        return self.bus.call(self.name, self.path, PROPERTIES, "GetAll", args)

    def set(self, name: str, value: Any) -> None:
        info = self.info.lookup_property(name)
        assert info is not None, f"{self.interface} has no property {name}"
        variant = GLib.Variant(info.signature, value)
        args = GLib.Variant("(ssv)", (self.interface, name, variant))
        self.bus.call(self.name, self.path, PROPERTIES, "Set", args)

    def announced(self, name: str, since: int = 0) -> list[Any]:
        """The values that PropertiesChanged gave this property, from the beginning or since len(changes) was that."""
        return [
            args[1][name]
            for args in self.changes.args[since:]
            if args[0] == self.interface and name in args[1]
        ]

    def wait_property(
        self, name: str, wanted: Any | Callable[[Any], bool], timeout: float = TIMEOUT
    ) -> Any:
        """Wait until a property is wanted (a value or a predicate), told by PropertiesChanged."""
        info = self.info.lookup_property(name)
        assert info is not None, f"{self.interface} has no property {name}"
        fits = wanted if callable(wanted) else lambda value: value == wanted
        seen = len(self.announced(name))
        first = self.get(name)
        if fits(first):
            return first
        values: list[Any] = [first]

        def changed() -> bool:
            values[1:] = self.announced(name)[seen:]
            return any(fits(value) for value in values)

        try:
            wait_for(changed, timeout, f"{name} of {self.path}")
        except AssertionError as error:
            shown = f"{name} of {self} was {values[-8:]}; now {self.get_all()}"
            raise AssertionError(f"{error}\n{shown}") from error
        return next(value for value in values if fits(value))

    def wait_change(
        self, name: str, wanted: Any | Callable[[Any], bool], since: int, timeout: float = TIMEOUT
    ) -> Any:
        """Wait until PropertiesChanged has told a value that is wanted, though it may be over again.

        since: len(changes) before what it is to come from. wait_property() may find the value of before then, or
        look when the wanted one has gone.
        """
        assert self.info.lookup_property(name) is not None
        fits = wanted if callable(wanted) else lambda value: value == wanted

        def told() -> list[Any]:
            return [value for value in self.announced(name, since) if fits(value)]

        try:
            return wait_for(told, timeout, f"a change of {name} of {self.path}")[0]
        except AssertionError as error:
            shown = f"{name} of {self} became {self.announced(name, since)}; now {self.get_all()}"
            raise AssertionError(f"{error}\n{shown}") from error

    def signals(self, member: str) -> SignalLog:
        """Record a signal of this interface from now on."""
        assert self.info.lookup_signal(member) is not None
        return self.bus.signals(self.name, self.path, self.interface, member)
