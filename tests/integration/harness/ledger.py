# SPDX-License-Identifier: LGPL-2.1-or-later
"""What chips walked against what core2d published of it.

A Ledger follows every signal of core2d. settle() holds the one invariant that all tests of faults share: the
chips come back by themselves, each published total equals the steps walked, the signals add up to the same, nothing
was told twice, and whenever a chip was not ready its StatusText said why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gi.repository import Gio, GLib

from .bus import PROPERTIES
from .loop import TIMEOUT, wait_for
from .programs import CORE2, Core2d, chip_path
from .remote import Remote

PEER = "org.freedesktop.DBus.Peer"


class Account:
    """What core2d published of one chip."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = dict(values)
        self.summed = 0
        self.begin = values["StepsTotal"]
        #: Every (State, StatusText) there was, one after another.
        self.history: list[tuple[str, str]] = [self.now]

    @property
    def now(self) -> tuple[str, str]:
        return self.values["State"], self.values["StatusText"]

    def take(self, changed: dict[str, Any]) -> str | None:
        """Apply a PropertiesChanged; the complaint about it, if there is one."""
        total = changed.get("StepsTotal", self.values["StepsTotal"])
        before = self.values["StepsTotal"]
        self.values |= changed
        if self.now != self.history[-1]:
            self.history.append(self.now)
        state, text = self.now
        if "StepsTotal" in changed and total <= before:
            return f"StepsTotal was {before} and then {total}"
        if not text:
            return f"no StatusText in state {state}"
        if self.values["Connected"] != (state == "ready"):
            return f"Connected is {self.values['Connected']} in state {state}"
        if state != "ready" and (text == "connected" or text.startswith("connected;")):
            return f"StatusText of state {state} is {text!r}"
        return None


