"""The full-text index over the chunks' terms on PostgreSQL, whose own one cannot rank by BM25."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = (
    # A row has the chunks of one document with a term, since a document's chunks are written together: far fewer rows
    # than one for each chunk. The three arrays run side by side. The count stands in the index, to be read from there.
    """CREATE TABLE knowledge_postings (
        term text COLLATE "C" NOT NULL,
        document_id text COLLATE "C" NOT NULL,
        chunk_count integer NOT NULL GENERATED ALWAYS AS (cardinality(chunk_rows)) STORED,
        chunk_rows bigint[] NOT NULL,
        counts integer[] NOT NULL,
        lengths integer[] NOT NULL
    )""",
    "CREATE INDEX ix_knowledge_postings_term ON knowledge_postings (term, document_id) INCLUDE (chunk_count)",
    "CREATE INDEX ix_knowledge_postings_document_id ON knowledge_postings (document_id)",
    # The number of all chunks and of all their terms is the sum over the rows. A writer adds to any row that no other
    # writer holds, or makes one: so none waits for another, and there are as many rows as there ever were writers.
    """CREATE TABLE knowledge_totals (
        slot bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_knowledge_totals PRIMARY KEY,
        chunks bigint NOT NULL,
        length bigint NOT NULL
    )""",
)

# Adds the postings of chunks, computed from their column of terms; completed with a FROM clause that has the columns of
# knowledge_chunks.
INSERT_POSTINGS = """
    INSERT INTO knowledge_postings (term, document_id, chunk_rows, counts, lengths)
    SELECT term, document_id, array_agg(row_id), array_agg(count), array_agg(length)
    FROM (
        SELECT occurrence.term COLLATE "C" AS term, document_id, row_id, count, cardinality(words) AS length
        FROM {chunks}
        CROSS JOIN LATERAL string_to_array(terms, ' ') AS words
        CROSS JOIN LATERAL (
            SELECT term, count(*)::integer AS count FROM unnest(words) AS term GROUP BY term
        ) AS occurrence
    ) AS occurrences
    GROUP BY term, document_id
"""

LENGTH = "coalesce(sum(cardinality(string_to_array(terms, ' '))), 0)::bigint"
REST = "(SELECT * FROM knowledge_chunks WHERE document_id IN (SELECT document_id FROM deleted)) AS rest"

# Triggers keep the index equal to the table, also where a foreign key deletes the chunks of a document.
FUNCTIONS = (
    """CREATE FUNCTION knowledge_totals_add(more_chunks bigint, more_length bigint) RETURNS void
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        UPDATE knowledge_totals SET chunks = chunks + more_chunks, length = length + more_length
        WHERE slot = (SELECT slot FROM knowledge_totals LIMIT 1 FOR UPDATE SKIP LOCKED);
        IF NOT FOUND THEN
            INSERT INTO knowledge_totals (chunks, length) VALUES (more_chunks, more_length);
        END IF;
    END $$""",
    f"""CREATE FUNCTION knowledge_chunks_inserted() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        {INSERT_POSTINGS.format(chunks="inserted")};
        PERFORM knowledge_totals_add(count(*), {LENGTH}) FROM inserted HAVING count(*) > 0;
        RETURN NULL;
    END $$""",
    # What is left of a document, should not all of its chunks have gone, is indexed anew.
    f"""CREATE FUNCTION knowledge_chunks_deleted() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        DELETE FROM knowledge_postings WHERE document_id IN (SELECT document_id FROM deleted);
        {INSERT_POSTINGS.format(chunks=REST)};
        PERFORM knowledge_totals_add(-count(*), -{LENGTH}) FROM deleted HAVING count(*) > 0;
        RETURN NULL;
    END $$""",  # noqa: S608
    """CREATE FUNCTION knowledge_chunks_truncated() RETURNS trigger
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        TRUNCATE knowledge_postings, knowledge_totals;
        RETURN NULL;
    END $$""",
)
TRIGGERS = (
    """CREATE TRIGGER knowledge_chunks_inserted AFTER INSERT ON knowledge_chunks
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_inserted()""",
    """CREATE TRIGGER knowledge_chunks_deleted AFTER DELETE ON knowledge_chunks
    REFERENCING OLD TABLE AS deleted FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_deleted()""",
    """CREATE TRIGGER knowledge_chunks_truncated AFTER TRUNCATE ON knowledge_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_chunks_truncated()""",
)
# The chunks that are there already.
FILL = (
    INSERT_POSTINGS.format(chunks="knowledge_chunks"),
    f"SELECT knowledge_totals_add(count(*), {LENGTH}) FROM knowledge_chunks",  # noqa: S608
)


def upgrade() -> None:
    """Create the index; SQLite has its own since revision 0003."""
    if op.get_context().dialect.name == "postgresql":
        for statement in (*TABLES, *FUNCTIONS, *TRIGGERS, *FILL):
            op.execute(statement)
