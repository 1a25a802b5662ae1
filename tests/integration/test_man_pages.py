# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages: that they are clean, installed, and tell what the programs and interfaces really have."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import SOURCE, Result, build_directory

Run = Callable[..., Result]

WRITTEN = sorted(page for folder in ("client-tool", "daemon") for page in SOURCE.glob(f"{folder}/**/*.[1-9]"))
INTERFACES = build_directory() / "dbus-interfaces" / "org.example.Core2.5"
CORE2D = build_directory() / "daemon" / "core2d"
XML = sorted((SOURCE / "dbus-interfaces").glob("org.example.Core2*.xml"))


def plain(page: Path) -> str:
    """The page's source without fonts and escapes."""
    text = re.sub(r"\\f[BRI]", "", page.read_text())
    return text.replace("\\-", "-").replace("\\(aq", "'")


@pytest.mark.parametrize("page", [*WRITTEN, INTERFACES], ids=lambda page: page.name)
def test_page_is_clean(run_command: Run, page: Path) -> None:
    shown = run_command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
    assert (shown.status, shown.stderr) == (0, "")
    assert shown.stdout
    # What rst2man writes has its habits; it must be free of errors.
    level = "error" if page == INTERFACES else "warning"
    lint = run_command("mandoc", "-T", "lint", "-W", level, page)
    assert lint.stdout + lint.stderr == ""


def test_a_bad_page_is_noticed(run_command: Run, tmp_path: Path) -> None:
    """The check above can fail."""
    page = tmp_path / "bad.1"
    page.write_text(".TH BAD 1 2026-11-21\n.SH NAME\nbad\n.RE\n.nonsense\n")
    assert run_command("mandoc", "-T", "lint", "-W", "error", page).stdout
    assert run_command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page).stderr


def test_all_pages_are_installed(run_command: Run) -> None:
    result = run_command("meson", "introspect", "--installed", build_directory())
    installed = {Path(target).name.removesuffix(".gz") for target in json.loads(result.stdout).values()}
    assert {page.name for page in [*WRITTEN, INTERFACES]} <= installed
    assert {
        "core2ctl.1", "core2d.8", "core2d.conf.5", "core2-history.5", "core2-desk.1", "core2-notify.8",
        "org.example.Core2.5",
    } <= installed  # fmt: skip


def test_references_lead_somewhere() -> None:
    """Each page of ours that a page refers to exists."""
    ours = {page.name for page in [*WRITTEN, INTERFACES]}
    for page in [*WRITTEN, INTERFACES]:
        named = re.findall(r"((?:org\.example\.)?[Cc]ore2[\w.-]*) ?\((\d)\)", plain(page))
        assert {f"{name}.{section}" for name, section in named} <= ours, page.name


def test_configuration_page_has_every_option() -> None:
    """Groups, options, ranges and defaults as `core2d --print-config` has them, in the same order."""
    printed = subprocess.run([CORE2D, "--print-config"], capture_output=True, text=True, check=True)
    options = []
    group = limits = ""
    for line in printed.stdout.splitlines():
        if line.startswith("["):
            group = line
        elif line.startswith("# From "):
            limits = line
        elif "=" in line and not line.startswith("#"):
            options.append((group, line.split("=")[0], limits))
    assert options

    page = plain(SOURCE / "daemon" / "core2d.conf.5")
    documented = []
    for section in page.split("\n.SH ")[1:]:
        header, _, body = section.partition("\n")
        for entry in f"\n{body}".split("\n.TP\n")[1:]:
            name, _, text = entry.partition("\n")
            if match := re.fullmatch(r"\.B (\w+)=", name):
                documented.append((header, match[1], text))

    assert [(g.upper(), name) for g, name, _ in options] == [(g, name) for g, name, _ in documented]
    for (_, name, limits), (_, _, text) in zip(options, documented, strict=True):
        low, high, default = re.fullmatch(r"# From (\S+) to (\S+), default (\S+)\.", limits).groups()  # type: ignore[union-attr]
        assert f"Default: {default}." in text, name
        if (low, high) == ("0", "1"):
            assert "(1)" in text and "(0)" in text, name
        else:
            assert f"from {low} to {high}" in text, name


@pytest.mark.parametrize(
    ("page", "program"),
    [
        ("daemon/core2d.8", "daemon/core2d"),
        ("client-tool/notify/core2-notify.8", "client-tool/notify/core2-notify"),
    ],
)
def test_page_has_every_option(run_command: Run, page: str, program: str) -> None:
    shown = run_command(build_directory() / program, "--help").stdout
    section = plain(SOURCE / page).split(".SH OPTIONS\n")[1].split(".SH ")[0]
    assert set(re.findall(r"--[a-z][a-z-]+", section)) == set(re.findall(r"--[a-z][a-z-]+", shown))


def test_interface_page_has_every_member() -> None:
    """Whatever the XML describes is in the page that is made of it, with its description."""
    text = plain(INTERFACES)
    seen = 0
    for file in XML:
        for interface in ElementTree.parse(file).iter("interface"):
            name = interface.attrib["name"]
            assert f"\n.SH {name.upper()}\n" in text  # as rst2man writes headings
            for kind, mark in (("method", "."), ("signal", "::"), ("property", ":")):
                for member in interface.iter(kind):
                    seen += 1
                    assert f"\n.SS {name}{mark}{member.get('name')}\n" in text, member.get("name")
    assert seen > 60
    assert "shake the chip" in text
