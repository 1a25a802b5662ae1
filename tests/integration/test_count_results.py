# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sum of tests/check, and what it lets pass."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness import SOURCE

README = SOURCE / "tests/README.md"
CASE = '<testcase classname="{}" name="{}">{}</testcase>'
SKIPPED = '<skipped message="no root"/>'
FAILED = "<failure/>"


def count(tmp_path: Path, *cases: tuple[str, str, str], also: tuple[str, ...] = ()) -> tuple[int, str]:
    """Status and last line."""
    file = tmp_path / "results.xml"
    file.write_text(f"<testsuites>{''.join(CASE.format(*case) for case in cases)}</testsuites>")
    command = [SOURCE / "tests/count-results", "--allowed-skips", README]
    command += [option for step in also for option in ("--also-failed", step)]
    result = subprocess.run([*command, file], capture_output=True, text=True)
    return result.returncode, result.stdout.splitlines()[-1]


def allowed() -> list[str]:
    section = README.read_text().split("## Skips that are allowed\n")[1]
    return re.findall(r"^\* `([^`]+)`", section, re.MULTILINE)


def test_sum(tmp_path: Path) -> None:
    well = ("test_a", "test_one", "")
    assert count(tmp_path, well, well) == (0, "2 passed, 0 failed, 0 skipped")
    assert count(tmp_path, well, ("test_a", "test_two", FAILED)) == (1, "1 passed, 1 failed, 0 skipped")
    assert count(tmp_path, well, also=("fuzzing",)) == (1, "1 passed, 1 failed, 0 skipped")
    assert count(tmp_path) == (1, "0 passed, 0 failed, 0 skipped")
    assert count(tmp_path, well, ("test_a", "test_two", SKIPPED)) == (1, "1 passed, 0 failed, 1 skipped")


@pytest.mark.parametrize("name", allowed())
def test_allowed_skips(tmp_path: Path, name: str) -> None:
    """Each is of a test that there is, and lets no other one pass."""
    module, _, function = name.partition(".")
    assert f"def {function or 'test_'}" in (SOURCE / f"tests/integration/{module}.py").read_text()
    cases = [(module, function or "test_all[1]", SKIPPED), ("test_a", "test_one", "")]
    assert count(tmp_path, *cases) == (0, "1 passed, 0 failed, 1 skipped")
    others = [(f"{module}_other", function or "test_all", SKIPPED), ("test_a", "test_one", "")]
    assert count(tmp_path, *others) == (1, "1 passed, 0 failed, 1 skipped")
