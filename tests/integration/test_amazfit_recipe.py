# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python module amazfit as people meet it: the older library's recipe and names, and its installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from amazfit_programs import MODULE, Programs, interrupt, no_bluetooth, programs  # noqa: F401
from amazfit_programs import wait_line
from harness import Process, Remote, chip_address, run_command, wait_for

pytestmark = pytest.mark.real_bluez

#: The published recipe for the older library, its pieces put together in order.
RECIPE_STEPS = """
from amazfit import Core2

chip = Core2.find(timeout=10)
if chip is None:
    print("ERROR: no device found!")

chip.connect()

chip.pair()

print(f"Pairing key: {chip.key}")

chip.read_info()
print(
    f"Device Information:\\n"
    f"- name: {chip.name}\\n"
    f"- address: {chip.address}\\n"
    f"- serial number: {chip.serial_number}\\n"
    f"- hardware version: {chip.hardware_rev}\\n"
    f"- software version: {chip.software_rev}"
)

print(f"- steps: {chip.steps}")

def on_steps_callback(steps):
    print(f"- steps changed, new value: {steps}")

chip.on_steps(on_steps_callback)
chip.wait_until_break()
"""

RECIPE_ORIENTATION = """
import time
from amazfit import Core2

chip = Core2.find(timeout=10)
chip.connect()

print(f"- axis: {chip.orientation}")

def on_orientation_callback(axis):
    print(f"- orientation changed, new value: {axis}")

chip.on_orientation(on_orientation_callback)

while True:
    try:
        chip.fire_orientation_read()
        time.sleep(2)
    except KeyboardInterrupt:
        break
"""


def step_until(program: Process, chip: Remote, text: str) -> None:
    """Until the program prints this: steps that come before it asks for them are none to it."""

    def printed() -> bool:
        chip.call("Step", 1)
        return text in program.stdout

    wait_for(printed, what=f"{text!r} from the program")


def test_recipe_of_steps(programs: Programs) -> None:
    programs.chips[1].call("Vanish")
    program = programs.start(RECIPE_STEPS)
    chip = programs.chips[0]
    chip.wait_property("PairingWaitsForShake", True)
    chip.call("Shake")
    wait_line(program, "- steps: 0")
    key = bytes(chip.get("Key"))
    assert len(key) == 16
    assert f"Pairing key: {key}\n" in program.stdout
    info = programs.daemon.chip(0, "org.example.Core2.Info")
    for line in (
        f"- name: {info.get('Name')}",
        f"- address: {chip_address()}",
        f"- serial number: {info.get('SerialNumber')}",
        f"- hardware version: {info.get('HardwareRevision')}",
        f"- software version: {info.get('SoftwareRevision')}",
    ):
        assert line + "\n" in program.stdout
    assert info.get("SerialNumber")

    step_until(program, chip, "- steps changed, new value: ")
    for steps in (7, 300):
        chip.call("Step", steps)
        wait_line(program, f"- steps changed, new value: {chip.get('Counter')}\n")
    interrupt(program)


def test_recipe_of_orientation(programs: Programs) -> None:
    """Callbacks come while the main thread sleeps."""
    programs.chips[1].call("Vanish")
    programs.chips[0].call("Tilt", 4711, 815)
    program = programs.start(RECIPE_ORIENTATION)
    wait_line(program, "- axis: (4711, 815)\n")
    programs.chips[0].call("Tilt", 1, 65535)
    wait_line(program, "- orientation changed, new value: (1, 65535)\n")
    programs.chips[0].call("Tilt", 2, 3)
    wait_line(program, "- orientation changed, new value: (2, 3)\n")
    interrupt(program)


#: What the older library's reference promises: how each method is called.
SIGNATURES = {
    "__init__": "(self, address, name='', key=None)",
    "connect": "(self)",
    "find": "(timeout=5)",
    "find_all": "(timeout=5)",
    "fire_orientation_read": "(self)",
    "on_orientation": "(self, cb)",
    "on_steps": "(self, cb)",
    "pair": "(self)",
    "read_info": "(self)",
    "wait_until_break": "(self)",
}
PROPERTIES = ["battery", "current_time", "orientation", "steps"]
ATTRIBUTES = """address name key appearance privacy_flag min_connection_int max_connection_int slave_latency
timeout_mult service_changed_start service_changed_end system_id serial_number hardware_rev software_rev vendor_src
vendor_id product_id product_ver""".split()

REFERENCE = """
import inspect, json
from amazfit import Core2

def plain(function):
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))

chip = Core2("aa:BB:cc:dd:EE:ff", "shoe", bytes(16))
members = dict(inspect.getmembers(Core2))
print(json.dumps({
    "signatures": {name: plain(member) for name, member in members.items()
                   if inspect.isfunction(member) or inspect.ismethod(member)},
    "class methods": [name for name, member in members.items() if inspect.ismethod(member)],
    "read only": [name for name, member in members.items()
                  if isinstance(member, property) and member.fset is None],
    "attributes": [name for name in dir(chip) if not name.startswith("_")],
}))
"""


@no_bluetooth
def test_reference() -> None:
    """Every name of the reference is there, and takes what it took."""
    env = {"PYTHONPATH": str(MODULE), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    result = run_command(["/usr/bin/python3", "-c", REFERENCE], env)
    assert result.status == 0, result.stderr
    module = json.loads(result.stdout)
    assert {name: module["signatures"].get(name) for name in SIGNATURES} == SIGNATURES
    assert {"find", "find_all"} <= set(module["class methods"])
    assert set(PROPERTIES) <= set(module["read only"])
    assert set(ATTRIBUTES) | set(PROPERTIES) <= set(module["attributes"])


@no_bluetooth
def test_installed(installed: Path) -> None:
    """Every file of the module is installed, where python3 looks for modules."""
    (module,) = installed.rglob("amazfit")
    assert module.parent.name in ("dist-packages", "site-packages")
    files = {path.name for path in (MODULE / "amazfit").glob("*.*")}
    assert {path.name for path in module.iterdir()} == files
