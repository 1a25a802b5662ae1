# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole set-up for tests of faults: virtual BlueZ, chips that stand still, core2d connected to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .bus import Bus
from .faults import STANDING, BluezFaults, variant
from .ledger import Ledger
from .loop import TIMEOUT, wait_for
from .programs import Core2d, VirtualBluez, VirtualChips
from .remote import Remote

class Stage(BluezFaults):
    """N chips, remembered and ready, and the ledger of their steps.

    daemon_options: config=text of core2d.conf, env, state_directory.
    """

    def __init__(
        self,
        start: tuple[Callable[..., VirtualBluez], Callable[..., VirtualChips], Callable[..., Core2d]],
        directory: Path,
        count: int = 1,
        bluez: tuple[str, ...] = (),
        chips: tuple[str, ...] = (),
        config: str = "",
        **daemon_options: Any,
    ) -> None:
        start_bluez, start_chips, start_core2d = start
        args = []
        if config:
            path = directory / "core2d.conf"
            path.write_text(config)
            args = ["--config", str(path)]
        centrals = 2 if "--centrals=2" in bluez else 1
        self.count = count
        self.bluez = start_bluez(f"--peripherals={max(count, 2)}", *bluez)
        adapters = [f"hci{centrals + index}" for index in range(count)]
        self.chips = start_chips(*adapters, args=[*STANDING, *chips])
        self.hands = [self.chips[index] for index in range(count)]
        self.daemon = start_core2d(*args, **daemon_options)
        for index in range(count):
            self.daemon.add(index, ready=False)
        self.wait_counting()
        for index in range(min(count, 8)):
            self.daemon.wait_idle(self.daemon.chip(index))
        self.ledger = Ledger(self.daemon, self.hands)

    @property
    def bus(self) -> Bus:
        return self.daemon.bus

    @property
    def chip(self) -> Remote:
        """The first chip."""
        return self.daemon.chip(0)

    def wait_counting(self) -> None:
        """Every chip is ready and has been read: each step from now on counts."""

        def counting() -> bool:
            chips = [v["org.example.Core2"] for p, v in self.daemon.objects().items() if "/chip/" in p]
            return len(chips) >= self.count and all(
                chip["State"] == "ready" and chip["StepsUpdated"] > 0 for chip in chips
            )

        wait_for(counting, 2 * TIMEOUT, "all chips ready and read")

    # --- virtual BlueZ ---

    def clear(self) -> None:
        self.control("ClearFaults")

    def wait_call(self, method: str, before: int) -> None:
        wait_for(lambda: self.count_calls(method) > before, what=f"a call of {method}")

    def call_times(self, method: str, path: str = "/") -> list[int]:
        """When method was called on path and below: microseconds, since ClearCalls."""
        prefix = path.rstrip("/") + "/"
        return [
            time
            for time, _sender, where, what in self.control("CallLog")
            if what == method and (where + "/").startswith(prefix)
        ]

    @property
    def links(self) -> list[str]:
        return [central for central, _ in self.control("Links")]

    # --- chips ---

    def quirk(self, index: int = 0, **values: Any) -> None:
        """SetQuirk of a chip, its name with _ for -."""
        for name, value in values.items():
            self.hands[index].call("SetQuirk", name.replace("_", "-"), variant(value))

    def drop_links(self) -> None:
        """All chips lose their links, as if they had gone for a moment."""
        before = self.ledger.mark()
        self.drop_links_unseen()
        self.ledger.wait_states("waiting", "connecting", "resolving", since=before)

    def drop_links_unseen(self) -> None:
        """As drop_links, but core2d need not see it."""
        for call in [hand.call_async("DropLink") for hand in self.hands]:
            call.wait()

    # --- core2d ---

    def start_core2d(self) -> None:
        """Start core2d again, and begin new accounts."""
        self.ledger.accounts.clear()
        self.daemon.start()
        self.ledger.open()
