# SPDX-License-Identifier: LGPL-2.1-or-later
"""System calls of a running program: seen, and made to fail or to be its last."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from .bus import Bus
from .loop import wait_for
from .process import Process

#: What touches files. With -yy each line shows the path of its descriptors.
CALLS = (
    "openat,open,creat,write,pwrite64,writev,fsync,fdatasync,ftruncate,fallocate,fchmod,fchmodat,"
    "rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,close"
)

_LINE = re.compile(r"^(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)$")


class Strace:
    """Follows a process while the with block runs.

    inject is what strace's option of that name takes, as "fsync:error=EIO:when=2".
    """

    def __init__(
        self, bus: Bus, pid: int, directory: Path, inject: str = "", file: Path | None = None
    ) -> None:
        """directory: only its files, and those below, are looked at. file: no call is seen, or
        tampered with, but those on this one."""
        self._bus = bus
        self._pid = pid
        self._directory = str(directory)
        self._inject = ["-e", f"inject={inject}"] if inject else []
        self._inject += ["-P", str(file)] if file is not None else []
        self._process: Process

    def __enter__(self) -> Strace:
        argv = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS}", *self._inject]
        self._process = self._bus.start([*argv, "-p", str(self._pid)])
        self._process.expect_end()  # together with the program, perhaps
        wait_for(lambda: "attached" in self.log, what="strace to attach", died_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()

    @property
    def log(self) -> str:
        return self._process.stderr

    @property
    def injected(self) -> list[str]:
        """The lines of the calls that were tampered with."""
        return [line for line in self.log.splitlines() if "(INJECTED)" in line]

    def calls(self) -> list[tuple[str, int]]:
        """Calls that changed files of the directory, in order: name, and the how-manieth of that name."""
        counts: dict[str, int] = {}
        found = []
        for line in self.log.splitlines():
            match = _LINE.match(line)
            if match is None:
                continue
            name = match[1]
            counts[name] = counts.get(name, 0) + 1
            reads = name.startswith("open") and "O_CREAT" not in line and "O_RDWR" not in line
            if self._directory in line and name != "close" and not reads:
                found.append((name, counts[name]))
        return found
