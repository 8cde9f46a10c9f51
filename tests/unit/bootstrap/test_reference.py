"""The configuration page says what the settings say."""

from __future__ import annotations

from pathlib import Path

from bootstrap.configuration import VARIABLES
from bootstrap.reference import configuration_reference

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_reference(), "run `make docs`"


def test_page_names_every_variable() -> None:
    page = configuration_reference()
    assert [name for name in VARIABLES if f"| `{name}` |" not in page] == []
