"""The table of contracts tells what was run, what failed and what is missing."""

from collections import Counter

import pytest

from tests.plugins.contract_table import EXPECTED, PROPERTY, Table, missing, render, tabulate


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


def test_lists_every_contract_and_adapter() -> None:
    """Known pairs come in their order, and nothing that failed or was skipped is left out."""
    lines = render(
        {
            ("Unknown", "memory"): Counter(passed=3),
            ("CaseRepository", "sqlite"): Counter(passed=1, failed=2),
            ("CaseRepository", "memory"): Counter(passed=2, skipped=1),
        }
    )
    assert lines == [
        "CaseRepository  memory  2 passed, 1 skipped",
        "CaseRepository  sqlite  1 passed, 2 failed",
        "Unknown         memory  3 passed",
    ]


def test_names_what_a_complete_run_left_out() -> None:
    """A contract that an adapter did not run, or only skipped, is a hole."""
    table: Table = {
        (contract, adapter): Counter(passed=1) for contract, adapters in EXPECTED.items() for adapter in adapters
    }
    assert missing(table) == []
    del table["UserRepository", "postgres"]
    table["VectorStore", "pgvector"] = Counter(skipped=9)
    holes = missing(table)
    assert holes == [("UserRepository", "postgres"), ("VectorStore", "pgvector")]
    assert ["UserRepository", "postgres", "not", "run"] in [line.split() for line in render(table, holes)]


def test_says_where_the_others_are_run() -> None:
    """What needs an environment of its own is named with its command."""
    lines = render({("EmbeddingGenerator", "hashing"): Counter(passed=1)})
    assert lines[-1].split() == [
        "EmbeddingGenerator",
        "bge_m3",
        "run",
        "by",
        "make",
        "test-bge,",
        "which",
        "has",
        "PyTorch",
    ]
    assert "bge_m3" not in " ".join(render({("UserRepository", "memory"): Counter(passed=1)}))


def test_is_empty_without_contract_tests() -> None:
    """Without contract tests there is nothing to print."""
    assert tabulate({"passed": [], "warnings": []}) == {}
