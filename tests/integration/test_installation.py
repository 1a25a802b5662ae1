# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed besides the programs: unit and sandbox, user, bus policy, activation."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from gi.repository import GLib
from harness import CORE2, SOURCE, Bus, raises_bus_error, run_command
from harness.bus import DBUS

DENIED = "org.freedesktop.DBus.Error.AccessDenied"
LOG_CONTROL = "/org/freedesktop/LogControl1"

#: In tenths, as systemd-analyze counts it.
EXPOSURE_AT_MOST = 3


def run(*argv: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, env=os.environ | (env or {}))


@pytest.fixture
def root(installed: Path) -> Path:
    return installed


def read_unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    return unit


@pytest.fixture
def unit_path(root: Path) -> Path:
    return root / "usr/lib/systemd/system/core2d.service"


def test_unit_is_valid(root: Path, unit_path: Path, tmp_path: Path) -> None:
    """systemd understands every line of the unit, and its program is there."""
    program = read_unit(unit_path)["Service"]["ExecStart"]
    assert os.access(root / program.removeprefix("/"), os.X_OK)
    copy = tmp_path / "core2d.service"
    text = unit_path.read_text()
    assert f"ExecStart={program}\n" in text
    copy.write_text(text.replace(f"ExecStart={program}", f"ExecStart={root}{program}"))
    result = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
    assert result.returncode == 0 and not result.stderr, result.stderr


