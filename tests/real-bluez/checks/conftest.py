# SPDX-License-Identifier: LGPL-2.1-or-later
"""One line a check, as it ends; and what the checks share."""

import pytest

import stack


def pytest_report_teststatus(report):
    """No dots: each check has its own line instead."""
    if report.passed:
        return report.outcome if report.when == "call" else "", "", ""
    return None


class Lines:
    """Prints the lines, as the Test Anything Protocol has them."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.count = 0

    def pytest_collection_finish(self, session):
        self.terminal.write_line(f"1..{len(session.items)}")

    def pytest_runtest_logreport(self, report):
        ended = report.when == "call" or (report.when == "setup" and not report.passed)
        if not ended and not (report.when == "teardown" and report.failed):
            return
        self.count += ended
        word = "not ok" if report.failed else "ok"
        note = " # SKIP" if report.skipped else ""
        name = report.nodeid.split("/")[-1]
        measured = "".join(f", {key} {value}" for key, value in report.user_properties)
        self.terminal.write_line(f"{word} {self.count} - {name} ({report.duration:.1f} s{measured}){note}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    config.pluginmanager.register(Lines(terminal), "real-bluez-lines")


@pytest.fixture
def bus():
    """A connection to the system bus of its own for each check."""
    with stack.Bus() as connection:
        yield connection
