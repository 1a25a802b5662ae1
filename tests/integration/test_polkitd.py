# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real polkitd with the policy file of this tree, and core2d as a user of its own, as in service.

Without a login session, which needs systemd, nobody is "active": what polkit says to people in front of the machine
is tested in the virtual machine of real-bluez/.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import both_buses
from gi.repository import GLib
from harness import CORE2, CORE2_PATH, SOURCE, Bus, Process, build_directory, run_command
from harness.terminal import Terminal
from test_access import ADDRESS, CHIP, COVERED, DENIED, INTERACTION_REQUIRED, MANAGER, add, read_state

POLKIT = "org.freedesktop.PolicyKit1"
AUTHORITY = (POLKIT, "/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
#: This user is called core2d in polkitd's passwd. dbus-daemon only lets users in that it knows, too.
CORE2D_UID = pwd.getpwnam("daemon").pw_uid

#: PolkitImplicitAuthorization: any, inactive, active.
ADMIN, ADMIN_KEEP, YES = 2, 4, 5
DEFAULTS = {
    "scan": (ADMIN, ADMIN, YES),
    "connect": (ADMIN, ADMIN, YES),
    "manage": (ADMIN, ADMIN, ADMIN_KEEP),
    "pair": (ADMIN, ADMIN, ADMIN_KEEP),
    "history": (ADMIN, ADMIN, YES),
    "key": (ADMIN, ADMIN, ADMIN),
}

#: What an administrator of this machine has decided.
RULES = """
polkit.addRule(function(action, subject) {
  if (subject.user != "nobody")
    return polkit.Result.NOT_HANDLED;
  if (action.id == "org.example.core2.pair")
    return polkit.Result.NO;
  if (action.id == "org.example.core2.manage" && action.lookup("alias") == "left shoe" &&
      action.lookup("address") == "F1:4F:BB:6A:B5:79")
    return polkit.Result.YES;
  return polkit.Result.NOT_HANDLED;
});
"""

#: polkitd reads its files from where it was built to. In a mount namespace of its own these are ours.
START = """
mount --bind actions /usr/share/polkit-1/actions &&
mount --bind rules /etc/polkit-1/rules.d &&
mount --bind no-rules /usr/share/polkit-1/rules.d &&
mount --bind passwd /etc/passwd &&
exec env LD_PRELOAD="$1" /usr/lib/polkit-1/polkitd --no-debug
"""
#: Without this it may take 15 s for an answer, for which core2d does not wait.
WAKEUPS = "tests/polkitd-wakeups/polkitd-wakeups.so"


def may_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"]).returncode == 0


pytestmark = pytest.mark.skipif(not may_mount(), reason="only root can show polkitd other files")


@dataclass
class System:
    """What runs on a machine with core2d installed."""

    bus: Bus
    polkitd: Process
    state_directory: Path

    def as_nobody(self, *calls: tuple[Any, ...]) -> tuple[list[str], list[Any]]:
        """Call as a user without rights: the errors, and what its polkit agent was asked."""
        script = (Path(__file__).parent / "as_nobody.py").read_text()
        lines = json.dumps(
            [
                [path, interface, method, args.print_(True) if args else "", bool(interactive)]
                for (_, path, interface), method, args, *interactive in calls
            ]
        )
        command = [*NOBODY, "/usr/bin/python3", "-c", script]
        result = run_command(command, self.bus.env, stdin=lines)
        assert result.status == 0, result.stderr
        reply = json.loads(result.stdout)
        return reply["errors"], reply["asked"]


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where other users get to, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="core2-polkit-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def start_polkitd(bus: Bus, directory: Path) -> Iterator[Callable[[str], Process]]:
    """Start polkitd with the policy of this tree, and these rules."""
    started: list[Process] = []

    def start(rules: str = "") -> Process:
        for folder in ("actions", "rules", "no-rules"):
            (directory / folder).mkdir()
        shutil.copy(SOURCE / "dbus-interfaces/org.example.core2.policy", directory / "actions")
        (directory / "rules/50-test.rules").write_text(rules)
        user = f"core2d:x:{CORE2D_UID}:{CORE2D_UID}::/:/usr/sbin/nologin\n"
        (directory / "passwd").write_text(Path("/etc/passwd").read_text() + user)
        script = f"cd {directory} && {START}"
        command = ["unshare", "--mount", "sh", "-c", script, "sh", build_directory() / WAKEUPS]
        started.append(bus.start(command, label="polkitd"))
        bus.wait_name(POLKIT)
        # core2d does not wait long for its answers; by this it has read its files.
        bus.call(*AUTHORITY, "EnumerateActions", GLib.Variant("(s)", ("en",)))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def start_core2d(bus: Bus, directory: Path) -> Path:
    """core2d as the user that the policy names; its state directory."""
    state = directory / "state"
    state.mkdir(mode=0o700)
    os.chown(state, CORE2D_UID, CORE2D_UID)
    program = shutil.copy(build_directory() / "daemon/core2d", directory)
    user = ["setpriv", f"--reuid={CORE2D_UID}", f"--regid={CORE2D_UID}", "--clear-groups"]
    bus.start([*user, program, f"--state-directory={state}"], label="core2d")
    bus.wait_name(CORE2)
    return state


@pytest.fixture
def make_system(
    bus: Bus,
    virtual_bluez: Callable[..., Any],
    start_polkitd: Callable[..., Process],
    directory: Path,
) -> Callable[..., System]:
    def make(rules: str = "") -> System:
        virtual_bluez()
        system = System(bus, start_polkitd(rules), start_core2d(bus, directory))
        bus.call(*MANAGER, "AddChip", add())
        return system

    return make


def test_policy_is_read(bus: Bus, start_polkitd: Callable[..., Process]) -> None:
    """polkit understands the file, and every action has the defaults of the contract."""
    start_polkitd()
    actions = bus.call(*AUTHORITY, "EnumerateActions", GLib.Variant("(s)", ("en",)))
    prefix = "org.example.core2."
    assert actions
    for action, description, message, _vendor, _url, _icon, *defaults, annotations in actions:
        assert action.startswith(prefix)
        assert description and message
        assert tuple(defaults) == DEFAULTS[action.removeprefix(prefix)]
        assert annotations["org.freedesktop.policykit.owner"] == "unix-user:core2d"
    assert {action[0] for action in actions} == {prefix + action for action in COVERED}


@both_buses
def test_root_may(make_system: Callable[..., System]) -> None:
    """Root needs no rule: core2d, which is not root, asks polkit and is told so."""
    system = make_system()
    bus = system.bus
    bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)))
    bus.call(*CHIP, "SetKey", GLib.Variant("(ay)", (bytes(range(16)),)))
    assert bytes(bus.call(*CHIP, "GetKey")) == bytes(range(16))
    assert bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]["Alias"] == "new"


