# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plugin of pytest: one line a test, as it ends."""

import pytest


def pytest_report_teststatus(report):
    """No letters: each check has its own line instead."""
    if report.when == "call":
        return report.outcome, "", ""
    return "error" if report.failed else "skipped" if report.skipped else "", "", ""


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
        name = report.nodeid
        measured = "".join(f", {key} {value}" for key, value in report.user_properties)
        self.terminal.write_line(f"{word} {self.count} - {name} ({report.duration:.1f} s{measured}){note}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    config.pluginmanager.register(Lines(terminal), "real-bluez-lines")
