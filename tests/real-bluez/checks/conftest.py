# SPDX-License-Identifier: LGPL-2.1-or-later
"""One line a check, as it ends; and what the checks share."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from harness.real import RealBluez, SystemBus  # noqa: E402
from service import Chips, Service  # noqa: E402


def pytest_report_teststatus(report):
    """No letters: each check has its own line instead."""
    if report.when == "call":
        return report.outcome, "", ""
    return "error" if report.failed else "skipped" if report.skipped else "", "", ""


class Lines:
    """Prints the lines, as the Test Anything Protocol has them."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.count = 0

    def pytest_collection_finish(self, session):
        self.terminal.write_line(f"1..{len(session.items)}")

    def pytest_runtest_logreport(self, report):
        ended = report.when == "call" or (report.when == "setup" and not report.passed)
        if not ended and not (report.when == "teardown" and report.failed):
            return
        self.count += ended
        word = "not ok" if report.failed else "ok"
        note = " # SKIP" if report.skipped else ""
        name = report.nodeid.split("/")[-1]
        measured = "".join(f", {key} {value}" for key, value in report.user_properties)
        self.terminal.write_line(f"{word} {self.count} - {name} ({report.duration:.1f} s{measured}){note}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    config.pluginmanager.register(Lines(terminal), "real-bluez-lines")


@pytest.fixture
def bus(tmp_path):
    """A connection to the system bus of its own for each check, and the programs that it starts."""
    connection = SystemBus(tmp_path)
    yield connection
    connection.close()


@pytest.fixture
def bluez(bus):
    """bluetoothd with all adapters on, and no device known."""
    return RealBluez(bus)


@pytest.fixture
def build_directory():
    return Path(os.environ["CORE2_BUILD_DIR"])


@pytest.fixture
def core2(bus, bluez):
    """core2d.service, freshly started, with an empty state directory and a bluetoothd that knows no device."""
    service = Service(bus)
    yield service
    service.stop()


@pytest.fixture
def chips(bus, bluez):
    """Makes chips: chips() on hci1, chips("hci1", "hci2")."""
    made = []

    def make(*adapters, args=()):
        made.append(Chips(bus, *adapters, args=args))
        return made[-1]

    yield make
    for chip in made:
        if chip.running:
            chip.stop()
