"""A collection: one table, two indexes, and an entry that says which embedding space it belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass

import asyncpg

from adapters.pgvector.encoding import register_vectors
from adapters.postgres.options import PostgresOptions
from adapters.postgres.pool import Connection
from domain.errors import InvalidInput
from ports.errors import NotSupported, StorageCorrupt
from ports.vectors import EmbeddingSpace

OLDEST = (0, 8)
"""The oldest pgvector that goes on searching while a filter leaves too few of what its index found."""

MAX_DIMENSION = 16_000
"""What the type ``vector`` holds."""
_MAX_INDEXED = 2_000
_MAX_INDEXED_HALVES = 4_000
"""Up to so many dimensions an index takes vectors of 32-bit, and of 16-bit floats."""

# Names of indexes are up to 21 characters longer, and PostgreSQL cuts names after 63.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,41}")

# Any number will do, as long as every release takes the same.
_LOCK = 4_652_311_906

_CREATE_COLLECTIONS = """
    CREATE TABLE vector_collections (
        collection text COLLATE "C" CONSTRAINT pk_vector_collections PRIMARY KEY,
        model_id text NOT NULL,
        dimension integer NOT NULL,
        metric text NOT NULL
    )
"""
_CREATE_CHECKPOINTS = """
    CREATE TABLE vector_checkpoints (
        collection text COLLATE "C",
        name text COLLATE "C",
        text text NOT NULL,
        CONSTRAINT pk_vector_checkpoints PRIMARY KEY (collection, name)
    )
"""
_CREATE_RECORDS = """
    CREATE TABLE {table} (
        id text COLLATE "C" CONSTRAINT {primary_key} PRIMARY KEY,
        document text NOT NULL,
        metadata jsonb NOT NULL,
        embedding vector({dimension}) NOT NULL
    )
"""
# A pending list would have to be read through by every query.
_METADATA_INDEX = "CREATE INDEX {index} ON {table} USING gin (metadata jsonb_path_ops) WITH (fastupdate = off)"
_EMBEDDING_INDEX = (
    "CREATE INDEX {index} ON {table} USING hnsw (({indexed}) {operators}) WITH (m = 16, ef_construction = 100)"
)

_EXISTS = "SELECT to_regclass($1) IS NOT NULL"
_SPACE = "SELECT model_id, dimension, metric FROM vector_collections WHERE collection = $1"
_ADD_SPACE = "INSERT INTO vector_collections (collection, model_id, dimension, metric) VALUES ($1, $2, $3, $4)"

_EXTENSION = """
    SELECT default_version AS available, installed_version AS installed, to_regtype('vector') IS NOT NULL AS visible
    FROM pg_available_extensions WHERE name = 'vector'
