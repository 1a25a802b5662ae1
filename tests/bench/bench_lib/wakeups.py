# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a program wakes up for, by strace: a timer of its own, or a message; and what it does then."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import Bus, wait_for

#: Calls in which a program waits. One that was not to wait, as it polls before it goes on, has a time-out of 0.
_WAITS = re.compile(r"^(?:poll|ppoll|epoll_wait|restart_syscall|select|pselect6|futex|nanosleep|clock_nanosleep)\b")
_NO_WAIT = re.compile(r"(?:, 0\) += |tv_nsec=0\})")
_LINE = re.compile(r"^(\d+) +([\d.]+) (.*)$")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
#: Fields of a D-Bus header: member and name of the error.
_NAMES = re.compile(rb"([\x03\x04])\x01s\x00(?:(.)\x00\x00\x00)", re.DOTALL)


@dataclass(frozen=True)
class Wakeup:
    timer: bool  #: a time-out ended the wait, no message or signal
    what: str  #: what came and what was done


class WakeupTrace:
    """Follows a program from start() to stop()."""

    def __init__(self, bus: Bus, pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log
        argv = ["strace", "-f", "-ttt", "-xx", "-s", "4096", "-o", str(log), "-p", str(pid)]
        self.process = bus.start(argv)
        wait_for(lambda: "attached" in self.process.stderr, what="strace to attach")

    def stop(self) -> None:
        self.process.stop()

    @property
    def calls(self) -> int:
        """System calls, but for those in which it waited when the trace began or ended."""
        return sum(1 for lines in self._threads().values() for line in lines if _is_complete(line))

    def wakeups(self) -> list[Wakeup]:
        return [wakeup for lines in self._threads().values() for wakeup in _wakeups(lines)]

    def _threads(self) -> dict[str, list[str]]:
        threads: dict[str, list[str]] = {}
        unfinished: dict[str, str] = {}
        for line in self.log.read_text().splitlines():
            match = _LINE.match(line)
            if match is None:
                continue
            thread, text = match[1], match[3]
            if text.endswith("<unfinished ...>"):
                unfinished[thread] = text.removesuffix("<unfinished ...>").rstrip()
                continue
            if resumed := re.match(r"^<\.\.\. \w+ resumed>(.*)$", text):
                text = unfinished.pop(thread, "") + resumed[1]
            threads.setdefault(thread, []).append(text)
        return threads


def _is_complete(line: str) -> bool:
    return " = " in line and not line.endswith("<detached ...>") and " = ?" not in line


def _wakeups(lines: list[str]) -> Iterator[Wakeup]:
    """Each is a wait that ended, and the calls until the next wait."""
    block: list[str] = []
    for line in lines:
        if not _is_complete(line):
            continue
        if _WAITS.match(line) and not _NO_WAIT.search(line):
            if block:
                yield _describe(block)
            block = [line]
        elif block:
            block.append(line)
    if block:
        yield _describe(block)


def _describe(block: list[str]) -> Wakeup:
    timer = bool(re.search(r" = 0(?: \(Timeout\))?$", block[0]))
    came: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for line in block[1:]:
        call = line.split("(")[0]
        data = b"".join(bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(line))
        if call in ("recvmsg", "recvfrom", "recv"):
            came.update(_names(data))
        elif call in ("sendmsg", "sendto", "writev"):
            sent.update(_names(data) or (["WATCHDOG=1"] if b"WATCHDOG=1" in data else ["a reply"]))
        elif call not in ("poll", "ppoll", "getpid"):
            others[call] += 1
    parts = ["timer" if timer else _join("came", came) or "a reply came"]
    parts += [_join("sent", sent), _join("and", others)]
    return Wakeup(timer, "; ".join(part for part in parts if part))


def _names(data: bytes) -> list[str]:
    found = []
    for match in _NAMES.finditer(data):
        name = data[match.end() : match.end() + match[2][0]]
        if name.isascii() and name.replace(b".", b"").isalnum():
            found.append(name.decode())
    return found


def _join(verb: str, counts: Counter[str]) -> str:
    return f"{verb} {', '.join(sorted(counts))}" if counts else ""
