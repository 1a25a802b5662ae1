# SPDX-License-Identifier: LGPL-2.1-or-later
"""core2d.service on a real systemd, with the real polkitd: start, sandbox, watchdog, crash, upgrade, users, uninstall."""

import os
import re
import shlex
import shutil
import signal
from pathlib import Path

import pytest
from gi.repository import GLib
from harness import CORE2, TIMEOUT, chip_path, wait_for
from harness.real import systemctl
from service import STATE, UNIT, nothing_installed, shell

BINARY = Path("/usr/libexec/core2d")
WALKER = "walker"

# Exposure of the unit as `systemd-analyze security` counts it, in tenths: 0 is none.
EXPOSURE_AT_MOST = 3


# Interactive: core2d then has patience with a slow polkitd. Nobody is there who could be asked for a password.
CALL = ("gdbus", "call", "--system", "--interactive", f"--timeout={TIMEOUT:.0f}", "--dest", CORE2)


def call_manager(method, *args):
    return (*CALL, "--object-path", "/org/example/Core2/Manager", "--method", f"org.example.Core2.Manager.{method}", *args)


@pytest.fixture(scope="module")
def walker():
    """A user without any privilege, and how to run a command in a session of theirs."""
    if shell("id", WALKER, check=False).returncode != 0:
        shell("useradd", "--create-home", WALKER)

    def run(*command, terminal=None):
        """terminal 1 is the one in front, so its session is active; None: no session at all."""
        options = ["--wait", "--pipe", "--quiet", f"--property=User={WALKER}"]
        if terminal is not None:
            options += ["--property=PAMName=real-bluez-session", f"--property=TTYPath=/dev/tty{terminal}",
                        "--setenv=XDG_SEAT=seat0", f"--setenv=XDG_VTNR={terminal}", "--setenv=XDG_SESSION_TYPE=tty"]
        return shell("systemd-run", *options, *command, check=False)

    return run


def test_call_starts_it(core2, bus):
    core2.stop()
    bus.wait_name_gone(CORE2)
    assert core2.manager.get("Version") == shell(BINARY, "--version").stdout.split()[-1]
    assert core2.show("ActiveState") == "active"
    driver = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
    owner = bus.call(*driver, "GetConnectionUnixProcessID", GLib.Variant("(s)", (CORE2,)))
    assert owner == core2.pid


def test_enable_now_starts_it(core2):
    core2.stop()
    systemctl("enable", "--now", UNIT)
    assert systemctl("is-enabled", UNIT) == "enabled"
    assert core2.show("ActiveState") == "active"
    systemctl("disable", UNIT)
    assert core2.show("ActiveState") == "active"


def test_it_runs_as_its_own_user_in_a_sandbox(core2):
    status = dict(re.findall(r"^(\w+):\s+(.*)$", Path(f"/proc/{core2.pid}/status").read_text(encoding="utf-8"),
                             re.MULTILINE))
    user = shell("id", "--user", "core2d").stdout.strip()
    assert user != "0" and set(status["Uid"].split()) == {user}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapEff"], 16) == 0 and int(status["CapBnd"], 16) == 0
    assert oct(STATE.stat().st_mode & 0o777) == "0o700"
    assert STATE.owner() == "core2d"


def test_unit_is_verified_and_little_exposed(record_property):
    verified = shell("systemd-analyze", "verify", UNIT)
    assert UNIT not in verified.stderr + verified.stdout
    security = shell("systemd-analyze", "security", UNIT, "--no-pager", f"--threshold={EXPOSURE_AT_MOST}")
    record_property("exposure", re.search(r"exposure level for \S+: (\S+)", security.stdout)[1])


def test_chip_in_the_sandbox_survives_hang_and_crash(core2, chips):
    """The whole of it in one: the watchdog, a crash, and the steps of a chip over both."""
    model = chips("hci1")["hci1"]
    chip = core2.add(0)
    model.call("Step", 10)
    chip.wait_property("StepsTotal", 10)

    # A shorter watchdog, so that nobody waits long; daemon-reload and the restart belong to the test, too.
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/short-watchdog.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nWatchdogSec=15\n", encoding="ascii")
    pid = core2.pid
    systemctl("daemon-reload")
    assert core2.pid == pid and core2.manager.get("Scanning") is False
    systemctl("restart", UNIT)
    pid = core2.pid
    chip.wait_property("StepsTotal", 10)

    core2.kill(signal.SIGSTOP)
    core2.wait_restarted(pid)
    # On a starved machine the short watchdog may bite once more.
    restarts = core2.show("NRestarts")
    assert restarts >= 1
    model.call("Step", 5)
    chip.wait_property("StepsTotal", 15)

    pid = core2.pid
    core2.kill(signal.SIGSEGV)
    core2.wait_restarted(pid)
    assert core2.show("NRestarts") > restarts
    model.call("Step", 6)
    chip.wait_property("StepsTotal", 21)
    drop_in.unlink()
    systemctl("daemon-reload")


