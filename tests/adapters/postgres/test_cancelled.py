"""What a cancelled operation leaves behind on the server."""

import asyncio
from typing import Any

import asyncpg
import pytest

from adapters.postgres.database import PostgresDatabase
from adapters.postgres.sql import Sql
from tests.adapters.postgres.conftest import execute

pytestmark = pytest.mark.postgres


@pytest.mark.quirk(
    "PostgreSQL",
    "asyncpg, cancelled between preparation and execution of a statement, leaves its locks to the connection",
)
async def test_cancelled_between_preparation_and_execution(
    database: PostgresDatabase, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver prepares a statement without ending the exchange, so the server holds on to the locks."""
    prepare = asyncpg.Connection._get_statement

    async def cancel_behind(*arguments: Any, **named: Any) -> Any:
        await prepare(*arguments, **named)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "_get_statement", cancel_behind)
        reading = asyncio.ensure_future(database.read(Sql("SELECT count(*) FROM users")))
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert database.checked_out == 0
    async with asyncio.timeout(5):
        await execute(dsn, "TRUNCATE users")
    ((count,),) = await database.read(Sql("SELECT count(*) FROM users"))
    assert count == 0
