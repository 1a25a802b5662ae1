# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the answers of polkit, and what happens when there are none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import both_buses
from fake_polkit import FakePolkit
from gi.repository import Gio, GLib
from harness import (
    CORE2,
    CORE2_PATH,
    SOURCE,
    Bus,
    Core2d,
    Result,
    raises_bus_error,
    run_command,
    wait_for,
)
from history_client import Export

MANAGER = (CORE2, f"{CORE2_PATH}/Manager", "org.example.Core2.Manager")
ADDRESS = "F1:4F:BB:6A:B5:79"
CHIP = (CORE2, f"{CORE2_PATH}/chip/F1_4F_BB_6A_B5_79", "org.example.Core2")
HISTORY = (*CHIP[:2], "org.example.Core2.History")
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
INTERACTION_REQUIRED = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
RATE_LIMITED = "org.example.Core2.Error.RateLimited"
INTERACTIVE = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION

#: Methods whose authorisation the contract names, with arguments that are good.
COVERED = {
    "scan": [(MANAGER, "Scan", GLib.Variant("(a{sv})", ({},)))],
    "connect": [
        (CHIP, "Connect", GLib.Variant("(a{sv})", ({"timeout": GLib.Variant("u", 1)},))),
        (CHIP, "Disconnect", None),
        (CHIP, "SetTime", GLib.Variant("(a{sv})", ({},))),
        (CHIP, "SetAutoConnect", GLib.Variant("(b)", (False,))),
    ],
    "manage": [
        (MANAGER, "AddChip", GLib.Variant("(sa{sv})", ("F1:4F:BB:6A:B5:7A", {}))),
        (MANAGER, "RemoveChip", GLib.Variant("(oa{sv})", (CHIP[1], {}))),
        (CHIP, "SetAlias", GLib.Variant("(s)", ("other",))),
        (CHIP, "SetSide", GLib.Variant("(s)", ("right",))),
        (CHIP, "SetDailyGoal", GLib.Variant("(u)", (10000,))),
        (HISTORY, "Clear", GLib.Variant("(t)", (1,))),
    ],
    "pair": [
        (CHIP, "Pair", GLib.Variant("(a{sv})", ({},))),
        (CHIP, "CancelPairing", None),
    ],
    "history": [
        (HISTORY, "GetDays", GLib.Variant("(ss)", ("", ""))),
        (HISTORY, "GetSamples", GLib.Variant("(ttu)", (0, 1, 60))),
    ],
    "key": [
        (CHIP, "GetKey", None),
        (CHIP, "Pair", GLib.Variant("(a{sv})", ({"key": GLib.Variant("ay", bytes(16))},))),
        (CHIP, "SetKey", GLib.Variant("(ay)", (bytes(16),))),
        (
            MANAGER,
            "AddChip",
            GLib.Variant("(sa{sv})", ("F1:4F:BB:6A:B5:7A", {"key": GLib.Variant("ay", bytes(16))})),
        ),
    ],
}
CASES = [
    pytest.param(action, *call, id=f"{action}-{call[1]}")
    for action, calls in COVERED.items()
    for call in calls
]


def add(alias: str = "left shoe") -> GLib.Variant:
    options = {"alias": GLib.Variant("s", alias), "connect": GLib.Variant("b", False)}
    return GLib.Variant("(sa{sv})", (ADDRESS, options))


def read_state(bus: Bus) -> dict[str, Any]:
    """What a denied call must not have changed."""
    objects = bus.managed_objects(CORE2, CORE2_PATH)
    volatile = {"LastSeen", "Rssi", "StatusText"}
    return {
        path: {key: value for key, value in chip[CHIP[2]].items() if key not in volatile}
        for path, chip in objects.items()
        if CHIP[2] in chip
    }


@pytest.fixture
def polkit(bus: Bus) -> Iterator[FakePolkit]:
    polkit = FakePolkit(bus)
    yield polkit
    polkit.close()