def test_journal_has_fields(core2, chips):
    chips("hci1")
    chip = core2.add(0)
    address = chip.get("Address")
    entries = wait_for(lambda: core2.journal(f"CORE2_CHIP={address}", f"_PID={core2.pid}"), what="lines in the journal")
    ready = [entry for entry in entries if entry.get("MESSAGE_ID") == "f497ab44b1da4b658d42bb33884c5150"]
    assert ready and ready[-1]["CORE2_STATE"] == "ready" and ready[-1]["CORE2_TOPIC"] == "link"
    assert ready[-1]["SYSLOG_IDENTIFIER"] == "core2d" and ready[-1]["PRIORITY"] == "6"


def test_upgrade_of_the_binary_keeps_the_chips(core2, chips):
    model = chips("hci1")["hci1"]
    chip = core2.add(0, alias=GLib.Variant("s", "left shoe"))
    model.call("Step", 10)
    chip.wait_property("StepsTotal", 10)
    new = BINARY.with_suffix(".new")
    shutil.copy2(BINARY, new)
    os.replace(new, BINARY)
    model.call("Step", 2)
    chip.wait_property("StepsTotal", 12)
    systemctl("try-restart", UNIT)
    assert os.path.samefile(f"/proc/{core2.pid}/exe", BINARY)
    model.call("Step", 3)
    chip.wait_property("StepsTotal", 15)
    assert chip.get("Alias") == "left shoe"


def call_chip(method, *args):
    return (*CALL, "--object-path", chip_path(0), "--method", f"org.example.Core2.{method}", *args)


def test_who_may_do_what(core2, chips, walker):
    """Scan and connect: whoever sits at the computer. Anything more, and anybody else: ask an administrator."""
    chips("hci1")
    chip = core2.add(0)
    scan = call_manager("Scan", "{'timeout': <uint32 60>, 'max': <uint32 1>}")
    disconnect, connect = call_chip("Disconnect"), call_chip("Connect", "{}")
    add, key = call_manager("AddChip", "00:11:22:33:44:55", "{}"), call_chip("GetKey")

    def attempt(*calls, terminal):
        """What each of the calls printed, all in one session."""
        script = "; echo -----; ".join(f"{shlex.join(call)} 2>&1" for call in calls)
        return walker("sh", "-c", script, terminal=terminal).stdout.split("-----\n")

    told = attempt(scan, disconnect, connect, add, key, terminal=1)
    assert chip_path(0) in told[0], told
    assert told[1:3] == ["()\n", "()\n"], told
    chip.wait_property("Connected", True)
    denied = told[3:] + attempt(scan, connect, terminal=2) + attempt(scan, connect, terminal=None)
    assert len(denied) == 6
    for answer in denied:
        assert "AccessDenied" in answer or "InteractiveAuthorizationRequired" in answer, answer


def test_unprivileged_user_sees_values_and_no_secrets(core2, chips, walker):
    chips("hci1")
    core2.add(0)
    shown = walker("gdbus", "call", "--system", "--dest", CORE2, "--object-path", chip_path(0),
                   "--method", "org.freedesktop.DBus.Properties.Get", "org.example.Core2", "State")
    assert shown.returncode == 0 and "'ready'" in shown.stdout, shown
    assert walker("ls", STATE).returncode != 0
    owning = walker("gdbus", "call", "--system", "--dest", "org.freedesktop.DBus", "--object-path",
                    "/org/freedesktop/DBus", "--method", "org.freedesktop.DBus.RequestName", CORE2, "0")
    assert owning.returncode != 0 and "AccessDenied" in owning.stderr, owning


def test_uninstall_leaves_what_is_the_users(core2, chips):
    chips("hci1")
    core2.add(0)
    core2.stop()
    state = sorted(STATE.rglob("*"))
    assert state
    with nothing_installed():
        assert systemctl("show", "--property=LoadState", "--value", UNIT) == "not-found"
        assert sorted(STATE.rglob("*")) == state
    core2.start()
    core2.chip(0).wait_property("State", "ready")
    assert core2.pid
