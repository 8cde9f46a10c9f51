"""Backups that are made while a server is written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.backups import check
from tests.stateful.profiles import NIGHTLY


@pytest.mark.slow
@pytest.mark.chroma
@pytest.mark.timeout(1200)
def test_backups_under_write_load(tmp_path: Path) -> None:
    """Whatever was acknowledged before a backup began is in it, and nothing in it is torn."""
    number = 20 if NIGHTLY else 2
    results = check(number, tmp_path)
    assert len(results) == number
    assert all(result["files"] for result in results[1:])
