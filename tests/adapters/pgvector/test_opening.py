"""Opening a store: the extension, the collection, and who may make them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from adapters.pgvector import collection as collection_module
from adapters.pgvector.vectors import PgVectorStore
from adapters.postgres.sql import Sql
from domain.errors import InvalidInput
from ports.capabilities import Closeable, SupportsHealth
from ports.errors import NotSupported, StorageCorrupt, StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.adapters.pgvector.conftest import COLLECTION, Open, options_of
from tests.adapters.postgres.conftest import execute
from tests.contract.vectors.data import DIMENSION, SPACE, a_record, everything, put

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

USER = "test_pgvector_clerk"


@pytest.fixture
def fresh_dsn(new_database: Callable[..., str]) -> str:
    """The address of a database in which nothing has been made."""
    return new_database()


@pytest_asyncio.fixture(loop_scope="module")
async def clerk_dsn(fresh_dsn: str) -> AsyncIterator[str]:
    """The same database for a user who may make tables, but no extension."""
    await execute(fresh_dsn, f"CREATE USER {USER} PASSWORD 'clerk'", f"GRANT CREATE, USAGE ON SCHEMA public TO {USER}")
    parts = urlsplit(fresh_dsn)
    yield urlunsplit(parts._replace(netloc=f"{USER}:clerk@{parts.hostname}:{parts.port}"))
    await execute(fresh_dsn, f"DROP OWNED BY {USER}", f"DROP USER {USER}")


async def test_another_space_is_refused(open_store: Open) -> None:
    """A collection that was filled from another model is not opened; the message names both."""
    store = await open_store()
    await put(store, a_record(1))
    await store.aclose()
    for other in (EmbeddingSpace("other-model", DIMENSION), EmbeddingSpace(SPACE.model_id, 1024)):
        with pytest.raises(InvalidInput, match="CHROMADB_COLLECTION") as refusal:
            await open_store(other)
        for name in (SPACE.model_id, str(DIMENSION), other.model_id, str(other.dimension)):
            assert name in str(refusal.value)
    assert await (await open_store()).count() == 1
    beside = await open_store(EmbeddingSpace("other-model", 7), collection="another")
    assert await beside.count() == 0


async def test_collections_are_apart(open_store: Open) -> None:
    """Names that differ by case, or look like the name of an index, are collections of their own."""
    names = ["a", "A", "a_embedding", "a.b-c", "1", "x" * 42]
    stores = [await open_store(collection=name) for name in names]
    for number, store in enumerate(stores):
        await put(store, a_record(number))
    assert [await everything(store) for store in stores] == [[a_record(number)] for number in range(len(names))]
    for store in stores:
        assert await store.check_integrity() == []


@pytest.mark.parametrize("name", ["", "x" * 43, 'a"b', "a b", "a;b", "-a", "é", "a\n"])
async def test_names_that_cannot_be_a_table(open_store: Open, name: str) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(InvalidInput, match="1 to 42 letters"):
        await open_store(collection=name)


@pytest.mark.parametrize(
    "space", [EmbeddingSpace("m", 0), EmbeddingSpace("m", 16_001), EmbeddingSpace("m", 3, metric="euclidean")]
)
async def test_spaces_that_cannot_be_kept(open_store: Open, space: EmbeddingSpace) -> None:
    """The message says what is accepted."""
    with pytest.raises(InvalidInput, match="accepted"):
        await open_store(space, collection="none")


async def test_many_processes_start_at_once(fresh_dsn: str) -> None:
    """One makes everything, the others find it."""
    stores = await asyncio.gather(
        *(PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE) for _ in range(8)),
        *(PgVectorStore.open(options_of(fresh_dsn), "another", SPACE) for _ in range(4)),
    )
    for store in stores:
        await put(store, a_record(1))
        await store.aclose()


async def test_one_of_two_models_wins(fresh_dsn: str) -> None:
    """Of two processes that start at once with different models, one is refused."""
    spaces = [EmbeddingSpace("one", 3), EmbeddingSpace("other", 4)]
    results = await asyncio.gather(
        *(PgVectorStore.open(options_of(fresh_dsn), COLLECTION, space) for space in spaces), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["InvalidInput", "PgVectorStore"]
    for result in results:
        if isinstance(result, PgVectorStore):
            await result.aclose()


async def test_extension_that_nobody_has_created(clerk_dsn: str, fresh_dsn: str) -> None:
    """Who may not create it is told who may, and what that one has to do; then all is well."""
    with pytest.raises(NotSupported, match=r"PGVECTOR_USER.*superuser run CREATE EXTENSION vector"):
        await PgVectorStore.open(options_of(clerk_dsn), COLLECTION, SPACE)
    await execute(fresh_dsn, "CREATE EXTENSION vector")
    store = await PgVectorStore.open(options_of(clerk_dsn), COLLECTION, SPACE)
    await put(store, a_record(1))
    await store.aclose()


async def test_what_is_made_needs_no_right_to_make_it(clerk_dsn: str, fresh_dsn: str) -> None:
    """The owner makes the collection; another user who may change its rows serves it."""
    await (await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)).aclose()
    await execute(
        fresh_dsn,
        f"REVOKE CREATE ON SCHEMA public FROM {USER}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {USER}",
    )
    store = await PgVectorStore.open(options_of(clerk_dsn), COLLECTION, SPACE)
    await put(store, a_record(1))
    assert await store.delete([a_record(1).id]) == 1
    await store.aclose()
    with pytest.raises(StorageUnavailable, match="PGVECTOR_USER"):
        await PgVectorStore.open(options_of(clerk_dsn), "another", SPACE)


async def test_server_without_pgvector(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setattr(
        collection_module, "_EXTENSION", collection_module._EXTENSION.replace("name = 'vector'", "name = 'missing'")
    )
    with pytest.raises(NotSupported, match=r"install pgvector 0.8 or newer .* CREATE EXTENSION vector"):
        await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)


async def test_old_pgvector(fresh_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the package or only the extension is too old, the message says how to renew it; nothing is made."""
    monkeypatch.setattr(collection_module, "OLDEST", (99, 0))
    with pytest.raises(NotSupported, match=r"install pgvector 99.0 or newer on the server, then .*ALTER EXTENSION"):
        await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)
    monkeypatch.setattr(collection_module, "OLDEST", (0, 8))
    monkeypatch.setattr(
        collection_module, "_EXTENSION", collection_module._EXTENSION.replace("installed_version", "'0.7.4'")
    )
    with pytest.raises(NotSupported, match=r"has pgvector 0.7.4; 0.8 or newer is needed: let the owner .* UPDATE"):
        await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)
    monkeypatch.undo()
    await (await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)).aclose()


