"""Leaves out the tests of an optional package where that is not installed, and says so at the end of the run."""

from importlib.util import find_spec
from pathlib import Path

import pytest

BGE_TESTS = Path(__file__).parents[1] / "adapters" / "sentence_transformers" / "bge"


def has_bge() -> bool:
    """True where the extra is installed."""
    return find_spec("sentence_transformers") is not None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """These tests cannot even be imported without PyTorch."""
    return True if collection_path == BGE_TESTS and not has_bge() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, so that nobody believes they were run."""
    if not has_bge():
        where = BGE_TESTS.relative_to(BGE_TESTS.parents[3])
        terminalreporter.write_line(f"not run: {where}, which needs the extra bge; run `make test-bge`", yellow=True)
