# SPDX-License-Identifier: LGPL-2.1-or-later
"""What core2d shows on the bus is what dbus-interfaces/ documents, member by member."""

from __future__ import annotations

from collections.abc import Callable

from conftest import both_buses
from gi.repository import Gio
from harness import CORE2, CORE2_PATH, Bus, Core2d, VirtualBluez, VirtualChips, chip_path, contract

#: Interfaces that every D-Bus object may have and that the XML of a service does not repeat.
STANDARD = {
    "org.freedesktop.DBus.Introspectable",
    "org.freedesktop.DBus.ObjectManager",
    "org.freedesktop.DBus.Peer",
    "org.freedesktop.DBus.Properties",
}

EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def _args(args: list[Gio.DBusArgInfo]) -> list[str]:
    return [f"{arg.signature} {arg.name}" for arg in args]


def _emits(annotations: list[Gio.DBusAnnotationInfo] | None) -> str:
    return next((note.value for note in annotations or [] if note.key == EMITS), "true")


def members(interface: Gio.DBusInterfaceInfo) -> dict[str, object]:
    """All that a caller can rely on, in a form that shows differences well."""
    found: dict[str, object] = {}
    for method in interface.methods:
        found[f"method {method.name}"] = (_args(method.in_args), _args(method.out_args))
    for signal in interface.signals:
        found[f"signal {signal.name}"] = _args(signal.args)
    default = _emits(interface.annotations)
    for info in interface.properties:
        own = [note for note in info.annotations or [] if note.key == EMITS]
        emits = _emits(own) if own else default
        access = (bool(info.flags & 1), bool(info.flags & 2))
        found[f"property {info.name}"] = (info.signature, access, emits)
    return found


def live_paths(bus: Bus, path: str = "/") -> list[str]:
    """Every object that introspection leads to."""
    node = bus.introspect(CORE2, path)
    children = [f"{path.rstrip('/')}/{child.path}" for child in node.nodes]
    return [path, *(found for child in children for found in live_paths(bus, child))]


@both_buses
def test_live_objects_are_as_documented(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    virtual_bluez()
    virtual_chip("hci1", "hci2")
    daemon = core2d()
    daemon.add(0)
    daemon.add(1)

    ours = {name: info for name, info in contract().items() if name.startswith(CORE2)}
    seen: dict[str, set[str]] = {}
    for path in live_paths(bus):
        for interface in bus.introspect(CORE2, path).interfaces:
            seen.setdefault(path, set()).add(interface.name)
            if interface.name in STANDARD or not path.startswith(CORE2_PATH):
                continue
            assert interface.name in ours, f"{interface.name} on {path} is not documented"
            assert members(interface) == members(ours[interface.name]), path

    chip_interfaces = {name for name in ours if not name.endswith(".Manager")}
    for index in (0, 1):
        assert seen[chip_path(index)] - STANDARD == chip_interfaces
    assert seen[f"{CORE2_PATH}/Manager"] - STANDARD == {f"{CORE2}.Manager"}
    assert "org.freedesktop.DBus.ObjectManager" in seen[CORE2_PATH]


def test_properties_have_the_documented_types(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> None:
    """GetManagedObjects tells each documented property, and no other."""
    virtual_bluez()
    virtual_chip("hci1")
    daemon = core2d()
    daemon.add(0)

    objects = daemon.objects()
    assert set(objects) == {f"{CORE2_PATH}/Manager", chip_path(0)}
    for interfaces in objects.values():
        for name, values in interfaces.items():
            if name not in STANDARD:
                assert set(values) == {info.name for info in contract()[name].properties}
