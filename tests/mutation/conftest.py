"""Prints a table after the tests of mutants: each mutant, what caught it, and the seconds."""

import pytest

CAUGHT_BY_PROPERTY = "caught by"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if a mutant was played."""
    rows = [
        (report.nodeid.partition("[")[2].rstrip("]"), catcher, report.duration)
        for report in terminalreporter.getreports("passed")
        for name, catcher in report.user_properties
        if name == CAUGHT_BY_PROPERTY
    ]
    if rows:
        terminalreporter.section("mutants")
    for mutant, catcher, seconds in rows:
        terminalreporter.write_line(f"{mutant:<34} {catcher:<40} {seconds:6.1f} s")
