"""What can be wrong with a collection that was made right."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.pgvector.collection import Collection
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql

_IS_VALID = Sql("SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass($1)", ("index",))


async def find_problems(database: PostgresDatabase, collection: Collection) -> Sequence[str]:
    """The problems, in words, with what to do about them; reads every record.

    Raises:
        PortError: the database cannot be read.
    """
    problems = []
    for index, definition in collection.indexes().items():
        found = await database.read(_IS_VALID, {"index": index})
        if not found:
            problems.append(f"the index {index} is missing, so searches read all records; run {definition}")
        elif not found[0][0]:
            problems.append(f"the index {index} is not valid, so searches read all records; run REINDEX INDEX {index}")
    # The name of the table is a quoted identifier.
    wrong = Sql(f"SELECT count(*) FROM {collection.table} WHERE vector_dims(embedding) <> $1", ("dimension",))  # noqa: S608
    ((count,),) = await database.read(wrong, {"dimension": collection.space.dimension})
    if count:
        problems.append(
            f"{count} vectors of the collection {collection.name!r} do not have {collection.space.dimension} "
            "dimensions; run `faultmaven knowledge reindex`"
        )
    return problems
