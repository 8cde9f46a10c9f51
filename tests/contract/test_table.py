"""The table of contracts tells what was run, what failed and what is missing."""

from collections import Counter

import pytest

from tests.plugins.contract_table import PROPERTY, render, tabulate


def report(contract: str, adapter: str, outcome: str, when: str = "call") -> pytest.TestReport:
    """The report of a contract test."""
    return pytest.TestReport(
        nodeid="test",
        location=("test", 0, "test"),
        keywords={},
        outcome=outcome,  # type: ignore[arg-type]
        longrepr=None,
        when=when,  # type: ignore[arg-type]
        user_properties=[(PROPERTY, [contract, adapter])],
    )


def test_counts_outcomes() -> None:
    """Errors of fixtures are failures; reports of other tests do not count."""
    other = pytest.TestReport("other", ("other", 0, "other"), {}, "passed", None, "call")
    stats = {
        "": [report("Cases", "memory", "passed", "setup")],
        "passed": [report("Cases", "memory", "passed"), report("Cases", "memory", "passed"), other],
        "skipped": [report("Cases", "memory", "skipped", "setup")],
        "failed": [report("Cases", "sqlite", "failed")],
        "error": [report("Cases", "sqlite", "failed", "setup")],
        "warnings": [object()],
    }
    assert tabulate(stats) == {
        ("Cases", "memory"): Counter(passed=2, skipped=1),
        ("Cases", "sqlite"): Counter(failed=2),
    }


def test_shows_holes() -> None:
    """A contract that an adapter did not run is a dash, and nothing that failed or was skipped is left out."""
    lines = render(
        {
            ("Cases", "memory"): Counter(passed=2, skipped=1),
            ("Cases", "sqlite"): Counter(passed=1, failed=2),
            ("Users", "memory"): Counter(passed=3),
        }
    )
    assert lines == [
        "       memory               sqlite",
        "Cases  1 skipped, 2 passed  2 failed, 1 passed",
        "Users  3 passed             -",
    ]


def test_is_empty_without_contract_tests() -> None:
    """Without contract tests there is nothing to print."""
    assert tabulate({"passed": [], "warnings": []}) == {}