@pytest.fixture
def daemon(
    virtual_bluez: Callable[..., Any], core2d: Callable[..., Core2d], polkit: FakePolkit, bus: Bus
) -> Core2d:
    """core2d with one chip, which polkit let be added; polkit keeps what is asked from now on."""
    virtual_bluez()
    daemon = core2d()
    polkit.answer = (True, False)
    bus.call_async(*MANAGER, "AddChip", add(), flags=INTERACTIVE).wait()
    polkit.answer = None
    polkit.questions.clear()
    return daemon


def test_question(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """polkit is told who asks for what about which chip."""
    polkit.answer = (True, False)  # at once: core2d waits for no more than seconds when nobody may be asked
    bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)))
    (question,) = polkit.questions
    sender = bus.connection.get_unique_name()
    assert question.subject == ("system-bus-name", {"name": sender})
    assert question.action == "org.example.core2.manage"
    assert question.details == {"address": ADDRESS, "alias": "left shoe"}
    assert not question.interactive
    assert bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]["Alias"] == "new"


@pytest.mark.parametrize("action, target, method, args", CASES)
def test_f30_polkit_says_no(
    daemon: Core2d,
    polkit: FakePolkit,
    bus: Bus,
    action: str,
    target: tuple[str, str, str],
    method: str,
    args: GLib.Variant | None,
) -> None:
    """Each method asks for its action; a no changes nothing."""
    before = read_state(bus)
    polkit.answer = (False, False)
    with raises_bus_error(DENIED) as error:
        bus.call(*target, method, args)
    assert f"org.example.core2.{action}" in error[0].message
    assert [question.action for question in polkit.questions] == [f"org.example.core2.{action}"]
    assert read_state(bus) == before


def test_denied_read_that_must_connect(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """Who reads from a chip that keeps no connection must be allowed to connect it."""
    before = read_state(bus)
    polkit.answer = (False, False)
    reads = ["ReadBattery", "ReadSteps", "ReadTime", "ReadInfo", "ReadOrientation"]
    for method in [*reads, "FireOrientationRead"]:
        polkit.questions.clear()
        with raises_bus_error(DENIED):
            bus.call(*CHIP, method)
        assert [question.action for question in polkit.questions] == ["org.example.core2.connect"]
    assert read_state(bus) == before


def test_set_time_asks_once(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """That a chip which keeps no connection is connected for it is in the one answer."""
    polkit.answer = (True, False)
    bus.call_async(*CHIP, "SetTime", GLib.Variant("(a{sv})", ({},)))
    polkit.wait_question()
    for _ in range(2):
        bus.call(*CHIP[:2], "org.freedesktop.DBus.Peer", "Ping")
        bus.synchronize()
    assert [question.action for question in polkit.questions] == ["org.example.core2.connect"]


def test_denied_export(daemon: Core2d, polkit: FakePolkit, bus: Bus, tmp_path: Path) -> None:
    polkit.answer = (False, False)
    with open(tmp_path / "export", "wb") as file, raises_bus_error(DENIED) as error:
        Export(bus, file.fileno(), "csv").wait()
    assert "org.example.core2.history" in error[0].message
    assert [question.action for question in polkit.questions] == ["org.example.core2.history"]
    assert (tmp_path / "export").read_bytes() == b""


def test_contract_names_the_actions() -> None:
    """The cases above are all methods that the contract ties to an action.

    But for Export, whose descriptor needs a call of its own: test_denied_export.
    """
    documented: set[tuple[str, str]] = set()
    for name in ("", ".Manager", ".History"):
        xml = (SOURCE / f"dbus-interfaces/org.example.Core2{name}.xml").read_text()
        methods = r'<!--((?:(?!-->).)*)-->\s*<method name="(\w+)"'
        for comment, method in re.findall(methods, xml, re.S):
            actions = re.findall(r"org\.example\.core2\.([a-z]+)", comment)
            documented |= {(action, method) for action in actions}
    documented.remove(("history", "Export"))
    assert documented == {(action, call[1]) for action, calls in COVERED.items() for call in calls}


def test_policy_declares_the_actions() -> None:
    policy = (SOURCE / "dbus-interfaces/org.example.core2.policy").read_text()
    declared = re.findall(r'action id="org\.example\.core2\.(\w+)"', policy)
    assert sorted(declared) == sorted(COVERED)
    # Only the owner of an action may give details to polkit without being root.
    owner = '<annotate key="org.freedesktop.policykit.owner">unix-user:core2d</annotate>'
    assert policy.count(owner) == len(declared)


def test_reading_needs_no_answer(daemon: Core2d, bus: Bus) -> None:
    """With a polkit that never answers, live values are there all the same."""
    alias = GLib.Variant("(s)", ("new",))
    pending = bus.call_async(*CHIP, "SetAlias", alias, flags=INTERACTIVE)
    chip = bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]
    assert chip["Alias"] == "left shoe"
    assert bus.call(*MANAGER, "FindChip", GLib.Variant("(s)", ("left shoe",))) == CHIP[1]
    assert not pending.done


def test_challenge(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """A person could be asked for a password, but the caller did not allow it."""
    polkit.answer = (False, True)
    with raises_bus_error(INTERACTION_REQUIRED):
        bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)))


