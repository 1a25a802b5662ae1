# SPDX-License-Identifier: LGPL-2.1-or-later
"""Class Core2."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ._client import CORE2, Client, Core2Error, GLib, get_client, logger
from ._discovery import get_path, search
from ._info import Info, fill

KEY_SIZE = 16

StepsCallback = Callable[[int], object]
OrientationCallback = Callable[[tuple[int, int]], object]


def _parse_key(key: bytes | bytearray | str | None) -> bytes | None:
    """A key as bytes, whether it was given as 16 bytes or as 32 hexadecimal digits."""
    if key is None:
        return None
    key = bytes.fromhex(key) if isinstance(key, str) else bytes(key)
    if len(key) != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes, this has {len(key)}")
    return key


class Core2(Info):
    """One Amazfit Smart Chip 2.

    Every property asks the chip when it is used. Every method and property raises RuntimeError when
    it fails (no core2d, no Bluetooth, a chip that sleeps, a refusal by polkit), unless it says
    otherwise.
    """

    @classmethod
    def find(cls, timeout: float = 5) -> Core2 | None:
        """The first chip that is found within timeout seconds, or None."""
        chips = cls._search(timeout, first_only=True)
        return chips[0] if chips else None

    @classmethod
    def find_all(cls, timeout: float = 5) -> list[Core2]:
        """All chips that are found within timeout seconds; takes all that time."""
        return cls._search(timeout, first_only=False)

    @classmethod
    def _search(cls, timeout: float, first_only: bool) -> list[Core2]:
        found = search(get_client(), timeout, first_only)
        return [cls(chip["Address"], chip["Name"]) for chip in found]

    def __init__(self, address: str, name: str = "", key: bytes | str | None = None) -> None:
        """Nothing is sent before connect().

        address: Bluetooth address as aa:bb:cc:dd:ee:ff, in upper or lower case.
        name: a name to show until read_info() has the chip's own.
        key: the key that pair() gives to the chip, 16 bytes or 32 hexadecimal digits; None: a
        random one. Raises ValueError for one of another length.
        """
        self.address = address
        self.name = name
        self._wanted_key = _parse_key(key)
        self._client: Client | None = None
        self._path = ""
        self._lock = threading.Lock()
        self._on_steps: StepsCallback | None = None
        self._on_orientation: OrientationCallback | None = None
        self._last_steps: int | None = None
        self._subscribed: set[str] = set()

    def __repr__(self) -> str:
        return f"Core2({self.address!r}, {self.name!r})"

    def _get_client(self) -> Client:
        if self._client is None:
            raise Core2Error(f"{self.address} is not connected: call connect() first")
        return self._client

    def _call(self, method: str, args: GLib.Variant | None = None) -> Any:
        return self._get_client().call(self._path, CORE2, method, args)

    # Connection and pairing

    def connect(self) -> None:
        """Return when the chip is connected; raise RuntimeError when it is not within a minute.

        A chip sleeps most of the time: shake it. core2d keeps the connection.
        """
        client = get_client()
        path = get_path(client, self.address)
        client.call(path, CORE2, "Connect", GLib.Variant("(a{sv})", ({},)))
        self._path = path
        if client is not self._client:
            self._client = client
            client.on_daemon_start(self._daemon_started)
            self._subscribe_again()

    def _daemon_started(self) -> None:
        """core2d was restarted, and may know nothing of what this program wants."""
        client = self._get_client()
        try:
            path = get_path(client, self.address)
        except Core2Error as error:
            logger.error("%s: core2d has started again: %s", self.address, error)
        else:
            # Not waited for: core2d goes on trying.
            client.send(path, CORE2, "Connect", GLib.Variant("(a{sv})", ({},)))

    def pair(self) -> None:
        """Give the chip a key: the constructor's, else a random one that core2d makes.

        The chip blinks its red LED and must be shaken within 30 s. Its step counter starts again
        from zero. Raises RuntimeError when it was not shaken or refuses.
        """
        options = {}
        if self._wanted_key is not None:
            options["key"] = GLib.Variant("ay", self._wanted_key)
        try:
            self._call("Pair", GLib.Variant("(a{sv})", (options,)))
        except KeyboardInterrupt:
            with suppress(Core2Error):
                self._call("CancelPairing")
            raise

    def _stored_key(self) -> bytes | None:
        try:
            return bytes(self._call("GetKey"))
        except Core2Error as error:
            if error.reason == "NotPaired":
                return None
            raise

    @property
    def key(self) -> bytes | None:
        """The 16 bytes of the pairing key: the constructor's, else the one that core2d stores.

        None when there is neither. core2d shows its key to administrators only.
        """
        if self._wanted_key is not None or self._client is None:
            return self._wanted_key
        return self._stored_key()

    # Values

    def read_info(self) -> None:
        """Read all static information, into name and the attributes of Info."""
        values = self._call("ReadInfo")
        self.name = values.get("Name", self.name)
        fill(self, values)

    @property
    def battery(self) -> int | None:
        """Battery level in percent. None, and an error in the log, when the chip tells none.

        Its firmware is known to answer with an empty value.
        """
        try:
            percentage: int = self._call("ReadBattery")[0]
        except Core2Error as error:
            if error.reason not in ("NoData", "NotSupported"):
                raise
            logger.error("%s: no battery level: %s", self.address, error)
            return None
        return percentage

    @property
    def current_time(self) -> str:
        """The chip's clock, ISO 8601; empty when it shows no date that exists."""
        text: str = self._call("ReadTime")[0]
        return text

    @property
    def orientation(self) -> tuple[int, int]:
        """Two raw numbers, one for each axis, whose meaning is not known. Takes seconds."""
        x, y, _time = self._call("ReadOrientation")
        return x, y

    @property
    def steps(self) -> int:
        """The chip's step counter, which starts again at zero at midnight and after pairing."""
        steps: int = self._call("ReadSteps")[0]
        return steps

    # Callbacks

    def on_steps(self, cb: StepsCallback | None) -> None:
        """Call cb(steps) whenever the step counter has changed, instead of an earlier callback.

        None ends it.
        """
        if self._last_steps is None:
            self._last_steps = self._known_steps()
        self._on_steps = cb
        self._subscribe("StepsChanged")

    def on_orientation(self, cb: OrientationCallback | None) -> None:
        """Call cb(axis) with a pair as of orientation whenever one arrives. None ends it.

        The chip sends one only when it is asked: see fire_orientation_read().
        """
        self._on_orientation = cb
        self._subscribe("OrientationChanged")

    def fire_orientation_read(self) -> None:
        """Ask for an orientation, which comes to the callback of on_orientation().

        Does not wait for it. Requests that follow too fast are merged by core2d.
        """
        self._call("FireOrientationRead")

    def _subscribe(self, signal: str) -> None:
        client = self._get_client()
        with self._lock:
            if signal in self._subscribed:
                return
            handlers = {
                "StepsChanged": self._steps_changed,
                "OrientationChanged": self._orientation_changed,
            }
            client.subscribe(self._path, CORE2, signal, handlers[signal])
            self._subscribed.add(signal)

    def _subscribe_again(self) -> None:
        """After connect() on a new connection to the bus."""
        with self._lock:
            wanted, self._subscribed = self._subscribed, set()
        for signal in wanted:
            self._subscribe(signal)

    def _known_steps(self) -> int | None:
        """The counter as core2d knows it already, None before the first sample."""
        client = self._get_client()
        properties = client.call(
            self._path,
            "org.freedesktop.DBus.Properties",
            "GetAll",
            GLib.Variant("(s)", (CORE2,)),
        )
        return properties["Steps"] if properties["StepsUpdated"] else None

    def _steps_changed(self, steps: int, _delta: int, _time: int) -> None:
        """core2d tells every sample, also an equal one."""
        if steps == self._last_steps:
            return
        self._last_steps = steps
        if self._client is not None and self._on_steps is not None:
            self._client.run_callback(self._on_steps, steps)

    def _orientation_changed(self, x: int, y: int, _time: int) -> None:
        if self._client is not None and self._on_orientation is not None:
            self._client.run_callback(self._on_orientation, (x, y))

    def wait_until_break(self) -> None:
        """Block the calling thread until KeyboardInterrupt (Ctrl+C); callbacks go on meanwhile."""
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
