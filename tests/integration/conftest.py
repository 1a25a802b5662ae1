# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the integration tests. tests/README.md tells how to write a test with them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from bluez_world import MakeWorld, World
from harness import STANDING, Bus, Core2d, Process, Result, ServiceManager, Stage, VirtualBluez
from harness import VirtualChips
from harness import build_directory, real
from harness import run_command as run_to_end
from harness.loop import iterate, running
from harness.process import slow
from shoe import Shoe

# Who runs the tests in the background of a shell has SIGINT ignored, and all that they start would
# inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

buses = pytest.StashKey[list[Bus]]()

#: As in tests/meson.build.
VALGRIND = (
    "--quiet",
    "--error-exitcode=99",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite,indirect",
    "--show-leak-kinds=definite,indirect",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the tests that are marked long")
    parser.addoption("--valgrind", action="store_true", help="run core2d in valgrind's memcheck")
    parser.addoption("--slow", action="append", default=[], help="a program that is to be slow")
    parser.addoption("--fuzz-seed", type=int, default=20240229, help="of test_fuzz.py")
    parser.addoption("--fuzz-rounds", type=int, default=10, help="of test_fuzz.py")


def pytest_configure(config: pytest.Config) -> None:
    """With --valgrind each core2d runs in it; it ends with 99 then when something was wrong."""
    slow.update(config.getoption("--slow"))
    if config.getoption("--valgrind"):
        suppressions = Path("/usr/share/glib-2.0/valgrind/glib.supp")
        Core2d.wrapper = ("valgrind", *VALGRIND, f"--suppressions={suppressions}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, unless they are wanted."""
    if config.getoption("--long"):
        return
    long_ones = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long_ones]
    config.hook.pytest_deselected(items=long_ones)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Show what the programs printed when a test failed."""
    report = (yield).get_result()
    if report.failed:
        for bus in item.stash.get(buses, []):
            for process in bus.processes:
                if process.stderr:
                    report.sections.append((f"stderr of {process.label}", process.stderr))


def _end(bus: Bus) -> None:
    """End every program in reverse order and judge how it went."""
    faults: list[str] = []
    try:
        for process in reversed(bus.processes):
            _end_process(process, faults)
    finally:
        bus.close()
        running.clear()
        iterate()
    assert not faults, "\n".join(faults)


def _end_process(process: Process, faults: list[str]) -> None:
    if process.label in ("dbus-daemon", "dbus-broker"):
        return
    if process in running:
        died_before = process.status
        status = process.stop() if died_before is None else process.wait()
        if status != 0:
            when = "when it was stopped" if died_before is None else "by itself"
            faults.append(f"{process.label} ended {when} with status {status}")
    if complaints := process.complaints():
        faults.append(f"{process.label} complained:\n{complaints}")


@pytest.fixture
def bus_kind() -> str:
    """Which bus a test gets. Parametrize it to get others: see both_buses."""
    return "dbus-daemon"


#: Decorator of a test that is to run on both implementations of the bus; a virtual machine has but one.
both_buses = pytest.mark.parametrize(
    "bus_kind", ["dbus-daemon"] if real.enabled else ["dbus-daemon", "dbus-broker"]
)


@pytest.fixture
def make_bus(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Bus]]:
    """Make a bus: make_bus(kind="dbus-daemon", extra="<limit .../>")."""
    made = request.node.stash.setdefault(buses, [])

    def make(kind: str = "dbus-daemon", extra: str = "") -> Bus:
        directory = tmp_path / f"bus{len(made)}"
        directory.mkdir()
        made.append(real.SystemBus(directory) if real.enabled else Bus(directory, kind, extra))
        return made[-1]

    yield make
    for bus in reversed(made):
        _end(bus)


@pytest.fixture
def bus(make_bus: Callable[..., Bus], bus_kind: str) -> Bus:
    """The test's own bus; its address is in DBUS_SYSTEM_BUS_ADDRESS of all programs."""
    return make_bus(bus_kind)


@pytest.fixture
def manager(bus: Bus) -> Iterator[ServiceManager]:
    """Who started core2d(env=manager.env), by what core2d knows. Its path is short enough where the bus's is."""
    manager = ServiceManager(bus.socket_path.parent / "notify")
    yield manager
    manager.close()


@pytest.fixture
def virtual_bluez(bus: Bus) -> Callable[..., VirtualBluez | real.RealBluez]:
    """Start virtual BlueZ: virtual_bluez("--centrals", "2"). In the virtual machine: the real one."""
    if real.enabled:
        return lambda *args: real.RealBluez(bus, *args)
    return lambda *args, **options: VirtualBluez(bus, *args, **options)


@pytest.fixture
def virtual_chip(bus: Bus) -> Callable[..., VirtualChips]:
    """Start chips: virtual_chip("hci1", "hci2", args=["--walk"])."""

    def start(
        *adapters: str, args: list[str] | None = None, env: Mapping[str, str] | None = None
    ) -> VirtualChips:
        args = [*(args or []), *real.chip_options()]
        return VirtualChips(bus, adapters or ("hci1",), *args, env=env or {})

    return start


@pytest.fixture
def core2d(bus: Bus, tmp_path: Path) -> Callable[..., Core2d]:
    """Start the daemon: core2d("--config", path, state_directory=..., env=...)."""

    def start(*args: str, state_directory: Path | None = None, **options: Any) -> Core2d:
        state = state_directory or tmp_path / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        return Core2d(bus, state, *args, **options)

    return start


@pytest.fixture
def make_world(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> MakeWorld:
    """Start everything: see bluez_world.py."""

    def make(
        *bluez_args: str,
        centrals: int = 1,
        chips: int = 1,
        chip_args: list[str] | None = None,
        daemon_args: list[str] | None = None,
        connected: bool = True,
    ) -> World:
        # Two chips of one host are there by themselves, on the real stack as well.
        counts = (f"--centrals={centrals}", f"--peripherals={chips}")
        bluez = virtual_bluez(*(counts if centrals > 1 or chips > 2 else ()), *bluez_args)
        radios = [f"hci{centrals + index}" for index in range(chips)]
        players = virtual_chip(*radios, args=[*STANDING, *(chip_args or [])])
        for index in range(chips):
            players[index].wait_property("Registered", True)
        world = World(bluez, players, core2d(*(daemon_args or [])))
        if connected:
            world.connect()
        return world

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One chip that stands still and is connected."""
    return make_world()


@pytest.fixture
def stage(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
    tmp_path: Path,
) -> Callable[..., Stage]:
    """Start everything, N chips ready: stage(100, bluez=("--gap",), config="[Link]\\n…")."""
    start = (virtual_bluez, virtual_chip, core2d)
    return lambda count=1, **options: Stage(start, tmp_path, count, **options)


@pytest.fixture
def run_command(bus: Bus) -> Callable[..., Result]:
    """Run a command on the test's bus to its end; a program of the project by its name only."""

    def run(*argv: str | Path, env: Mapping[str, str] | None = None, **options: Any) -> Result:
        tools = {"core2ctl": build_directory() / "client-tool" / "core2ctl"}
        command = [tools.get(str(argv[0]), argv[0]), *argv[1:]]
        return run_to_end(command, bus.env | dict(env or {}), **options)

    return run


@pytest.fixture
def shoe(
    virtual_bluez: Callable[..., VirtualBluez],
    virtual_chip: Callable[..., VirtualChips],
    core2d: Callable[..., Core2d],
) -> Shoe:
    """A chip that stands still on hci1, and core2d connected to it. It is noon: a reset is not midnight's."""
    bluez = virtual_bluez()
    chips = virtual_chip("hci1", args=STANDING)
    return Shoe(chips[0], core2d(), bluez)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which everything was installed."""
    root = tmp_path_factory.mktemp("root")
    command = ["meson", "install", "-C", build_directory(), "--no-rebuild", "--quiet"]
    result = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"DESTDIR": str(root)}, umask=0o022
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return root
