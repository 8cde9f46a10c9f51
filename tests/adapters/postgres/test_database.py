"""The pool, the transactions and the end of a `PostgresDatabase`."""

import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable


async def test_answers(database: PostgresDatabase) -> None:
    """A fresh database is in health and has the extension for searching."""
    await database.check_health()
    assert database.has_trigrams
    assert database.checked_out == 0


async def test_transaction_spoilt_by_an_error(database: PostgresDatabase) -> None:
    """A transaction in which a statement failed says so at its end, though the server takes the COMMIT."""

    async def work() -> None:
        async with database.transaction():
            with pytest.raises(InvalidInput, match="division"):
                await database.read(Sql("SELECT 1 / 0"))

    with pytest.raises(StorageUnavailable, match="repeat it as a whole"):
        await work()
    assert database.checked_out == 0


async def test_closed(database: PostgresDatabase) -> None:
    """Closing twice is fine; any call afterwards says that the database is closed."""
    await database.aclose()
    await database.aclose()
    with pytest.raises(StorageUnavailable, match="is closed"):
        await database.check_health()


async def test_atomic_inside_a_transaction(database: PostgresDatabase) -> None:
    """A part that fails is undone by itself, and the rest of the transaction happens."""

    async def insert(number: int, divisor: int) -> None:
        async with database.atomic() as connection:
            await connection.execute("INSERT INTO scratch VALUES ($1)", number)
            await connection.execute("SELECT 1 / $1::int", divisor)

    await database.write(Sql("CREATE TABLE scratch (n int)"))
    async with database.transaction():
        await insert(1, 1)
        with pytest.raises(InvalidInput, match="division"):
            await insert(2, 0)
        await insert(3, 1)
    rows = await database.read(Sql("SELECT n FROM scratch ORDER BY n"))
    await database.write(Sql("DROP TABLE scratch"))
    assert [row[0] for row in rows] == [1, 3]
