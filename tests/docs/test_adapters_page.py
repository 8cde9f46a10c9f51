"""The page of adapters says what the code and the tests say, and leaves nothing out."""

from __future__ import annotations

from typing import get_args

import pytest

from bootstrap.storage_settings import StorageSettings
from tests.docs.guide import REPOSITORY, run
from tests.docs.registry import PORTS, Port
from tests.plugins.contract_table import ELSEWHERE, EXPECTED

PAGE = REPOSITORY / "docs" / "adapters.md"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_page_is_up_to_date() -> None:
    """Made in a process of its own, since pytest collects the tests of the adapters for it."""
    code, page = run(REPOSITORY, "-m", "tests.docs.adapters_page")
    assert code == 0, page
    assert PAGE.read_text(encoding="utf-8") == page, "run `make docs`"


def test_registry_has_every_adapter_that_runs_a_contract() -> None:
    listed = {(contract, adapter.name) for port in PORTS for contract in port.contracts for adapter in port.adapters}
    expected = {(contract.partition(",")[0], name) for contract, names in EXPECTED.items() for name in names}
    assert listed == expected | set(ELSEWHERE)


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.title)
def test_registry_has_every_value_of_the_setting(port: Port) -> None:
    accepted = get_args(StorageSettings.model_fields[port.variable.lower()].annotation)
    assert {adapter.value for adapter in port.adapters} == set(accepted)


def test_every_contract_test_has_been_counted() -> None:
    """A row without tests would tell that nobody knows whether the adapter works."""
    rows = [line.split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `adapters." in line]
    assert len(rows) == sum(len(port.adapters) for port in PORTS)
    assert [row for row in rows if row[-1] == "0 |"] == []