@both_buses
def test_others_may_not(make_system: Callable[..., System]) -> None:
    """Every method that needs an action, called by a user without session: a password would do."""
    system = make_system()
    before = read_state(system.bus)
    calls = [call for calls in COVERED.values() for call in calls]
    errors, asked = system.as_nobody(*calls)
    assert errors == [INTERACTION_REQUIRED] * len(calls)
    assert asked == []
    assert read_state(system.bus) == before


def test_person_is_asked(make_system: Callable[..., System]) -> None:
    """Callers that allow interaction make polkit ask, and it shows what for; a closed dialog is a no."""
    system = make_system()
    before = read_state(system.bus)
    calls = [(CHIP, "SetAlias", GLib.Variant("(s)", ("mine",)), True), (CHIP, "GetKey", None, True)]
    errors, asked = system.as_nobody(*calls)
    assert [action for action, _ in asked] == ["org.example.core2.manage", "org.example.core2.key"]
    assert all(ADDRESS in message for _, message in asked)
    assert set(errors) <= {DENIED, INTERACTION_REQUIRED} and len(errors) == 2
    assert read_state(system.bus) == before


#: Where nobody has a login session polkit takes no agent that is only to be asked after those of a desktop.
AGENT = """#!/bin/sh
test "$1" = --fallback && shift
exec /usr/bin/pkttyagent "$@"
"""


def test_person_is_asked_on_a_terminal(make_system: Callable[..., System], directory: Path) -> None:
    """core2ctl starts polkit's own agent, which shows what the password is for; Ctrl-C is a no."""
    system = make_system()
    before = read_state(system.bus)
    core2ctl = shutil.copy(build_directory() / "client-tool/core2ctl", directory)
    agent = directory / "pkttyagent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    env = system.bus.env | {"PATH": f"{directory}:/usr/bin:/bin"}
    screen = Terminal([*NOBODY, core2ctl, "set", "alias", "mine"], env)
    screen.wait_text("AUTHENTICATING FOR org.example.core2.manage")
    screen.wait_text(ADDRESS)
    screen.send("\x03")
    assert screen.wait() in (5, 130)
    assert screen.mode == screen.mode_before
    screen.close()
    assert read_state(system.bus) == before


def test_rules_of_the_machine(make_system: Callable[..., System]) -> None:
    """An administrator's rule decides, and sees which chip it is about."""
    system = make_system(RULES)
    errors, asked = system.as_nobody(
        (CHIP, "Pair", GLib.Variant("(a{sv})", ({},)), True),
        (CHIP, "SetSide", GLib.Variant("(s)", ("right",))),
        (CHIP, "SetAlias", GLib.Variant("(s)", ("other",))),
        (CHIP, "SetSide", GLib.Variant("(s)", ("left",))),
    )
    assert errors == [DENIED, "", "", INTERACTION_REQUIRED]
    assert asked == []
    chip = system.bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]
    assert (chip["Side"], chip["Alias"]) == ("right", "other")


def test_polkitd_dies(make_system: Callable[..., System]) -> None:
    """Without it only root goes on."""
    system = make_system(RULES)
    system.polkitd.kill()
    system.bus.wait_name_gone(POLKIT)
    side = GLib.Variant("(s)", ("right",))
    result = run_command(
        [*NOBODY, "gdbus", "call", "--address", system.bus.address, "--dest", CORE2]
        + ["--object-path", CHIP[1], "--method", f"{CHIP[2]}.SetSide", "right"],
        system.bus.env,
    )
    assert DENIED in result.stderr
    system.bus.call(*CHIP, "SetSide", side)


def test_state_is_private(make_system: Callable[..., System]) -> None:
    """An unprivileged user reads no key, and not even sees which chips there are."""
    system = make_system()
    system.bus.call(*CHIP, "SetKey", GLib.Variant("(ay)", (bytes(16),)))
    state = system.state_directory
    (key,) = (state / "keys").iterdir()
    for path in (state, state / "keys", state / "chips"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert run_command([*NOBODY, "ls", str(path)], os.environ).status != 0
    assert key.stat().st_uid == CORE2D_UID
    assert run_command([*NOBODY, "cat", str(key)], os.environ).status != 0
