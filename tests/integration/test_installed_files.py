# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` puts where: as a distribution would have it, and hardened."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from harness import SOURCE, build_directory

#: Every file that is installed must be of one of these kinds, and each kind must be there.
KINDS = [
    r"usr/bin/[a-z0-9-]+",
    r"usr/libexec/core2d",
    r"usr/lib/systemd/system/[a-z0-9-]+\.(service|timer|path)",
    r"usr/lib/systemd/system-preset/90-core2d\.preset",
    r"usr/lib/systemd/catalog/core2d\.catalog",
    r"usr/lib/sysusers\.d/core2d\.conf",
    r"usr/lib/python3/dist-packages/amazfit/([a-z0-9_]+\.py|py\.typed)",
    r"usr/share/bash-completion/completions/[a-z0-9-]+",
    r"usr/share/zsh/vendor-completions/_[a-z0-9-]+",
    r"usr/share/fish/vendor_completions\.d/[a-z0-9-]+\.fish",
    r"usr/share/dbus-1/interfaces/org\.example\.Core2[A-Za-z.]*\.xml",
    r"usr/share/dbus-1/system\.d/org\.example\.Core2\.conf",
    r"usr/share/dbus-1/system-services/org\.example\.Core2\.service",
    r"usr/share/polkit-1/actions/org\.example\.core2\.policy",
    r"usr/share/man/man1/[a-z0-9-]+\.1",
]
#: These may be there as well.
MORE_KINDS = [
    r"usr/lib/systemd/user/[a-z0-9-]+\.(service|timer|path)",
    r"usr/libexec/core2-[a-z-]+",
    r"usr/share/man/man[1578]/[A-Za-z0-9.-]+\.[1578]",
    r"usr/share/(applications|metainfo|icons|doc|glib-2\.0)/.*",
    r"usr/share/locale/.*\.mo",
]
#: What programs may be linked with; those for the desktop also with what belongs to GTK.
LIBRARIES = re.compile(
    r"lib(c|m|glib-2\.0|gio-2\.0|gobject-2\.0|systemd|mbedcrypto|json-glib-1\.0|sqlite3|z"
    r"|asan|ubsan|clang_rt\..*)\.so\.?[0-9]*"
)
DESKTOP_LIBRARIES = re.compile(r"lib(gtk-4|adwaita-1|gdk.*|gsk.*|graphene.*|pango.*|cairo.*|harfbuzz.*)\.so\.?[0-9]*")


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if not path.is_dir())


def programs(root: Path) -> list[Path]:
    """All that is in the format ELF."""
    found = [path for path in files(root) if path.read_bytes()[:4] == b"\x7fELF"]
    assert {"core2d", "core2ctl"} <= {path.name for path in found}
    return found


def option(name: str) -> str:
    """An option of the build."""
    command = ["meson", "introspect", str(build_directory()), "--buildoptions"]
    options = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return next(option["value"] for option in options if option["name"] == name)


