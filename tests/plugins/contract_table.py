"""Prints, after a run with contract tests, which adapter kept which contract.

After a run of all tests each pair of `EXPECTED` has to be there: what was not run is named, and the run has failed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import pytest

from tests.contract.guard import ContractTests

PROPERTY = "contract"
OUTCOMES = ("passed", "skipped", "failed")
NOT_RUN = "not run"

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "BlobStore": ("memory", "file"),
    "BlobStore, durable": ("file",),
    "CaseRepository": ("memory", "sqlite", "postgres"),
    "UserRepository": ("memory", "sqlite", "postgres"),
    "KnowledgeRepository": ("memory", "sqlite", "postgres"),
    "SessionStore": ("memory", "file", "sqlite", "redis", "redis cluster", "valkey"),
    "SessionStore, durable": ("file", "sqlite"),
    "CacheStore": ("memory", "file", "sqlite", "redis", "redis cluster", "valkey"),
    "VectorStore": ("memory", "chroma", "chroma server", "pgvector"),
    "EmbeddingGenerator": ("hashing", "onnx", "openai"),
}
ELSEWHERE: Mapping[tuple[str, str], str] = {("EmbeddingGenerator", "bge_m3"): "run by make test-bge, which has PyTorch"}
"""Pairs that have a run of their own."""

Table = dict[tuple[str, str], Counter[str]]
"""Outcomes by contract and adapter."""


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Write contract and adapter on each contract test; the reports carry it along, from other processes too."""
    for item in items:
        cls = getattr(item, "cls", None)
        if cls is not None and issubclass(cls, ContractTests):
            item.user_properties.append((PROPERTY, [cls.contract, cls.adapter]))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a complete run that left a contract out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _is_complete(session.config) and missing(tabulate(reporter.stats)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, unless no contract test was run."""
    table = tabulate(terminalreporter.stats)
    if not table:
        return
    terminalreporter.section("contracts")
    for line in render(table, missing(table) if _is_complete(config) else ()):
        terminalreporter.write_line(line, red="failed" in line or NOT_RUN in line)


def _is_complete(config: pytest.Config) -> bool:
    """True if nothing was chosen: this is a run of all tests."""
    options = config.option
    chosen = options.keyword or options.markexpr or options.collectonly or getattr(options, "lf", False)
    # A worker of pytest-xdist sees its part only.
    return (
        config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen and not hasattr(config, "workerinput")
    )


def tabulate(stats: Mapping[str, Iterable[object]]) -> Table:
    """Count the outcomes; a test that fails in its set-up or clean-up has failed."""
    table: Table = {}
    for category, outcome in (("passed", "passed"), ("skipped", "skipped"), ("failed", "failed"), ("error", "failed")):
        for report in stats.get(category, ()):
            if isinstance(report, pytest.TestReport) and (pair := dict(report.user_properties).get(PROPERTY)):
                contract, adapter = pair
                table.setdefault((contract, adapter), Counter())[outcome] += 1
    return table


def missing(table: Table) -> list[tuple[str, str]]:
    """The expected pairs of which no test passed."""
    expected = [(contract, adapter) for contract, adapters in EXPECTED.items() for adapter in adapters]
    return [pair for pair in expected if not table.get(pair, Counter())["passed"]]


def render(table: Table, not_run: Iterable[tuple[str, str]] = ()) -> list[str]:
    """The lines of the table: one for each contract and adapter, in the order of `EXPECTED`, then by name."""
    order = [(contract, adapter) for contract, adapters in EXPECTED.items() for adapter in adapters]
    pairs = {**dict.fromkeys(order), **dict.fromkeys(sorted(table)), **dict.fromkeys(ELSEWHERE)}
    gaps, run = set(not_run), {contract for contract, _ in table}
    rows = []
    for pair in pairs:
        if counts := table.get(pair):
            rows.append((*pair, ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])))
        elif pair in gaps:
            rows.append((*pair, NOT_RUN))
        elif pair in ELSEWHERE and pair[0] in run:
            rows.append((*pair, ELSEWHERE[pair]))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return ["  ".join([row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2]]) for row in rows]
