# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks share."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "integration"))

from harness.real import RealBluez, SystemBus  # noqa: E402
from service import Chips, Service  # noqa: E402


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
