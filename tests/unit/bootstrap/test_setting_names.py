"""What an adapter tells an operator to look at is a setting that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootstrap.configuration import VARIABLES

ADAPTERS = Path(__file__).parents[3] / "adapters"
NAMED = re.compile(r"(?<![A-Z_\w.])(?:REDIS|CHROMADB|EMBEDDING|DB|(?:CASE|USER|SESSION|VECTOR|BLOB)_STORAGE)_[A-Z_]+\b")
"""Names as they stand in messages: with capitals, and no constant of the driver."""
COMPOSED = {
    "postgres": (r"\{(?:\w+\.)*(?:settings_)?prefix\}_([A-Z_]+)", ("CASES_DB", "USERS_DB", "VECTORS_DB")),
    "pgvector": (r"\{(?:\w+\.)*settings_prefix\}_([A-Z_]+)", ("CASES_DB", "VECTORS_DB")),
    "openai": (r"\{self\._settings\}_([A-Z_]+)", ("EMBEDDING",)),
}
"""Names that are put together, by the package that does it."""


def texts(package: str = "*") -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(ADAPTERS.glob(f"{package}/*.py")))


def test_named_settings_exist() -> None:
    named = {name for name in NAMED.findall(texts()) if name != "REDIS_CLUSTER_HASH_SLOTS"}
    assert len(named) > 10
    assert named <= VARIABLES.keys()


@pytest.mark.parametrize("package", COMPOSED)
def test_composed_settings_exist(package: str) -> None:
    pattern, prefixes = COMPOSED[package]
    endings = set(re.findall(pattern, texts(package)))
    assert endings
    assert {f"{prefix}_{ending}" for prefix in prefixes for ending in endings} <= VARIABLES.keys()
