"""A table at the end of the tests that break the product: which mutant was caught, by what, in how many seconds."""

import pytest

CAUGHT_BY_PROPERTY = "caught by"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if any mutant was played."""
    played = [
        (report.nodeid.partition("[")[2].rstrip("]"), what, report.duration)
        for report in terminalreporter.getreports("passed")
        for name, what in report.user_properties
        if name == CAUGHT_BY_PROPERTY
    ]
    if played:
        terminalreporter.section("mutants")
    for mutant, what, seconds in played:
        terminalreporter.write_line(f"{mutant:<34} {what:<40} {seconds:6.1f} s")
