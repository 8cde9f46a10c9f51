"""The full-text index over the chunks of documents: its ranking, and its examination.

The tables are filled by triggers (migration 0004), so they are as the chunks are in every state that can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from domain.errors import InvalidInput
from ports.errors import StorageCorrupt

_BATCH = 100
_NO_SCORE = (asyncpg.InvalidArgumentForLogarithmError, asyncpg.DivisionByZeroError)

# Operations and their order are those of the in-memory index, so that equal scores are equal here too. The best are
# found without the chunks themselves; WITH TIES, because their ids decide among equal scores.
SEARCH = Sql(
    """
    WITH query AS (
        SELECT term, min(place) AS place FROM unnest($1::text[]) WITH ORDINALITY AS given(term, place) GROUP BY term
    ), totals AS (
        SELECT coalesce(sum(chunks), 0)::float8 AS chunks, sum(length)::float8 AS length FROM knowledge_totals
    ), weights AS MATERIALIZED (
        SELECT term, place, greatest(ln((totals.chunks - found.chunks + 0.5) / (found.chunks + 0.5)), 1e-6) AS idf
        FROM query
        CROSS JOIN totals
        CROSS JOIN LATERAL (
            SELECT sum(chunk_count)::float8 AS chunks FROM knowledge_postings WHERE knowledge_postings.term = query.term
        ) AS found
        WHERE found.chunks > 0
    ), scores AS (
        SELECT chunk_row, sum(
            idf * (count * 2.2::float8 / (
                count + 1.2::float8 * (0.25::float8 + 0.75::float8 * (posting.length * totals.chunks / totals.length))
            )) ORDER BY place
        ) AS score
        FROM weights
        CROSS JOIN totals
        JOIN knowledge_postings ON knowledge_postings.term = weights.term
        JOIN knowledge_documents ON knowledge_documents.document_id = knowledge_postings.document_id
        CROSS JOIN LATERAL unnest(chunk_rows, counts, lengths) AS posting (chunk_row, count, length)
        WHERE scope_key = ANY($2::text[]) AND (cardinality($3::text[]) = 0 OR document_type = ANY($3::text[]))
        GROUP BY chunk_row
    ), best AS (
        SELECT chunk_row, score FROM scores ORDER BY score DESC FETCH FIRST $4 ROWS WITH TIES
    )
    SELECT score, knowledge_chunks.document_sha256, knowledge_chunks.document
    FROM best JOIN knowledge_chunks ON knowledge_chunks.row_id = best.chunk_row
    ORDER BY score DESC, chunk_id
    LIMIT $4
    """,
    ("terms", "scopes", "types", "limit"),
)
# The next documents by id, whether they exist or only the index has them, and whether their postings are wrong.
_CHECK_POSTINGS = Sql(
    """
    WITH page AS (
        (SELECT document_id FROM knowledge_documents WHERE document_id > $1 ORDER BY document_id LIMIT $2)
        UNION
        (SELECT DISTINCT document_id FROM knowledge_postings WHERE document_id > $1 ORDER BY document_id LIMIT $2)
        ORDER BY document_id LIMIT $2
    ), entries AS (
        SELECT document_id, term, row_id, count(*) AS count, length, 1 AS side
        FROM page
        JOIN knowledge_chunks USING (document_id)
        CROSS JOIN LATERAL string_to_array(terms, ' ') AS words
        CROSS JOIN LATERAL cardinality(words) AS length
        CROSS JOIN LATERAL unnest(words) AS term
        GROUP BY document_id, term, row_id, length
        UNION ALL
        SELECT document_id, term, posting.*, -1
        FROM page
        JOIN knowledge_postings USING (document_id)
        CROSS JOIN LATERAL unnest(chunk_rows, counts, lengths) AS posting (row_id, count, length)
    ), wrong AS (
        SELECT document_id FROM entries GROUP BY document_id, term, row_id, count, length HAVING sum(side) <> 0
    )
    SELECT document_id, document_id IN (SELECT document_id FROM wrong) FROM page ORDER BY document_id
    """,
    ("after", "limit"),
)
# The totals of the index beside the true ones, if they differ.
_CHECK_TOTALS = Sql(
    """
    SELECT stored.chunks, there.chunks, stored.length, there.length
    FROM (
        SELECT coalesce(sum(chunks), 0) AS chunks, coalesce(sum(length), 0) AS length FROM knowledge_totals
    ) AS stored, (
        SELECT count(*) AS chunks, coalesce(sum(cardinality(string_to_array(terms, ' '))), 0) AS length
        FROM knowledge_chunks
    ) AS there
    WHERE (stored.chunks, stored.length) <> (there.chunks, there.length)
    """
)


async def search(
    database: PostgresDatabase, terms: Sequence[str], parameters: Mapping[str, Any]
) -> list[asyncpg.Record]:
    """Score, checksum and document of the best ``limit`` chunks in ``scopes`` and ``types`` with one of the terms.

    Raises:
        StorageCorrupt: the index holds more chunks of a term than it counts in all, so that there is no score.
    """
    # The server's text holds no NUL, so neither does a term that can be found.
    known = [term for term in terms if "\0" not in term]
    try:
        return await database.read(SEARCH, {**parameters, "terms": known})
    except InvalidInput as error:
        if isinstance(error.__cause__, _NO_SCORE):
            raise StorageCorrupt(
                f"the full-text index of {database.options.where} does not fit its chunks; restore it from a backup"
            ) from error
        raise


async def check_index(database: PostgresDatabase) -> list[str]:
    """Where the index differs from the chunks."""
    problems = []
    after = ""
    while rows := await database.read(_CHECK_POSTINGS, {"after": after, "limit": _BATCH}):
        problems += [
            f"full-text index, document_id {document_id!r}: does not fit the chunks; save the document again"
            for document_id, is_wrong in rows
            if is_wrong
        ]
        after = rows[-1][0]
    problems += [
        f"full-text index: counts {chunks} chunks with {length} terms, {true_chunks} with {true_length} are there"
        for chunks, true_chunks, length, true_length in await database.read(_CHECK_TOTALS)
    ]
    return problems
