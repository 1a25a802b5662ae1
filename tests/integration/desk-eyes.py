#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a screen reader is told of core2-desk: waits for something on its window, and tells of it.

Each line of the input is one thing to wait for, {"pattern": PATTERN, "reach": false} in JSON, and the answer
is one line, {"found": LINE}.

PATTERN is a regular expression for a whole line "ROLE: NAME (DESCRIPTION) [VALUE]", of which the
parts that are empty are left out; ROLE stands there as it is. The line is told when it is there; with
reach, when the keyboard's focus is there, and until then the Tab key is pressed. Without a match in
90 s it is {"found": null, "tree": [LINE, …]} with all that is there. Ends with its input.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

APPLICATION = "core2-desk"
LOOK_MS = 100
LOOKS_PER_KEY = 5
LOOKS_FOR_LATE_KEYS = 5
PATIENCE_S = 90


def describe(node: Atspi.Accessible) -> str:
    line = f"{node.get_role_name()}: {node.get_name()}"
    if description := node.get_description():
        line += f" ({description})"
    if value := node.get_value_iface():
        line += f" [{value.get_current_value():g} of {value.get_maximum_value():g}]"
    return line


def walk(node: Atspi.Accessible | None) -> Iterator[Atspi.Accessible]:
    if node is None:
        return
    yield node
    for index in range(node.get_child_count()):
        yield from walk(node.get_child_at_index(index))


def applications() -> Iterator[Atspi.Accessible]:
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        child = desktop.get_child_at_index(index)
        if child is not None and child.get_name() == APPLICATION:
            yield child


def application_nodes() -> Iterator[Atspi.Accessible]:
    for application in applications():
        yield from walk(application)


def let_answer() -> None:
    """Return when the program has done what came to it before. What it has told is known here without it."""
    for application in applications():
        window = application.get_child_at_index(0)
        if window is not None:
            window.get_component_iface().get_extents(Atspi.CoordType.WINDOW)


def is_focused(node: Atspi.Accessible) -> bool:
    return node.get_state_set().contains(Atspi.StateType.FOCUSED)


def forget() -> None:
    """What libatspi keeps of the window is asked anew, as if this program had just begun."""
    for application in applications():
        application.clear_cache()
    Atspi.get_desktop(0).clear_cache()


class Look:
    """One look after the other, until something matches."""

    def __init__(self, pattern: str, reach: bool) -> None:
        self.pattern = re.compile(pattern, re.DOTALL)
        # Names and roles are known here; each description and value is a question to the program.
        self.role = pattern.partition(":")[0]
        self.reach = reach
        self.left = ""  # where the focus was when Tab was last pressed
        self.looks = 0  # since then
        self.late_keys = False  # whether it was pressed again before it was seen to do anything
        self.stays = 0  # for how many looks the focus has been where it is wanted

    def find(self) -> str | None:
        # An element may go while it is looked at; the next look tells.
        try:
            return self._find_focus() if self.reach else self._find_any()
        except GLib.Error:
            return None

    def _find_any(self) -> str | None:
        nodes = (node for node in application_nodes() if node.get_role_name() == self.role)
        lines = (describe(node) for node in nodes)
        return next((line for line in lines if self.pattern.fullmatch(line)), None)

    def _find_focus(self) -> str | None:
        let_answer()
        focused = next((describe(node) for node in application_nodes() if is_focused(node)), "")
        if self.pattern.fullmatch(focused):
            # A key that is still on its way would move it on.
            self.stays += 1
            return focused if not self.late_keys or self.stays > LOOKS_FOR_LATE_KEYS else None
        self.looks += 1
        self.stays = 0
        # GTK tells of no focus in a field for text: that is not a key that has not arrived yet.
        if focused != self.left or self.looks > LOOKS_PER_KEY:
            self.late_keys |= focused == self.left
            self.left, self.looks = focused, 0
            subprocess.run(["xdotool", "key", "Tab"], check=True)
        return None


def silence_libraries() -> None:
    """What libatspi remarks on a young bus is no fault; errors of this program go to its output."""
    sys.stderr = sys.stdout
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def wait_for(pattern: str, reach: bool) -> dict[str, str | list[str] | None]:
    look = Look(pattern, reach)
    loop = GLib.MainLoop()
    found: list[str] = []

    def on_look() -> bool:
        line = look.find()
        if line is None:
            return True
        found.append(line)
        loop.quit()
        return False

    def on_late() -> bool:
        loop.quit()
        return True

    forget()
    looking = GLib.timeout_add(LOOK_MS, on_look)
    patience = GLib.timeout_add_seconds(PATIENCE_S, on_late)
    loop.run()
    GLib.source_remove(patience)
    if found:
        return {"found": found[0]}
    GLib.source_remove(looking)
    return {"found": None, "tree": [describe(node) for node in application_nodes()]}


def main() -> None:
    silence_libraries()
    for line in sys.stdin:
        print(json.dumps(wait_for(**json.loads(line))), flush=True)


main()