"""


@dataclass(frozen=True, slots=True)
class Collection:
    """Where the vectors of one space are kept. Names are quoted identifiers."""

    name: str
    space: EmbeddingSpace

    def __post_init__(self) -> None:
        """Refuse what cannot be a table."""
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"the name of a collection is {self.name!r}; accepted: 1 to 42 letters, digits, dots, hyphens and "
                "underscores, the first one a letter or digit"
            )
        if not 1 <= self.space.dimension <= MAX_DIMENSION:
            raise InvalidInput(f"vectors have {self.space.dimension} dimensions; accepted: 1 to {MAX_DIMENSION}")
        if self.space.metric != "cosine":
            raise InvalidInput(f"the metric is {self.space.metric!r}; accepted: cosine")

    @property
    def table(self) -> str:
        """The table of the records."""
        return f'"vectors_{self.name}"'

    @property
    def metadata_index(self) -> str:
        """The index that serves filters."""
        return f'"ix_vectors_{self.name}_metadata"'

    @property
    def embedding_index(self) -> str | None:
        """The index that serves searches; None if there is none for so many dimensions."""
        return f'"ix_vectors_{self.name}_embedding"' if self.space.dimension <= _MAX_INDEXED_HALVES else None

    @property
    def is_indexed_whole(self) -> bool:
        """Whether the index holds the vectors as they are."""
        return self.space.dimension <= _MAX_INDEXED

    def indexed(self, vector: str) -> str:
        """What of a vector, given as SQL, the index holds."""
        if self.is_indexed_whole:
            return vector
        # Of length 1, because halves end at 65,504.
        return f"l2_normalize({vector})::halfvec({self.space.dimension})"

    def indexes(self) -> dict[str, str]:
        """The statements that make the indexes, by name."""
        definitions = {self.metadata_index: _METADATA_INDEX.format(index=self.metadata_index, table=self.table)}
        if self.embedding_index is not None:
            operators = "vector_cosine_ops" if self.is_indexed_whole else "halfvec_cosine_ops"
            definitions[self.embedding_index] = _EMBEDDING_INDEX.format(
                index=self.embedding_index, table=self.table, indexed=self.indexed("embedding"), operators=operators
            )
        return definitions

    def definitions(self) -> list[str]:
        """The statements that make it."""
        key = f'"pk_vectors_{self.name}"'
        table = _CREATE_RECORDS.format(table=self.table, primary_key=key, dimension=self.space.dimension)
        return [table, *self.indexes().values()]


async def prepare(connection: Connection, collection: Collection, options: PostgresOptions) -> None:
    """Make the extension and the collection if need be, one process at a time, all or nothing.

    Raises:
        InvalidInput: the collection belongs to another embedding space.
        NotSupported: pgvector is missing, too old, or out of sight; the message says who can help how.
        asyncpg.PostgresError: the server refuses a statement.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await _prepare_extension(connection, options)
        if not await connection.fetchval(_EXISTS, "vector_collections"):
            await connection.execute(_CREATE_COLLECTIONS)
        if not await connection.fetchval(_EXISTS, "vector_checkpoints"):
            await connection.execute(_CREATE_CHECKPOINTS)
        found = await connection.fetchrow(_SPACE, collection.name)
        space = collection.space
        if found is None:
            for statement in collection.definitions():
                await connection.execute(statement)
            await connection.execute(_ADD_SPACE, collection.name, space.model_id, space.dimension, space.metric)
        elif tuple(found) != (space.model_id, space.dimension, space.metric):
            raise InvalidInput(
                f"the collection {collection.name!r} holds vectors of {found['model_id']} with {found['dimension']} "
                f"dimensions, but the chosen embedder is {space.model_id} with {space.dimension}. Choose the one that "
                f"filled it, or name another collection (CHROMADB_COLLECTION) and run "
                "`faultmaven knowledge reindex`."
            )
        elif not await connection.fetchval(_EXISTS, collection.table):
            raise StorageCorrupt(
                f"{options.where} has lost the table {collection.table} of the collection {collection.name!r}; restore "
                "it from a backup, or delete its row in vector_collections, start again and run "
                "`faultmaven knowledge reindex`"
            )
    # This connection was opened before the type was there.
    await register_vectors(connection)


async def find_space(connection: Connection, collection: str) -> EmbeddingSpace | None:
    """The space of the collection; None if there is no such collection.

    Raises:
        asyncpg.PostgresError: the server refuses a statement.
    """
    if not await connection.fetchval(_EXISTS, "vector_collections"):
        return None
    found = await connection.fetchrow(_SPACE, collection)
    return EmbeddingSpace(*found) if found else None


async def _prepare_extension(connection: Connection, options: PostgresOptions) -> None:
    where, needed = options.where, ".".join(map(str, OLDEST))
    offers = await connection.fetch(_EXTENSION)
    if not offers:
        raise NotSupported(
            f"the server of {where} does not offer the extension vector: install pgvector {needed} or newer on it (a "
            "package named like postgresql-18-pgvector), and let a superuser run CREATE EXTENSION vector in the "
            "database"
        )
    if offers[0]["installed"] is None:
        try:
            async with connection.transaction():
                await connection.execute("CREATE EXTENSION vector")
        except asyncpg.InsufficientPrivilegeError:
            raise NotSupported(
                f"{where} does not have the extension vector, and the user in {options.settings_prefix}_USER may not "
                "create it: let a superuser run CREATE EXTENSION vector in the database, and start again"
            ) from None
        offers = await connection.fetch(_EXTENSION)
    (found,) = offers
    if _version(found["installed"]) < OLDEST:
        is_offered = _version(found["available"]) >= OLDEST
        first = "" if is_offered else f"install pgvector {needed} or newer on the server, then "
        raise NotSupported(
            f"{where} has pgvector {found['installed']}; {needed} or newer is needed: {first}let the owner of the "
            "extension run ALTER EXTENSION vector UPDATE in the database"
        )
    if not found["visible"]:
        raise NotSupported(
            f"{where} has the extension vector in a schema that the user in {options.settings_prefix}_USER does not "
            "look into: add that schema to the user's search_path (ALTER ROLE ... SET search_path = ...)"
        )


def _version(written: str) -> tuple[int, ...]:
    return tuple(int(part) for part in written.split(".")[:2])
