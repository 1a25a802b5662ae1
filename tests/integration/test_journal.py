# SPDX-License-Identifier: LGPL-2.1-or-later
"""What journald gets: the fields of each line."""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bluez_world import World
from gi.repository import GLib
from harness import CORE2, STANDING, Bus, Core2d, VirtualBluez, VirtualChips, chip_address, wait_for
from harness.bus import PROPERTIES
from test_polkitd import may_mount

ERROR = "org.example.Core2.Error."
READY, LOST = "f497ab44b1da4b658d42bb33884c5150", "2f444bf7819a48c7bdec48cc0e04dc5a"

pytestmark = pytest.mark.skipif(not may_mount(), reason="only root can show core2d another journal")

#: In a mount namespace of its own /run has a journal of ours, and nothing else. $0 is its folder.
ENTER = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal &&
exec "$@"
"""


class Journal:
    """Keeps what is sent to it in journald's own protocol."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entries: list[dict[str, str]] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "socket"))
        self.source = GLib.unix_fd_add_full(
            GLib.PRIORITY_DEFAULT, self.socket.fileno(), GLib.IOCondition.IN, self._on_entry
        )

    def _on_entry(self, _fd: int, _condition: GLib.IOCondition) -> bool:
        # No value of core2d's has a line break, for which the protocol has another form.
        lines = self.socket.recv(65536).decode().splitlines()
        self.entries.append(dict(line.split("=", 1) for line in lines))
        return GLib.SOURCE_CONTINUE

    def wait(self, **fields: str) -> dict[str, str]:
        """The first entry with these fields."""

        def find() -> dict[str, str] | None:
            return next((entry for entry in self.entries if fields.items() <= entry.items()), None)

        return wait_for(find, what=f"a line with {fields}")

    def close(self) -> None:
        GLib.source_remove(self.source)
        self.socket.close()


class JournallingCore2d(Core2d):
    def __init__(self, bus: Bus, state_directory: Path, journal: Journal, *args: str) -> None:
        enter = ("unshare", "--mount", "sh", "-c", ENTER, str(journal.folder))
        self.wrapper = (*enter, *Core2d.wrapper)
        super().__init__(bus, state_directory, *args)
        target = GLib.Variant("s", "journal")
        args = GLib.Variant("(ssv)", ("org.freedesktop.LogControl1", "LogTarget", target))
        bus.call(CORE2, "/org/freedesktop/LogControl1", PROPERTIES, "Set", args)


@pytest.fixture
def journal() -> Iterator[Journal]:
    with tempfile.TemporaryDirectory(prefix="core2-journal-") as folder:
        journal = Journal(Path(folder))
        yield journal
        journal.close()


def test_fields(
    bus: Bus,
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    journal: Journal,
    tmp_path: Path,
) -> None:
    """Which chip, which part of core2d, its state, what went wrong by name, and which event it is."""
    configuration = tmp_path / "core2d.conf"
    configuration.write_text("")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    daemon = JournallingCore2d(bus, state, journal, f"--config={configuration}")
    world = World(virtual_bluez(), virtual_chip("hci1", args=STANDING), daemon)
    before = daemon.stderr
    world.connect()
    chip = {"CORE2_CHIP": chip_address(), "CORE2_TOPIC": "link", "SYSLOG_IDENTIFIER": "core2d"}
    ready = journal.wait(MESSAGE_ID=READY)
    assert ready.items() >= (chip | {"CORE2_STATE": "ready", "PRIORITY": "6", "MESSAGE": "connected"}).items()
    assert "CORE2_ERROR" not in ready and ready["CODE_FILE"].endswith("core2-chip-connection.c")

    world.lose_link()
    lost = journal.wait(MESSAGE_ID=LOST)
    gone = {"CORE2_STATE": "waiting", "CORE2_ERROR": ERROR + "NotConnected"}
    assert lost.items() >= (chip | gone).items()
    world.ready_again()

    configuration.write_text("[Days]\nDayStart=25:00\n")
    daemon.process.send_signal(signal.SIGHUP)
    refused = journal.wait(CORE2_TOPIC="config", PRIORITY="4")
    assert refused["CORE2_ERROR"] == ERROR + "InvalidArguments" and "CORE2_CHIP" not in refused
    # All of it went there.
    assert daemon.stderr == before
