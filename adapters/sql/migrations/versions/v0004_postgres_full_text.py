"""The full-text index over the chunks' terms on PostgreSQL, whose own one cannot rank by BM25."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    # One row for a term and a document, since a document's chunks are written together: far fewer rows than one for
    # each chunk. The three arrays run side by side. The count stands in the index, so that it is read from there.
    """CREATE TABLE knowledge_postings (
        term text COLLATE "C" NOT NULL,
        document_id text COLLATE "C" NOT NULL,
        chunk_count integer NOT NULL GENERATED ALWAYS AS (cardinality(chunk_rows)) STORED,
        chunk_rows bigint[] NOT NULL,
        counts integer[] NOT NULL,
        lengths integer[] NOT NULL,
        CONSTRAINT pk_knowledge_postings PRIMARY KEY (term, document_id) INCLUDE (chunk_count)
    )""",
    "CREATE INDEX ix_knowledge_postings_document_id ON knowledge_postings (document_id)",
    # The number of all chunks and of all their terms is the sum over the rows. A writer adds to any row that no other
    # writer holds, or makes one: so none waits for another, and there are as many rows as there ever were writers.
    """CREATE TABLE knowledge_totals (
        slot bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_knowledge_totals PRIMARY KEY,
        chunks bigint NOT NULL,
        length bigint NOT NULL
    )""",
)

# What knowledge_postings holds for the chunks of the documents in `changed`, computed from their column of terms.
INSERT_POSTINGS = """
    INSERT INTO knowledge_postings (term, document_id, chunk_rows, counts, lengths)
    SELECT term, document_id, array_agg(row_id), array_agg(count), array_agg(length)
    FROM (
        SELECT document_id, row_id, term, count(*)::integer AS count, length
        FROM knowledge_chunks
        CROSS JOIN LATERAL string_to_array(terms, ' ') AS words
        CROSS JOIN LATERAL cardinality(words) AS length
        CROSS JOIN LATERAL unnest(words) AS term
        WHERE document_id IN (SELECT document_id FROM changed)
        GROUP BY document_id, row_id, term, length
    ) AS occurrences
    GROUP BY term, document_id
    ORDER BY term, document_id;
"""

# Triggers keep the index equal to the table, also where a foreign key deletes the chunks of a document.
FUNCTIONS = (
    f"""CREATE FUNCTION knowledge_chunks_changed() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
        more_chunks bigint;
        more_length bigint;
    BEGIN
        SELECT count(*), coalesce(sum(cardinality(string_to_array(terms, ' '))), 0)
        INTO more_chunks, more_length FROM changed;
        IF more_chunks = 0 THEN
            RETURN NULL;
        END IF;
        IF TG_OP = 'DELETE' THEN
            more_chunks := -more_chunks;
            more_length := -more_length;
        END IF;
        DELETE FROM knowledge_postings WHERE document_id IN (SELECT document_id FROM changed);
        {INSERT_POSTINGS}
        UPDATE knowledge_totals SET chunks = chunks + more_chunks, length = length + more_length
        WHERE slot = (SELECT slot FROM knowledge_totals LIMIT 1 FOR UPDATE SKIP LOCKED);
        IF NOT FOUND THEN
            INSERT INTO knowledge_totals (chunks, length) VALUES (more_chunks, more_length);
        END IF;
        RETURN NULL;
    END $$""",  # noqa: S608
    """CREATE FUNCTION knowledge_chunks_emptied() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        TRUNCATE knowledge_postings, knowledge_totals;
        RETURN NULL;
    END $$""",
)
TRIGGERS = (
    """CREATE TRIGGER knowledge_chunks_inserted AFTER INSERT ON knowledge_chunks
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_changed()""",
    """CREATE TRIGGER knowledge_chunks_deleted AFTER DELETE ON knowledge_chunks
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_changed()""",
    """CREATE TRIGGER knowledge_chunks_truncated AFTER TRUNCATE ON knowledge_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_emptied()""",
)
# The chunks that are there already.
FILL = (
    f"WITH changed AS (SELECT document_id FROM knowledge_documents) {INSERT_POSTINGS}",  # noqa: S608
    """INSERT INTO knowledge_totals (chunks, length)
    SELECT count(*), coalesce(sum(cardinality(string_to_array(terms, ' '))), 0) FROM knowledge_chunks""",
)


def upgrade() -> None:
    """Create the index; SQLite has its own since revision 0003."""
    if op.get_context().dialect.name == "postgresql":
        for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, *FILL):
            op.execute(statement)