@both_buses
def test_interaction(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """Interaction is asked for exactly when the caller allows it."""
    args = GLib.Variant("(s)", ("new",))
    call = bus.call_async(*CHIP, "SetAlias", args, flags=INTERACTIVE)
    question = polkit.wait_question()
    assert question.interactive
    question.answer(True)
    call.wait()


def test_f30_polkit_hangs(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """A polkit that hangs is a denial, and is told that nobody waits any more."""
    with raises_bus_error(DENIED) as error:
        bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)))
    assert "in time" in error[0].message
    wait_for(lambda: polkit.cancelled, what="the cancellation")
    assert polkit.cancelled == [polkit.questions[0].cancel_id]
    polkit.questions[0].answer(True)  # too late
    polkit.synchronize()
    assert bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]["Alias"] == "left shoe"


@both_buses
def test_caller_leaves(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """A dialog that nobody waits for is closed, and a yes that comes then is too late."""
    client = bus.connect()
    args = GLib.Variant("(s)", ("new",))
    bus.call_async(*CHIP, "SetAlias", args, client, INTERACTIVE)
    question = polkit.wait_question()
    client.close(None, None)
    wait_for(lambda: polkit.cancelled, what="the cancellation")
    assert polkit.cancelled == [question.cancel_id]
    question.answer(True)
    polkit.synchronize()
    assert bus.managed_objects(CORE2, CORE2_PATH)[CHIP[1]][CHIP[2]]["Alias"] == "left shoe"


def test_same_question_once(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """Two calls of one client that need the same make one dialog; another client makes its own."""
    other = bus.connect()
    side = GLib.Variant("(s)", ("right",))
    alias = GLib.Variant("(s)", ("new",))
    calls = [
        bus.call_async(*CHIP, "SetSide", side, flags=INTERACTIVE),
        bus.call_async(*CHIP, "SetAlias", alias, flags=INTERACTIVE),
        bus.call_async(*CHIP, "SetSide", side, other, INTERACTIVE),
    ]
    for client in (bus.connection, other):
        bus.call_async(CORE2, "/", "org.freedesktop.DBus.Peer", "Ping", connection=client).wait()
    polkit.wait_question(2)
    for question in polkit.questions:
        question.answer(True)
    for call in calls:
        call.wait()
    assert len(polkit.questions) == 2
    other.close(None, None)


def test_too_many(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """One client cannot have any number of questions open; others still get theirs answered."""
    goal = GLib.Variant("(u)", (1,))
    calls = [bus.call_async(*CHIP, "SetDailyGoal", goal, flags=INTERACTIVE) for _ in range(17)]
    with raises_bus_error(RATE_LIMITED):
        calls[-1].wait()
    other = bus.connect()
    allowed = bus.call_async(*CHIP, "SetDailyGoal", goal, other, INTERACTIVE)
    polkit.wait_question(2)
    for question in polkit.questions:
        question.answer(True)
    allowed.wait()
    for call in calls[:-1]:
        call.wait()
    other.close(None, None)


def test_too_many_of_all(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """Nor can many clients together; it ends with the answers."""
    goal = GLib.Variant("(u)", (1,))
    crowd = [bus.connect() for _ in range(3)]
    calls = []
    for client in crowd:
        calls += [bus.call_async(*CHIP, "SetDailyGoal", goal, client, INTERACTIVE) for _ in range(16)]
        bus.call_async(CORE2, "/", "org.freedesktop.DBus.Peer", "Ping", connection=client).wait()
    with raises_bus_error(RATE_LIMITED):
        bus.call(*CHIP, "SetDailyGoal", goal)
    polkit.wait_question(3)
    for question in polkit.questions:
        question.answer(True)
    for call in calls:
        call.wait()
    polkit.answer = (True, False)
    bus.call_async(*CHIP, "SetDailyGoal", goal, flags=INTERACTIVE).wait()


@pytest.mark.parametrize(
    "error",
    [
        "org.freedesktop.PolicyKit1.Error.Failed",
        "org.freedesktop.PolicyKit1.Error.NotAuthorized",
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.UnknownMethod",
    ],
)
def test_polkit_fails(daemon: Core2d, polkit: FakePolkit, bus: Bus, error: str) -> None:
    """An error of polkit is no yes, not even for root."""
    polkit.answer = error
    with raises_bus_error(DENIED):
        bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)))


def test_ends_while_asked(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    """SIGTERM while polkit is asked: a clean end, and the caller is told."""
    call = bus.call_async(*CHIP, "SetAlias", GLib.Variant("(s)", ("new",)), flags=INTERACTIVE)
    polkit.wait_question()
    daemon.stop()
    wait_for(lambda: call.done, what="an error for the caller")


def test_f30_polkit_absent(
    virtual_bluez: Callable[..., Any], core2d: Callable[..., Core2d], bus: Bus
) -> None:
    """No polkit on the bus: the daemon's own user may do everything."""
    virtual_bluez()
    core2d()
    assert bus.call(*MANAGER, "AddChip", add()) == CHIP[1]


@both_buses
def test_polkit_comes_and_goes(daemon: Core2d, polkit: FakePolkit, bus: Bus) -> None:
    polkit.answer = (False, False)
    with raises_bus_error(DENIED):
        bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("first",)))
    polkit.close()
    bus.wait_name_gone("org.freedesktop.PolicyKit1")
    bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("second",)))
    again = FakePolkit(bus)
    again.answer = (False, False)
    with raises_bus_error(DENIED):
        bus.call(*CHIP, "SetAlias", GLib.Variant("(s)", ("third",)))
    again.close()


