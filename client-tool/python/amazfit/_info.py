# SPDX-License-Identifier: LGPL-2.1-or-later
"""The static information of a chip: how core2d calls each field and what the library calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Info:
    """What `Core2.read_info` fills in. None until then, and for what the chip does not tell."""

    #: Bluetooth SIG category number of the device.
    appearance: int | None = None
    #: Whether the chip's privacy is enabled.
    privacy_flag: bool | None = None
    #: Preferred shortest connection interval, in units of 1.25 ms.
    min_connection_int: int | None = None
    #: Preferred longest connection interval, in units of 1.25 ms.
    max_connection_int: int | None = None
    #: Preferred peripheral latency, in connection events.
    slave_latency: int | None = None
    #: Preferred supervision time-out, in units of 10 ms.
    timeout_mult: int | None = None
    #: First handle of the changed range.
    service_changed_start: int | None = None
    #: Last handle of the changed range.
    service_changed_end: int | None = None
    #: The 8 bytes as sent: 40-bit manufacturer identifier, 24-bit OUI, each lowest byte first.
    system_id: bytes | None = None
    serial_number: str | None = None
    hardware_rev: str | None = None
    software_rev: str | None = None
    #: Who assigned vendor_id: 1 Bluetooth SIG, 2 USB Implementers Forum.
    vendor_src: int | None = None
    vendor_id: int | None = None
    product_id: int | None = None
    #: Binary-coded decimal by convention.
    product_ver: int | None = None


#: Property of org.example.Core2.Info: attribute of Info, and the type that it has in Python.
FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "Appearance": ("appearance", int),
    "PrivacyFlag": ("privacy_flag", bool),
    "MinConnectionInterval": ("min_connection_int", int),
    "MaxConnectionInterval": ("max_connection_int", int),
    "SlaveLatency": ("slave_latency", int),
    "TimeoutMultiplier": ("timeout_mult", int),
    "ServiceChangedStart": ("service_changed_start", int),
    "ServiceChangedEnd": ("service_changed_end", int),
    "SystemId": ("system_id", bytes),
    "SerialNumber": ("serial_number", str),
    "HardwareRevision": ("hardware_rev", str),
    "SoftwareRevision": ("software_rev", str),
    "VendorSource": ("vendor_src", int),
    "VendorId": ("vendor_id", int),
    "ProductId": ("product_id", int),
    "ProductVersion": ("product_ver", int),
}


def fill(target: Info, values: dict[str, Any]) -> None:
    """Set every attribute from the reply of ReadInfo; what is not in it becomes None."""
    for name, (attribute, convert) in FIELDS.items():
        value = values.get(name)
        setattr(target, attribute, None if value is None else convert(value))