def test_unit_for_users_is_valid(root: Path, tmp_path: Path) -> None:
    unit = root / "usr/lib/systemd/user/core2-notify.service"
    program = read_unit(unit)["Service"]["ExecStart"]
    assert os.access(root / program.removeprefix("/"), os.X_OK)
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(f"ExecStart={program}", f"ExecStart={root}{program}"))
    command = ["systemd-analyze", "verify", "--user", "--man=no", "--recursive-errors=no", copy]
    result = run(*command, env={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert result.returncode == 0 and not result.stderr, result.stderr


def test_misspelt_unit_is_noticed(unit_path: Path, tmp_path: Path) -> None:
    """The check above can fail."""
    copy = tmp_path / "core2d.service"
    copy.write_text(unit_path.read_text().replace("PrivateUsers=", "PrivateUser="))
    result = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copy)
    assert "PrivateUser" in result.stderr


def test_exposure(unit_path: Path) -> None:
    threshold = f"--threshold={EXPOSURE_AT_MOST}"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", threshold]
    result = run(*command, unit_path)
    assert result.returncode == 0, result.stdout


def test_each_weakness_has_its_reason(unit_path: Path) -> None:
    """What systemd-analyze counts against the unit stands in it with a comment."""
    command = ["systemd-analyze", "security", "--offline=true", "--json=short", unit_path]
    items = json.loads(run(*command).stdout)
    weak = {re.split(r"\W", item["name"])[0] for item in items if item["exposure"] not in (None, "0.0")}
    assert len(items) > 50 and "RestrictAddressFamilies" in weak
    text = unit_path.read_text()
    for name in weak:
        assert re.search(rf"^#.*\b{name}=|^#.*\n{name}=", text, re.MULTILINE), name


def test_service_is_kept_running(unit_path: Path) -> None:
    """Watched, started again however it ends, wanted by Bluetooth, with a state that is its own."""
    unit = read_unit(unit_path)
    expected = {
        "Type": "dbus", "NotifyAccess": "main", "Restart": "always", "StateDirectory": "core2d",
        "StateDirectoryMode": "0700", "LimitCORE": "0",
    }  # fmt: skip
    assert expected.items() <= dict(unit["Service"]).items()
    assert int(unit["Service"]["WatchdogSec"].removesuffix("s")) > 0
    assert unit["Install"]["WantedBy"] == "bluetooth.target"


def test_activation(root: Path, unit_path: Path) -> None:
    """The bus starts the unit, which owns the name, as the user that sysusers makes."""
    services = root / "usr/share/dbus-1/system-services"
    activation = read_unit(services / f"{CORE2}.service")["D-BUS Service"]
    service = read_unit(unit_path)["Service"]
    assert activation["Name"] == service["BusName"] == CORE2
    assert activation["SystemdService"] == unit_path.name
    assert activation["Exec"] == service["ExecStart"]
    assert activation["User"] == service["User"]
    users = (root / "usr/lib/sysusers.d/core2d.conf").read_text()
    assert f"\nu {service['User']} " in users


def test_sysusers(root: Path, tmp_path: Path) -> None:
    """systemd-sysusers makes the user and its group."""
    (tmp_path / "etc").mkdir()
    configuration = root / "usr/lib/sysusers.d/core2d.conf"
    result = run("systemd-sysusers", f"--root={tmp_path}", configuration)
    if os.geteuid() == 0:
        assert result.returncode == 0, result.stderr
        assert "\ncore2d:" in "\n" + (tmp_path / "etc/passwd").read_text()
        assert "\ncore2d:" in "\n" + (tmp_path / "etc/group").read_text()
    else:  # it may not lock another root's files; that it understands the file is seen all the same
        assert "core2d.conf:" not in result.stderr


def test_catalog(root: Path, tmp_path: Path) -> None:
    """journalctl -x explains every notable event."""
    header = (SOURCE / "daemon/core2-log.h").read_text()
    events = re.findall(r'#define CORE2_LOG_ID_\w+ "(\w+)"', header)
    assert events
    shutil.copytree(root / "usr/lib/systemd/catalog", tmp_path / "usr/lib/systemd/catalog")
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    result = run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert result.returncode == 0, result.stderr
    listed = run("journalctl", f"--root={tmp_path}", "--list-catalog").stdout
    assert sorted(line.split(" ")[0] for line in listed.splitlines()) == sorted(events)


def policy_bus(make_bus: Callable[..., Bus], root: Path, user: str | None = None) -> Bus:
    """A bus with the rules of the real one: nobody owns and sends but who is allowed to.

    user takes the place of the user core2d, whom this machine need not have.
    """
    policy = (root / f"usr/share/dbus-1/system.d/{CORE2}.conf").read_text()
    if user is not None:
        assert 'user="core2d"' in policy
        policy = policy.replace('user="core2d"', f'user="{user}"')
    body = policy[policy.index("<busconfig>") + len("<busconfig>") : policy.index("</busconfig>")]
    default = '<policy context="default"><deny own="*"/><deny send_type="method_call"/>'
    bus_itself = '<allow send_destination="org.freedesktop.DBus"/></policy>'
    return make_bus(extra=default + bus_itself + body)


def request_name(bus: Bus) -> int:
    return bus.call(*DBUS, "RequestName", GLib.Variant("(su)", (CORE2, 0)))


def test_bus_policy_keeps_the_name(make_bus: Callable[..., Bus], root: Path) -> None:
    """Nobody but core2d owns the name, not even root."""
    bus = policy_bus(make_bus, root)
    with raises_bus_error(DENIED):
        request_name(bus)


def test_bus_policy_lets_core2d(make_bus: Callable[..., Bus], root: Path) -> None:
    """The user of the daemon may own the name, and be called."""
    bus = policy_bus(make_bus, root, str(os.geteuid()))
    assert request_name(bus) == 1
    call = bus.call_async(CORE2, "/", "org.freedesktop.DBus.Peer", "Ping", connection=bus.connect())
    call.wait()


#: Sends so many descriptors to core2d, and prints what comes of it.
SEND_DESCRIPTORS = """
import sys
from gi.repository import Gio
flags = Gio.DBusConnectionFlags
connection = Gio.DBusConnection.new_for_address_sync(
    sys.argv[1], flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None
)
message = Gio.DBusMessage.new_method_call("org.example.Core2", "/", "org.freedesktop.DBus.Peer", "Ping")
descriptors = Gio.UnixFDList.new()
for _ in range(int(sys.argv[2])):
    descriptors.append(0)
message.set_unix_fd_list(descriptors)
reply, _ = connection.send_message_with_reply_sync(message, Gio.DBusSendMessageFlags.NONE, -1, None)
print(reply.get_error_name())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_bus_policy_for_others(make_bus: Callable[..., Bus], root: Path) -> None:
    """Other users may call everything but the setter of the log level, and never own the name."""
    bus = policy_bus(make_bus, root, "0")
    assert request_name(bus) == 1

    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]

    def call(*argv: str) -> str:
        """What gdbus says as nobody. The name's owner is this test, which has no such objects."""
        command = ["gdbus", "call", "--address", bus.address, "--timeout", "60", *argv]
        return run_command([*nobody, *command], bus.env).stderr

    target = ["--dest", CORE2, "--object-path"]
    properties = "org.freedesktop.DBus.Properties"
    level = ["org.freedesktop.LogControl1", "LogLevel"]
    for path, method, *args in (
        ("/org/example/Core2/Manager", "org.example.Core2.Manager.Scan", "{}"),
        (LOG_CONTROL, f"{properties}.Get", *level),
        ("/org/example/Core2/Manager", f"{properties}.Set", *level, "<'x'>"),
    ):
        assert DENIED not in call(*target, path, "--method", method, *args)
    denied = call(*target, LOG_CONTROL, "--method", f"{properties}.Set", *level, "<'debug'>")
    assert DENIED in denied
    own = ["--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus", "--method"]
    assert DENIED in call(*own, "org.freedesktop.DBus.RequestName", CORE2, "0")
    for count, result in ((1, "None\n"), (2, f"{DENIED}\n")):
        python = ["/usr/bin/python3", "-c", SEND_DESCRIPTORS, bus.address, str(count)]
        assert run_command([*nobody, *python], bus.env).stdout == result
