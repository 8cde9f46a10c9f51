"""Other distributions add types of stores by entry points."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bootstrap.stores import VECTORS, InvalidStoreConfiguration, StoreFactory
from bootstrap.stores.registry import GROUP, accepted_types
from ports.errors import StorageUnavailable
from tests.builders import a_case

SHELF = """
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from adapters.memory.cases import InMemoryCaseRepository
from bootstrap.stores import CASES, StoreType
from bootstrap.stores.configurations import StoreConfiguration
from ports.errors import StorageUnavailable


class ShelfConfiguration(StoreConfiguration):
    type: Literal["shelf"] = "shelf"
    boards: Annotated[int, Field(ge=1)]
    weight: float = 1.0
    lock: SecretStr | None = None


@asynccontextmanager
async def open_shelf(configuration, opening):
    if configuration.boards > 5:
        raise StorageUnavailable("the shelf has fallen over")
    yield InMemoryCaseRepository()


SHELF = StoreType(CASES, "shelf", ShelfConfiguration, open_shelf)
NOT_A_TYPE = {"type": "shelf"}
TAKEN = StoreType(CASES, "sqlite", ShelfConfiguration, open_shelf)
"""
HEAP = """
from contextlib import asynccontextmanager
from typing import Literal

from adapters.memory.vectors import InMemoryVectorStore
from bootstrap.stores import VECTORS, StoreType
from bootstrap.stores.configurations import VectorConfiguration


class HeapConfiguration(VectorConfiguration):
    type: Literal["heap"] = "heap"


@asynccontextmanager
async def open_heap(configuration, opening):
    yield InMemoryVectorStore(configuration.space)


HEAP = StoreType(VECTORS, "heap", HeapConfiguration, open_heap)
"""

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and one entry point; gives the name of the module."""
    names = (f"acme_stores_{number}" for number in itertools.count())
    modules = []
    site = tmp_path / "site"
    site.mkdir()

    def install_it(source: str, attribute: str) -> str:
        name = next(names)
        modules.append(name)
        (site / f"{name}.py").write_text(source)
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\nthing = {name}:{attribute}\n")
        monkeypatch.syspath_prepend(str(site))
        return name

    yield install_it
    for name in modules:
        sys.modules.pop(name, None)


async def test_an_installed_type_is_one_of_those_that_are_accepted(install: Install) -> None:
    install(SHELF, "SHELF")
    async with StoreFactory.create_case_repository({"type": "shelf", "boards": 3}) as cases:
        case = await cases.save(a_case())
        assert await cases.get(case.case_id) == case
    with pytest.raises(InvalidStoreConfiguration, match="accepted: inmemory, postgres, shelf, sqlite"):
        StoreFactory.create_case_repository({"type": "drawer"})
    with pytest.raises(InvalidStoreConfiguration, match="accepted: inmemory, postgres, sqlite"):
        StoreFactory.create_user_repository({"type": "shelf"})


async def test_its_keys_are_checked_like_those_of_other_types(install: Install) -> None:
    install(SHELF, "SHELF")
    with pytest.raises(InvalidStoreConfiguration) as refused:
        StoreFactory.create_case_repository(
            {"type": "shelf", "boards": 0, "weight": "much", "lock": ["sesame"], "boadrs": 2}
        )
    assert dict(refused.value.problems) == {
        "boards": "0 is not accepted; accepted: a whole number of at least 1",
        "weight": "'much' is not accepted; accepted: a number",
        "lock": "****** is not accepted; accepted: text that is not empty",
        "boadrs": "is no key of the type 'shelf' (did you mean boards?); accepted: type, boards, weight, lock",
    }


async def test_its_errors_come_from_the_first_operation(install: Install) -> None:
    install(SHELF, "SHELF")
    async with StoreFactory.create_case_repository({"type": "shelf", "boards": 6}) as cases:
        with pytest.raises(StorageUnavailable, match="fallen over"):
            await cases.get("case_1")


async def test_a_vector_store_that_cannot_look_is_told_the_dimension(install: Install) -> None:
    install(HEAP, "HEAP")
    assert "heap" in accepted_types(VECTORS)
    with pytest.raises(InvalidStoreConfiguration, match="dimension: is missing; the type 'heap'"):
        StoreFactory.create_vector_store({"type": "heap"})
    async with StoreFactory.create_vector_store({"type": "heap", "dimension": 2}) as store:
        ids = await store.add_vectors([(1.0, 0.0)])
        assert [hit.id for hit in await store.search((1.0, 1.0), k=10)] == list(ids)


@pytest.mark.parametrize(
    ("source", "attribute", "reason"),
    [
        ("import missing_driver", "SHELF", "ModuleNotFoundError: No module named 'missing_driver'"),
        ("1 / 0", "SHELF", "ZeroDivisionError"),
        (SHELF, "MISSING", "AttributeError"),
        (SHELF, "NOT_A_TYPE", "is no StoreType"),
        (SHELF, "TAKEN", "the type 'sqlite' of a case repository is taken"),
    ],
)
async def test_one_that_cannot_be_loaded_is_named_to_whoever_may_mean_it(
    install: Install, tmp_path: Path, source: str, attribute: str, reason: str
) -> None:
    name = install(source, attribute)
    with pytest.raises(InvalidStoreConfiguration) as refused:
        StoreFactory.create_case_repository({"type": "shelf", "boards": 1})
    problems = dict(refused.value.problems)
    assert problems["type"] == "'shelf' is not accepted; accepted: inmemory, postgres, sqlite"
    assert reason in problems[f"entry point thing of {name}"]
    # And is in nobody else's way.
    async with StoreFactory.create_case_repository({"type": "sqlite", "path": str(tmp_path / "cases.db")}) as cases:
        assert await cases.scan() == ()


async def test_two_that_offer_the_same_are_refused(install: Install) -> None:
    install(SHELF, "SHELF")
    install(SHELF, "SHELF")
    with pytest.raises(InvalidStoreConfiguration, match="'shelf' is offered by 2 installed distributions"):
        StoreFactory.create_case_repository({"type": "shelf", "boards": 1})
