# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d's Debian package on a running system: what its maintainer scripts make of the service."""

from pathlib import Path

import pytest
from gi.repository import GLib
from harness import CORE2
from harness.real import systemctl
from service import STATE, UNIT, nothing_installed, shell
from test_chip import walk

PACKAGE = "core2d"


def dpkg(*args):
    # The triggers would read all manuals of the computer in emulation.
    return shell("dpkg", "--no-triggers", *args)


@pytest.fixture
def package(core2):
    """The package's file; the machine has no core2d when it comes, and again after the test."""
    (file,) = Path("/real-bluez/packages").glob(f"{PACKAGE}_*.deb")
    core2.stop()
    with nothing_installed():
        yield file
        dpkg("--purge", PACKAGE)


def main_process(core2):
    """The process of the service once that runs, which a call by D-Bus would start."""
    assert core2.show("ActiveState") == "active"
    return core2.pid


@pytest.mark.long
def test_life_of_a_package(package, bus, core2, chips):
    model = chips("hci1")["hci1"]
    dpkg("--install", package)
    assert systemctl("is-enabled", UNIT) == "enabled"
    for timer in ("core2-export.timer", "core2-metrics.timer"):
        assert shell("systemctl", "is-enabled", timer, check=False).stdout == "disabled\n"
        assert shell("systemctl", "is-active", timer, check=False).stdout == "inactive\n"
    first = main_process(core2)
    chip = core2.add(0, alias=GLib.Variant("s", "left shoe"))
    walk(chip, model, 20)

    # The same once more is an upgrade to dpkg: what was counted is kept, what is counted meanwhile is not lost.
    model.call("Step", 5)
    dpkg("--install", package)
    second = main_process(core2)
    assert second != first
    chip.wait_property("StepsTotal", 25)
    assert chip.get("Alias") == "left shoe"

    # What the administrator has decided stays so.
    systemctl("disable", "--now", UNIT)
    dpkg("--install", package)
    assert shell("systemctl", "is-enabled", UNIT, check=False).stdout == "disabled\n"
    assert core2.show("ActiveState") == "inactive"
    systemctl("enable", "--now", UNIT)
    chip.wait_property("StepsTotal", 25)
    walk(chip, model, 3)

    dpkg("--remove", PACKAGE)
    assert bus.owner(CORE2) is None
    assert core2.show("ActiveState") == "inactive"
    assert [path for path in STATE.rglob("*") if path.is_file()]

    dpkg("--purge", PACKAGE)
    assert not STATE.exists()
    assert systemctl("show", "--property=LoadState", "--value", UNIT) == "not-found"
    assert not [path for path in Path("/etc/systemd/system").rglob("core2*")]
