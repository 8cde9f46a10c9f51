"""The SQL of one collection."""
# Written into it are the quoted names of the collection and numbers that are computed here; values are bound.
# ruff: noqa: S608

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from adapters.pgvector.collection import Collection
from adapters.pgvector.where import Parameters, to_sql
from adapters.postgres.sql import Sql
from domain.filter import Filter

EXACT_ROWS = 2_000
"""Up to so many records that pass a filter are compared one by one: as fast as the index, and complete."""

READ_CHECKPOINT = Sql("SELECT text FROM vector_checkpoints WHERE collection = $1 AND name = $2", ("collection", "name"))
WRITE_CHECKPOINT = Sql(
    "INSERT INTO vector_checkpoints (collection, name, text) VALUES ($1, $2, $3)"
    " ON CONFLICT (collection, name) DO UPDATE SET text = excluded.text",
    ("collection", "name", "text"),
)
REMOVE_CHECKPOINT = Sql("DELETE FROM vector_checkpoints WHERE collection = $1 AND name = $2", ("collection", "name"))

_WIDTH = 100
"""How many candidates a walk through the index keeps in view (``ef_search``); more than are asked for."""
_BEYOND = 32
"""How many more."""
_MAX_WIDTH = 1_000

_STEPS = 20_000
"""After so many visited records a walk ends; what it has not found by then is cheaper to find without the index."""

_COLUMNS = "id, document, metadata::text AS metadata, embedding"
_FOUND = "id, document, metadata"

_NOISE, _NOISE_OF_A_COMPONENT = 1e-6, 1e-8
"""The server computes distances with 32 bits; measured errors are up to 4e-7 with 384 components, 8e-7 with 16,000.
Where it adds up without the vector registers of its processor, they grow with the number of components.
"""

_QUERY = "$1"
_CONDITION = "/* condition */"
"""Where the condition stands in a text that is kept."""
_KEPT_TEXTS = 100
"""Of so many limits the text is kept, for each kind of search."""

Bound = tuple[Sql, dict[str, Any]]
"""A statement and the values of its parameters."""


