"""The statements about the messages of a case."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import bindparam, exists, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from adapters.postgres.documents import document_values
from adapters.postgres.paging import compile_page
from adapters.postgres.sql import Sql, compile_sql
from adapters.sql import statements
from adapters.sql.tables import case_messages, cases
from ports.paging import MAX_LIMIT


def add_message() -> Sql:
    """Append the message of the parameters to its case, whose own row counts the messages.

    Its number in the case comes back; no row if the id ``:message_id`` is known, or the case is not, see
    `why_not_added`. A message of the same id that comes in at the same moment violates
    ``uq_case_messages_message_id``: repeat it.
    """
    counted = statements.count_message().where(~statements.case_of_message().exists()).cte("counted")
    columns = statements.columns_of(case_messages)
    parameters = {name: bindparam(name, type_=case_messages.c[name].type) for name in columns}
    values = parameters | document_values() | {"seq": counted.c.message_count}
    return compile_sql(
        insert(case_messages)
        .from_select(columns, select(*(values[name] for name in columns)).select_from(counted))
        .returning(case_messages.c.seq)
    )


def why_not_added() -> Sql:
    """The case that has the message ``:message_id``, or None; and whether the case ``:case_id`` exists."""
    return compile_sql(
        select(
            statements.case_of_message().scalar_subquery(),
            exists().select_from(cases).where(cases.c.case_id == bindparam("case_id")),
        )
    )


@lru_cache(maxsize=MAX_LIMIT)
def page_of_messages(limit: int) -> Sql:
    """So many messages of the case ``:key`` in their order, with their number.

    The limit is written into the text. PostgreSQL takes an unknown one for a tenth of the rows; in a long case it then
    thinks a plan for all parameters dear, and plans anew with every call: 40 of 210 µs with 10,000 messages.
    """
    return compile_page(
        statements.message_count(),
        statements.page_of_messages().limit(literal_column(str(limit))).add_columns(case_messages.c.seq),
        statements.MESSAGE_ROW,
        lambda page: (page.seq,),
    )