def call_as_nobody(bus: Bus, *argv: str) -> Result:
    """Run gdbus as an unprivileged user; needs root."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = ["gdbus", "call", "--address", bus.address, "--timeout", "60", *argv]
    return run_command([*nobody, *command], bus.env)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_others_without_polkit(
    virtual_bluez: Callable[..., Any], core2d: Callable[..., Core2d], bus: Bus
) -> None:
    """No polkit: other users may read, and do nothing that needs an action."""
    virtual_bluez()
    core2d()
    bus.call(*MANAGER, "AddChip", add())
    chip = ["--dest", CORE2, "--object-path", CHIP[1], "--method"]

    denied = call_as_nobody(bus, *chip, "org.example.Core2.SetAlias", "mine")
    assert denied.status != 0
    assert DENIED in denied.stderr
    denied = call_as_nobody(bus, *chip, "org.example.Core2.GetKey")
    assert DENIED in denied.stderr
    log_level = ["--dest", CORE2, "--object-path", "/org/freedesktop/LogControl1", "--method"]
    set_ = [*log_level, "org.freedesktop.DBus.Properties.Set", "org.freedesktop.LogControl1"]
    denied = call_as_nobody(bus, *set_, "LogLevel", "<'debug'>")
    assert denied.status != 0

    get = [*chip, "org.freedesktop.DBus.Properties.Get", "org.example.Core2", "Alias"]
    allowed = call_as_nobody(bus, *get)
    assert allowed.status == 0, allowed.stderr
    assert "left shoe" in allowed.stdout
