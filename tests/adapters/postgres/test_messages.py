"""The messages of a case, as PostgreSQL plans and reads them."""

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from tests.builders import a_case, a_message

_COPY = """
    INSERT INTO case_messages (message_id, case_id, seq, created_at, content_text, document_sha256, document)
    SELECT message_id || number, case_id, number, created_at, content_text, document_sha256, document
    FROM case_messages, generate_series(2, 10000) AS number
"""

_PLANS = """
    SELECT custom_plans, generic_plans FROM pg_prepared_statements
    WHERE statement LIKE 'SELECT (SELECT cases.message_count%'
"""


async def test_page_of_a_long_conversation_is_planned_once(database: PostgresDatabase) -> None:
    """After five plans of its own, PostgreSQL takes one that holds for every page, unless it thinks that one dear."""
    repository = PostgresCaseRepository(database)
    case = await repository.save(a_case(1))
    await repository.add_message(a_message(case.case_id))
    async with database.atomic() as connection:
        await connection.execute(_COPY)
        await connection.execute("UPDATE cases SET message_count = 10000")
        await connection.execute("ANALYZE cases, case_messages")
        for _ in range(10):
            page = await repository.get_messages(case.case_id, limit=20, offset=9_990)
            assert (len(page.items), page.total) == (10, 10_000)
        plans = await connection.fetch(_PLANS)
    assert [tuple(row) for row in plans] == [(5, 5)]
