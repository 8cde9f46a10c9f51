"""Prints, after a run with contract tests, which adapter kept which contract; what was not run shows as "-"."""

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from tests.contract.guard import ContractTests

PROPERTY = "contract"
OUTCOMES = ("failed", "skipped", "passed")

Table = dict[tuple[str, str], Counter[str]]
"""Outcomes by contract and adapter."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Write contract and adapter on each contract test; the reports carry it along, from other processes too."""
    for item in items:
        cls = getattr(item, "cls", None)
        if cls is not None and issubclass(cls, ContractTests):
            item.user_properties.append((PROPERTY, [cls.contract, cls.adapter]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, unless no contract test was run."""
    table = tabulate(terminalreporter.stats)
    if not table:
        return
    terminalreporter.section("contracts")
    for line in render(table):
        terminalreporter.write_line(line, red="failed" in line)


def tabulate(stats: Mapping[str, Iterable[object]]) -> Table:
    """Count the outcomes; a test that fails in its set-up or clean-up has failed."""
    table: Table = {}
    for category, outcome in (("passed", "passed"), ("skipped", "skipped"), ("failed", "failed"), ("error", "failed")):
        for report in stats.get(category, ()):
            if isinstance(report, pytest.TestReport) and (pair := dict(report.user_properties).get(PROPERTY)):
                contract, adapter = pair
                table.setdefault((contract, adapter), Counter())[outcome] += 1
    return table


def render(table: Table) -> list[str]:
    """The lines of the table: a row for each contract, a column for each adapter."""
    contracts = sorted({contract for contract, _ in table})
    adapters = sorted({adapter for _, adapter in table})
    rows = [["", *adapters]]
    rows.extend([contract, *(_cell(table.get((contract, adapter))) for adapter in adapters)] for contract in contracts)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(counts: Counter[str] | None) -> str:
    if counts is None:
        return "-"
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])