class Statements:
    """What is sent to the server. Locks are taken in the order of ids, so that no two writers wait for each other."""

    def __init__(self, collection: Collection) -> None:
        table = collection.table
        self._collection = collection
        self.noise: Final = _NOISE + _NOISE_OF_A_COMPONENT * collection.space.dimension
        """Of two distances of the server it is certain which is smaller where they differ by more."""
        # All texts of a search are the same for a limit, but for the condition.
        kept = lru_cache(_KEPT_TEXTS)
        self._compare_all = kept(lambda limit: self._ranked(self._by_comparison(limit)))
        self._walk = kept(lambda limit: self._ranked(self._by_walk(limit)))
        self._search = kept(self._searching)
        self.add: Final = Sql(
            f"""
            INSERT INTO {table} AS old (id, document, metadata, embedding)
            SELECT id, document, metadata::jsonb, embedding
            FROM unnest($1::text[], $2::text[], $3::text[], $4::vector[]) AS new (id, document, metadata, embedding)
            ORDER BY id COLLATE "C"
            ON CONFLICT (id) DO UPDATE
            SET document = excluded.document, metadata = excluded.metadata, embedding = excluded.embedding
            """,
            ("ids", "documents", "metadatas", "embeddings"),
        )
        self.lock: Final = Sql(f"SELECT id FROM {table} WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE", ("ids",))
        self.update: Final = Sql(
            f"""
            UPDATE {table} AS old
            SET document = coalesce(new.document, old.document),
                metadata = coalesce(new.metadata::jsonb, old.metadata),
                embedding = coalesce(new.embedding, old.embedding)
            FROM unnest($1::text[], $2::text[], $3::text[], $4::vector[]) AS new (id, document, metadata, embedding)
            WHERE old.id = new.id
            """,
            ("ids", "documents", "metadatas", "embeddings"),
        )
        self.delete: Final = Sql(
            f"""
            WITH locked AS (SELECT id FROM {table} WHERE id = ANY ($1::text[]) ORDER BY id FOR UPDATE),
            deleted AS (DELETE FROM {table} AS old USING locked WHERE old.id = locked.id RETURNING old.id)
            SELECT count(*) FROM deleted
            """,
            ("ids",),
        )
        self.get: Final = Sql(f"SELECT {_COLUMNS} FROM {table} WHERE id = ANY ($1::text[])", ("ids",))
        self.first_page: Final = Sql(f"SELECT {_COLUMNS} FROM {table} ORDER BY id LIMIT $1", ("limit",))
        self.next_page: Final = Sql(
            f"SELECT {_COLUMNS} FROM {table} WHERE id > $1 ORDER BY id LIMIT $2", ("after", "limit")
        )

    def count(self, where: Filter | None) -> Bound:
        """How many records pass."""
        parameters = Parameters()
        condition = to_sql(where, parameters)
        return _bound(f"SELECT count(*) FROM {self._collection.table} WHERE {condition}", parameters)

    def compare_all(self, vector: object, limit: int, where: Filter | None) -> Bound:
        """The nearest records of all that pass, see `_ranked`."""
        return _bound_to(self._compare_all(limit), vector, where)

    def walk(self, vector: object, limit: int, where: Filter | None) -> Bound:
        """The nearest records that a walk through the index finds, perhaps too few, see `_ranked`."""
        return _bound_to(self._walk(limit), vector, where)

    def search(self, vector: object, limit: int, where: Filter | None) -> Bound:
        """`compare_all` if few records pass, else `walk`, which the column ``walked`` says."""
        return _bound_to(self._search(limit), vector, where)

    def _searching(self, limit: int) -> str:
        # Of the two parts, the number decides before its first row which one is run.
        number = "(SELECT number FROM passing)"
        walk = self._by_walk(limit, ", true AS walked", f"{number} > {EXACT_ROWS} AND")
        comparison = self._by_comparison(limit, ", false AS walked", f"{number} <= {EXACT_ROWS} AND")
        return f"""
            WITH passing AS MATERIALIZED (
                SELECT count(*) AS number
                FROM (SELECT FROM {self._collection.table} WHERE {_CONDITION} LIMIT {EXACT_ROWS + 1}) AS first
            )
            {self._ranked(f"({walk}) UNION ALL ({comparison})", ", walked")}
            """

    def _ranked(self, found: str, more: str = "") -> str:
        """What was found with its distances by the server, nearest first. It computes them with 32 bits, so vectors
        come along where that does not tell which of two is nearer; they are most of what an answer costs.
        """
        table = self._collection.table
        return f"""
            SELECT id, document, metadata::text AS metadata, distance{more}, CASE WHEN least(
                distance - lag(distance) OVER by_distance, lead(distance) OVER by_distance - distance
            ) <= {self.noise!r} THEN (SELECT embedding FROM {table} AS same WHERE same.id = found.id) END AS embedding
            FROM ({found}) AS found WINDOW by_distance AS (ORDER BY distance)
            """

    def _by_comparison(self, limit: int, more: str = "", only_if: str = "") -> str:
        # No index is made for a sum, so none is used.
        return f"""
            SELECT {_FOUND}, (embedding <=> {_QUERY}) + 0 AS distance{more}
            FROM {self._collection.table} WHERE {only_if} {_CONDITION}
            ORDER BY distance, id LIMIT {limit}
            """

    def _by_walk(self, limit: int, more: str = "", only_if: str = "") -> str:
        """The settings of the walk hold for this statement alone, so they work behind a pooler, too. PostgreSQL
        evaluates them before the walk begins, because without them there is no row. ``relaxed_order`` gives back what
        ``strict_order`` drops: a record that is found late, but nearer than the ones before.
        """
        indexed = self._collection.indexed
        settings = {
            "hnsw.ef_search": max(_WIDTH, min(limit + _BEYOND, _MAX_WIDTH)),
            "hnsw.iterative_scan": "relaxed_order",
            "hnsw.max_scan_tuples": _STEPS,
            "hnsw.scan_mem_multiplier": 8,
        }
        chosen = " || ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
        # OFFSET 0 keeps the condition out of the walk, and COALESCE its estimate: were it taken to be selective, all
        # records would be read and sorted instead.
        return f"""
            SELECT {_FOUND}, embedding <=> {_QUERY} AS distance{more} FROM (
                SELECT * FROM {self._collection.table} WHERE {only_if} (SELECT {chosen}) IS NOT NULL
                ORDER BY {indexed("embedding")} <=> {indexed(f"{_QUERY}::vector")} OFFSET 0
            ) AS near
            WHERE coalesce({_CONDITION}, false) LIMIT {limit}
            """


def _bound(text: str, parameters: Parameters) -> Bound:
    return Sql(text, tuple(parameters.values)), parameters.values


def _bound_to(text: str, vector: object, where: Filter | None) -> Bound:
    parameters = Parameters()
    parameters.bind(vector)
    return _bound(text.replace(_CONDITION, to_sql(where, parameters)), parameters)
