"""Tests that measure time have the machine to themselves: a run in several processes leaves them out, and says so."""

import pytest

MARKER = "timed"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave them out beside other processes; elsewhere run them untraced, as tracing takes several times as long."""
    timed = [item for item in items if item.get_closest_marker(MARKER)]
    if hasattr(config, "workerinput"):
        items[:] = [item for item in items if not item.get_closest_marker(MARKER)]
        config.hook.pytest_deselected(items=timed)
        return
    for item in timed:
        item.add_marker("no_cover")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line, so that nobody believes they were run."""
    if config.getoption("numprocesses", default=None):
        terminalreporter.write_line(
            f"not run beside others: tests that measure time; run `pytest -m {MARKER}`", yellow=True
        )