def readelf(path: Path, *args: str) -> str:
    command = ["readelf", "--wide", *args, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_places(installed: Path) -> None:
    names = [str(path.relative_to(installed)) for path in files(installed)]
    places = KINDS + MORE_KINDS
    strange = [name for name in names if not any(re.fullmatch(kind, name) for kind in places)]
    assert not strange
    for kind in KINDS:
        assert any(re.fullmatch(kind, name) for name in names), kind


def test_modes(installed: Path) -> None:
    """What is run can be run, nothing else can, and nobody but the owner may write."""
    for path in installed.rglob("*"):
        mode = stat.S_IMODE(path.lstat().st_mode)
        runs = path.is_dir() or path.parent.name in ("bin", "libexec")
        assert mode == (0o755 if runs else 0o644), f"{path} has mode {mode:o}"
        assert not path.is_symlink()


def test_manual_pages(installed: Path) -> None:
    """One for each command, and man reads all of them without a complaint."""
    manual = installed / "usr/share/man"
    for command in (installed / "usr/bin").iterdir():
        assert (manual / f"man1/{command.name}.1").is_file(), command.name
    for page in files(manual):
        result = subprocess.run(
            ["man", "--warnings", "--encoding=UTF-8", "--local-file", str(page)],
            capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert result.returncode == 0 and not result.stderr, f"{page.name}: {result.stderr}"
        assert "NAME" in result.stdout and page.name.split(".")[0] in result.stdout, page.name


def test_xml(installed: Path) -> None:
    """Each interface is described in the file of its name, and polkit's actions are ours."""
    share = installed / "usr/share"
    for file in (share / "dbus-1/interfaces").iterdir():
        interfaces = ElementTree.parse(file).getroot().findall("interface")
        assert [interface.get("name") for interface in interfaces] == [file.stem]
    assert ElementTree.parse(share / "dbus-1/system.d/org.example.Core2.conf").getroot().tag == "busconfig"
    actions = ElementTree.parse(share / "polkit-1/actions/org.example.core2.policy").findall("action")
    assert actions
    for action in actions:
        name = action.get("id") or ""
        assert name.startswith("org.example.core2.")
        assert action.findtext("description") and action.findtext("message"), name
        assert {child.tag for child in action.find("defaults") or ()} == {
            "allow_any", "allow_inactive", "allow_active",
        }, name  # fmt: skip


def test_no_path_of_the_build(installed: Path) -> None:
    for path in files(installed):
        data = path.read_bytes()
        if data[:4] == b"\x7fELF":
            continue  # its debugging information names the sources, until it is stripped
        for place in (installed, SOURCE, build_directory()):
            assert str(place).encode() not in data, path


def test_completion_knows_the_commands(installed: Path) -> None:
    completion = (installed / "usr/share/bash-completion/completions/core2ctl").read_text()
    assert re.search(r"^complete .*\bcore2ctl$", completion, re.MULTILINE)


def test_linked_libraries(installed: Path) -> None:
    """Only what the packages are known to need, found where the system looks for it."""
    for program in programs(installed):
        dynamic = readelf(program, "--dynamic")
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
        assert needed
        strange = [library for library in needed if not LIBRARIES.fullmatch(library)]
        if program.name == "core2-desk":
            strange = [library for library in strange if not DESKTOP_LIBRARIES.fullmatch(library)]
        assert not strange, program
        assert "RPATH" not in dynamic and "RUNPATH" not in dynamic, program


def test_hardened_programs(installed: Path) -> None:
    """Position-independent, relocations read-only, no executable stack, stack canaries, branch targets."""
    for program in programs(installed):
        assert re.search(r"Type: +DYN \(Position-Independent Executable", readelf(program, "--file-header"))
        dynamic = readelf(program, "--dynamic")
        assert "BIND_NOW" in dynamic and "TEXTREL" not in dynamic, program
        segments = readelf(program, "--program-headers")
        assert "GNU_RELRO" in segments
        assert re.search(r"GNU_STACK .* RW ", segments), program
        assert "RWE" not in segments
        symbols = readelf(program, "--dyn-syms")
        assert "__stack_chk_fail" in symbols, program


def test_fortified_programs(installed: Path) -> None:
    """The C library checks the sizes of what is copied. A sanitizer does that in its own way."""
    for program in programs(installed):
        if program.name not in ("core2d", "core2ctl"):
            continue  # the others may have nothing to check
        symbols = readelf(program, "--dyn-syms")
        checked = "_chk@" in symbols.replace("__stack_chk_fail", "")
        assert checked or "__asan_init" in symbols, program


def test_branch_protection(installed: Path) -> None:
    """Every function of ours can only be entered at its first instruction."""
    if "x86_64" not in subprocess.run(["uname", "-m"], capture_output=True, text=True).stdout:
        pytest.fail("say here what this processor has instead")
    for program in programs(installed):
        command = ["objdump", "--disassemble=main", "--no-show-raw-insn", str(program)]
        code = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        first = re.search(r"<main>:\n +[0-9a-f]+:\t+(\w+)", code)
        assert first and first[1] == "endbr64", program


def test_compiled_with_every_flag() -> None:
    """Each file of the programs; the stack clash protection shows in large frames only."""
    units = json.loads((build_directory() / "compile_commands.json").read_text())
    ours = [
        unit["command"]
        for unit in units
        if Path(unit["directory"], unit["file"]).resolve().is_relative_to(SOURCE / "daemon")
        or Path(unit["directory"], unit["file"]).resolve().is_relative_to(SOURCE / "client-tool")
    ]
    assert len(ours) > 50
    flags = {"-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection"}
    if option("b_sanitize") == "none":
        flags.add("-D_FORTIFY_SOURCE=3")
    for command in ours:
        assert flags <= set(command.split()), command
