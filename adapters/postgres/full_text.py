"""The full-text index over the chunks of documents: its ranking, and its examination.

The tables are filled by triggers (migration 0004), so they are as the chunks are in every state that can be seen.
"""

from __future__ import annotations

from adapters.postgres.sql import Sql

# Operations and their order are those of the in-memory index, so that equal scores are equal here too. The best are
# found without the chunks themselves; WITH TIES, because their ids decide among equal scores.
SEARCH = Sql(
    """
    WITH query AS (
        SELECT term, min(place) AS place FROM unnest($1::text[]) WITH ORDINALITY AS given(term, place) GROUP BY term
    ), totals AS (
        SELECT sum(chunks)::float8 AS chunks, sum(length)::float8 AS length FROM knowledge_totals
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
    SELECT score, knowledge_chunks.document_sha256, knowledge_chunks.document::text
    FROM best JOIN knowledge_chunks ON knowledge_chunks.row_id = best.chunk_row
    ORDER BY score DESC, chunk_id
    LIMIT $4
    """,
    ("terms", "scopes", "types", "limit"),
)
"""The chunks with one of ``terms``, with their scores."""

CHECK_POSTINGS = Sql(
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
"""The next documents by id, whether they exist or only the index has them, and whether their postings are wrong."""

CHECK_TOTALS = Sql(
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
"""The totals by which scores are computed beside the true ones, if they differ."""