async def test_extension_in_another_schema(fresh_dsn: str) -> None:
    """It is used where the user looks into that schema; else the message says how to."""
    await execute(fresh_dsn, "CREATE SCHEMA apart", "CREATE EXTENSION vector SCHEMA apart")
    with pytest.raises(NotSupported, match="search_path"):
        await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)
    name = urlsplit(fresh_dsn).path.removeprefix("/")
    await execute(fresh_dsn, f'ALTER DATABASE "{name}" SET search_path = public, apart')
    store = await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)
    await put(store, a_record(1))
    assert await store.get([a_record(1).id]) == (a_record(1),)
    await store.aclose()


async def test_lost_table(fresh_dsn: str) -> None:
    """A collection whose table somebody has dropped is not made anew in silence."""
    store = await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)
    await execute(fresh_dsn, 'DROP TABLE "vectors_knowledge"')
    with pytest.raises(StorageCorrupt):
        await store.count()
    await store.aclose()
    with pytest.raises(StorageCorrupt, match="vector_collections"):
        await PgVectorStore.open(options_of(fresh_dsn), COLLECTION, SPACE)


async def test_integrity(open_store: Open) -> None:
    """Indexes that do not serve, and vectors that do not fit, are found and explained."""
    store = await open_store(collection="damaged")
    await put(store, a_record(1))
    assert await store.check_integrity() == []
    for command in (
        'DROP INDEX "ix_vectors_damaged_metadata"',
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"ix_vectors_damaged_embedding\"'::regclass",
    ):
        _ = await store._database.write(Sql(command))
    missing, invalid = await store.check_integrity()
    assert 'run CREATE INDEX "ix_vectors_damaged_metadata"' in missing
    assert 'REINDEX INDEX "ix_vectors_damaged_embedding"' in invalid
    for command in (
        missing[missing.index("CREATE INDEX") :],
        'DROP INDEX "ix_vectors_damaged_embedding"',
        'ALTER TABLE "vectors_damaged" ALTER COLUMN embedding TYPE vector',
        "UPDATE \"vectors_damaged\" SET embedding = '[1,2]'",
    ):
        _ = await store._database.write(Sql(command))
    problems = await store.check_integrity()
    assert any("1 vectors of the collection 'damaged' do not have 24 dimensions" in problem for problem in problems)


async def test_abilities(store: PgVectorStore) -> None:
    """It can be asked for its health and closed."""
    assert isinstance(store, SupportsHealth)
    assert isinstance(store, Closeable)
    await store.check_health()


async def test_older_database_gets_the_table_of_checkpoints(open_store: Open, module_dsn: str) -> None:
    """That of an older release has none; the records stay."""
    store = await open_store()
    await put(store, a_record(1))
    _ = await store._database.write(Sql("DROP TABLE vector_checkpoints"))
    again = await open_store()
    await again.write_checkpoint("copy", "text")
    assert await store.read_checkpoint("copy") == "text"
    assert await everything(again) == [a_record(1)]


async def test_collections_of_a_database_have_checkpoints_of_their_own(open_store: Open, module_dsn: str) -> None:
    """As their locations say, which tell nothing of the login."""
    store, same, other = await open_store(), await open_store(), await open_store(collection="apart")
    assert store.location == same.location == f"{options_of(module_dsn).location}#knowledge"
    assert other.location == f"{options_of(module_dsn).location}#apart"
    await store.write_checkpoint("copy", "mine")
    assert await other.read_checkpoint("copy") is None
