"""A configuration that cannot be used is refused at once, with everything that is wrong and what is accepted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bootstrap.stores import BLOBS, CASES, InvalidStoreConfiguration, Opening, StoreFactory, open_store
from bootstrap.stores.builtin import BUILTIN
from bootstrap.stores.configurations import (
    FileConfiguration,
    PgVectorConfiguration,
    PostgresConfiguration,
    SqliteConfiguration,
)
from domain.errors import InvalidInput

CREATE = {
    "vectors": StoreFactory.create_vector_store,
    "cache": StoreFactory.create_cache_store,
    "sessions": StoreFactory.create_session_store,
    "cases": StoreFactory.create_case_repository,
    "users": StoreFactory.create_user_repository,
    "knowledge": StoreFactory.create_knowledge_repository,
    "blobs": StoreFactory.create_blob_store,
}
TYPES = {
    "vectors": "chromadb, inmemory, pgvector",
    "cache": "file, inmemory, redis, sqlite",
    "sessions": "file, inmemory, redis, sqlite",
    "cases": "inmemory, postgres, sqlite",
    "users": "inmemory, postgres, sqlite",
    "knowledge": "inmemory, postgres, sqlite",
    "blobs": "file, inmemory",
}
DSN = "postgresql://me:sesame@127.0.0.1:1/cases"


def problems(store: str, configuration: Any) -> dict[str, str]:
    with pytest.raises(InvalidStoreConfiguration) as refused:
        CREATE[store](configuration)  # type: ignore[operator]
    assert isinstance(refused.value, InvalidInput)
    found = dict(refused.value.problems)
    assert len(found) == len(refused.value.problems)
    for key, message in found.items():
        assert f"  {key}: {message}" in str(refused.value)
    return found


@pytest.mark.parametrize("store", CREATE)
def test_an_unknown_type_lists_those_that_are_accepted(store: str) -> None:
    assert problems(store, {"type": "mysql"}) == {"type": f"'mysql' is not accepted; accepted: {TYPES[store]}"}
    assert problems(store, {"path": "x"}) == {"type": f"is missing; accepted: {TYPES[store]}"}
    assert problems(store, {"type": ["sqlite"]}) == {"type": f"['sqlite'] is not accepted; accepted: {TYPES[store]}"}


@pytest.mark.parametrize("given", [None, "sqlite", ["type", "sqlite"]])
def test_what_has_no_keys_is_refused(given: object) -> None:
    assert problems("cases", given) == {"type": f"keys with values are expected, not {type(given).__name__}"}


def test_an_unknown_key_lists_those_of_the_type() -> None:
    found = problems("cases", {"type": "postgres", "connection": DSN, "poolsize": 3, "host": "sesame"})
    keys = "type, connection, pool_size, max_overflow, statement_timeout, pgbouncer"
    assert set(found) == {"poolsize", "host"}
    for key, message in found.items():
        assert message.startswith(f"is no key of the type 'postgres'{' (did you mean pool_size?)' * (key != 'host')}; ")
        assert set(message.partition("accepted: ")[2].split(", ")) == set(keys.split(", "))
        assert "sesame" not in message


def test_all_problems_are_told_at_once_with_what_is_accepted() -> None:
    assert problems(
        "vectors", {"type": "pgvector", "pool_size": 0, "dimension": "many", "pgbouncer": "perhaps", "collection": "-"}
    ) == {
        "connection": "is missing; accepted: an address of the form postgresql://user:password@host:5432/database",
        "pool_size": "0 is not accepted; accepted: a whole number from 1 to 1000",
        "dimension": "'many' is not accepted; accepted: a whole number from 1 to 16000",
        "pgbouncer": "'perhaps' is not accepted; accepted: true or false",
        "collection": "'-' is not accepted; accepted: text of the form ^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$",
    }


@pytest.mark.parametrize(
    ("store", "configuration"),
    [
        ("cases", {"type": "postgres", "connection": "mysql://me:sesame@host/cases"}),
        ("sessions", {"type": "redis", "url": "http://:sesame@host"}),
        ("sessions", {"type": "redis", "url": "redis://host", "password": ["sesame"]}),
        ("vectors", {"type": "chromadb", "url": "ftp://me:sesame@host", "api_key": ["sesame"]}),
        ("vectors", {"type": "chromadb", "path": "folder", "api_key": "sesame"}),
    ],
)
def test_no_secret_is_repeated(store: str, configuration: dict[str, object]) -> None:
    for message in problems(store, configuration).values():
        assert "sesame" not in message


def test_no_secret_is_shown_by_a_configuration() -> None:
    assert "sesame" not in repr(PostgresConfiguration(connection=SecretStr(DSN)))


@pytest.mark.parametrize("places", [{}, {"path": "folder", "url": "http://host:8000"}])
def test_chroma_is_in_one_place(places: dict[str, str]) -> None:
    assert problems("vectors", {"type": "chromadb", **places}) == {
        "path": "give either path (a folder, for the embedded Chroma) or url (a server)"
    }


def test_what_is_for_a_server_does_not_count_in_a_folder() -> None:
    assert problems("vectors", {"type": "chromadb", "path": "folder", "ca_file": "file"}) == {
        "ca_file": "is for a server; with path it does not count"
    }


async def test_the_model_of_a_type_is_accepted_too(tmp_path: Path) -> None:
    async with StoreFactory.create_case_repository(SqliteConfiguration(path=tmp_path / "cases.db")) as cases:
        assert await cases.scan() == ()
    assert (tmp_path / "cases.db").is_file()


def test_the_model_of_another_type_is_refused(tmp_path: Path) -> None:
    given = FileConfiguration(path=tmp_path)
    assert problems("cases", given) == {"type": "'file' is not accepted; accepted: inmemory, postgres, sqlite"}
    session_file = SqliteConfiguration(path=tmp_path)
    assert problems("sessions", session_file) == {
        "type": "sqlite takes SqliteSessionConfiguration, not SqliteConfiguration"
    }


def test_opening_at_once_refuses_the_same(tmp_path: Path) -> None:
    with pytest.raises(InvalidStoreConfiguration, match="store of uploaded files"):
        open_store(BLOBS, {"type": "file"}, Opening())
    with pytest.raises(InvalidStoreConfiguration, match="accepted: inmemory, postgres, sqlite"):
        open_store(CASES, {"type": "file", "path": str(tmp_path)}, Opening())


def test_every_type_says_its_own_name() -> None:
    for store_type in BUILTIN:
        assert store_type.configuration.model_fields["type"].default == store_type.name
    assert len({(store_type.kind, store_type.name) for store_type in BUILTIN}) == len(BUILTIN)


def test_the_defaults_are_those_of_the_settings() -> None:
    from bootstrap.settings import Settings

    configuration, settings = PgVectorConfiguration(connection=SecretStr(DSN)), Settings()
    assert configuration.collection == settings.chromadb_collection
    for key in ("pool_size", "max_overflow", "statement_timeout", "pgbouncer"):
        assert getattr(configuration, key) == getattr(settings, f"db_{key}")


def test_the_factory_loads_no_driver() -> None:
    """Neither its import nor a store that nobody has used yet."""
    program = (
        "import sys\n"
        "from bootstrap.stores import StoreFactory\n"
        "StoreFactory.create_vector_store({'type': 'chromadb', 'path': 'chroma'})\n"
        "StoreFactory.create_case_repository({'type': 'postgres', 'connection': 'postgresql://host/cases'})\n"
        "StoreFactory.create_cache_store({'type': 'redis', 'url': 'redis://host'})\n"
        "print([name for name in ('chromadb', 'asyncpg', 'redis', 'sqlalchemy', 'numpy', 'dependency_injector') "
        "if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