class Ledger:
    """The accounts of chips 0, 1, … of a daemon; hands are their virtual chips."""

    def __init__(self, daemon: Core2d, hands: Sequence[Remote]) -> None:
        self.daemon = daemon
        self.hands = list(hands)
        self.paths = [chip_path(index) for index in range(len(hands))]
        self.accounts: dict[str, Account] = {}
        self.complaints: list[str] = []
        self._walked: dict[str, int] = {}
        #: After a SIGKILL steps that were signalled, but not yet saved, are signalled again.
        self.signals_add_up = True
        daemon.bus.connection.signal_subscribe(
            CORE2, None, None, None, None, Gio.DBusSignalFlags.NONE, self._on_signal
        )
        self.open()
        for path, hand in zip(self.paths, self.hands, strict=True):
            self._walked[path] = hand.get("StepsWalked") - self.accounts[path].begin

    def open(self) -> None:
        """Begin with what core2d shows now: at first, and after each start of it."""
        self.daemon.bus.synchronize()
        self.daemon.objects(self._begin)

    def _begin(self, objects: dict[str, dict[str, dict[str, Any]]]) -> None:
        self.accounts = {path: Account(objects[path][CORE2]) for path in self.paths}

    def _on_signal(
        self, _connection, _sender, path: str, interface: str, member: str, args: GLib.Variant
    ) -> None:
        account = self.accounts.get(path)
        if account is None:
            return
        if (interface, member) == (CORE2, "StepsChanged"):
            account.summed += args.unpack()[1]
        elif (interface, member) == (PROPERTIES, "PropertiesChanged"):
            of, changed, _invalidated = args.unpack()
            complaint = account.take(changed) if of == CORE2 else None
            if complaint:
                self.complaints.append(f"{path}: {complaint}")

    def __getitem__(self, index: int) -> Account:
        return self.accounts[self.paths[index]]

    def ping(self) -> int:
        """core2d answers; the microseconds that it took, to be shown."""
        begin = GLib.get_monotonic_time()
        self.daemon.bus.call(CORE2, "/", PEER, "Ping")
        return GLib.get_monotonic_time() - begin

    def mark(self) -> list[int]:
        """What has been published up to now, for who waits for what will not stay."""
        return [len(self[index].history) for index in range(len(self.paths))]

    def _told(self, index: int, since: list[int] | None) -> list[tuple[str, str]]:
        """State and StatusText of a chip: now, or all that there were since a mark."""
        account = self[index]
        return [account.now] if since is None else account.history[since[index] :]

    def wait_states(
        self,
        *states: str,
        indexes: Iterable[int] | None = None,
        timeout: float = TIMEOUT,
        since: list[int] | None = None,
    ) -> None:
        """All chips, or those of indexes, are in one of the states; since a mark: have come to one of them."""
        which = range(len(self.paths)) if indexes is None else list(indexes)

        def reached() -> bool:
            return all(
                any(state in states for state, _ in self._told(index, since)) for index in which
            )

        try:
            wait_for(reached, timeout, f"states {states}")
        except AssertionError as error:
            others = {i: self[i].history[-6:] for i in which}
            raise AssertionError(f"{error}\n{others}") from error

    def wait_text(
        self, part: str, timeout: float = TIMEOUT, since: list[int] | None = None
    ) -> None:
        """StatusText of each chip says this; since a mark: has come to say it."""

        def said() -> bool:
            return all(
                any(part in text for _, text in self._told(index, since))
                for index in range(len(self.paths))
            )

        try:
            wait_for(said, timeout, f"StatusText {part!r}")
        except AssertionError as error:
            texts = {account.now for account in self.accounts.values()}
            raise AssertionError(f"{error}\nStatusTexts are {texts}") from error

    def truth(self, index: int) -> int:
        """What StepsTotal must come to."""
        return self.hands[index].get("StepsWalked") - self._walked[self.paths[index]]

    def walk(self, steps: int = 3) -> None:
        """Every chip makes steps, each another number; core2d need not hear of it now."""
        calls = [
            hand.call_async("Step", steps + index % 7) for index, hand in enumerate(self.hands)
        ]
        for call in calls:
            call.wait()

    def settle(self, timeout: float = 2 * TIMEOUT) -> None:
        """The invariant. It walks some more first, so that no chip can pass without having counted."""
        self.wait_states("ready", timeout=timeout)
        self.walk()
        wanted = {path: self.truth(index) for index, path in enumerate(self.paths)}

        def counted() -> bool:
            return all(
                account.values["StepsTotal"] == wanted[path] and account.now[0] == "ready"
                for path, account in self.accounts.items()
            )

        try:
            wait_for(counted, timeout, "all steps")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._differences(wanted)}") from error
        self._nothing_counts_again(wanted)
        assert not self.complaints, "\n".join(self.complaints)

    def _differences(self, wanted: dict[str, int]) -> str:
        lines = [
            f"{path}: walked {wanted[path]}, published {account.values['StepsTotal']}, "
            f"signalled {account.summed}, {account.history[-6:]}"
            for path, account in self.accounts.items()
            if account.values["StepsTotal"] != wanted[path] or account.now[0] != "ready"
        ]
        return "\n".join(lines)

    def _shows_what_it_signalled(self) -> bool:
        objects = self.daemon.objects()
        return all(
            objects[path][CORE2][name] == account.values[name]
            for path, account in self.accounts.items()
            for name in ("StepsTotal", "State", "StatusText")
        )

    def _nothing_counts_again(self, wanted: dict[str, int]) -> None:
        """One more sample of each chip, and the properties as they are read, change nothing."""
        remotes = [self.daemon.chip(path) for path in self.paths[:8]]
        reads = [remote.call_async("ReadSteps") for remote in remotes]
        counters = [read.wait()[0] for read in reads]
        assert counters == [hand.get("Counter") for hand in self.hands[:8]]
        # Signals of merged samples come a moment later.
        if self.signals_add_up:
            wait_for(
                lambda: all(a.summed >= wanted[p] - a.begin for p, a in self.accounts.items()),
                what="StepsChanged of all steps",
            )
        # core2d signals changes when it has done what it is at: a reply may know more than the signals before it.
        wait_for(self._shows_what_it_signalled, what="properties as they were signalled")
        for path, account in self.accounts.items():
            assert account.values["StepsTotal"] == wanted[path], path
            if self.signals_add_up:
                assert account.summed == wanted[path] - account.begin, path
