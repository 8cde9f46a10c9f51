"""Sessions and caches in SQLite, in a file of their own: they are written often and may get lost, cases may not."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

from adapters.sqlite.database import SqliteDatabase, atomic
from adapters.sqlite.integrity import check_file
from adapters.sqlite.session_schema import prepare_sessions
from adapters.sqlite.worker import Synchronous
from domain.glob import glob_pattern, literal_prefix
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck, SupportsSweep
from ports.clock import Clock
from ports.errors import StorageCorrupt
from ports.paging import check_page
from ports.sessions import (
    INT64_MAX,
    MAX_KEY_LENGTH,
    CacheStore,
    check_increment,
    check_key,
    check_pattern,
    check_ttl,
    check_value,
    incremented,
    ttl_milliseconds,
)
from ports.transfer import (
    StoredValue,
    SupportsCheckpoints,
    SupportsTransactions,
    SupportsValueTransfer,
    check_checkpoint,
    check_values,
)

_NEVER = INT64_MAX
_LAST_CHARACTERS = "\U0010ffff" * MAX_KEY_LENGTH

_SWEPT_PER_WRITE = 2
"""More than one, so that writing removes expired values faster than it can add them."""

_SWEPT_AT_ONCE = 500
"""Between two batches the writes of others have their turn."""

_GET = "SELECT value FROM entries WHERE namespace = :namespace AND key = :key AND expires_at > :now"
_GET_WITH_EXPIRY = (
    "SELECT value, expires_at FROM entries WHERE namespace = :namespace AND key = :key AND expires_at > :now"
)
_EXISTS = "SELECT count(*) FROM entries WHERE namespace = :namespace AND key = :key AND expires_at > :now"
_GET_MANY = (
    "SELECT key, value FROM entries WHERE namespace = :namespace AND expires_at > :now"
    " AND key IN (SELECT value FROM json_each(:keys))"
)
_KEYS = (
    "SELECT key FROM entries WHERE namespace = :namespace AND expires_at > :now AND key BETWEEN :first AND :last"
    " ORDER BY key"
)
_SET = (
    "INSERT INTO entries (namespace, key, value, expires_at) VALUES (:namespace, :key, :value, :expires_at)"
    " ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)
_ADD = f"{_SET} WHERE entries.expires_at <= :now"
_EXPIRE = (
    "UPDATE entries SET expires_at = :expires_at WHERE namespace = :namespace AND key = :key AND expires_at > :now"
)
_REMOVE = "DELETE FROM entries WHERE namespace = :namespace AND key = :key"
_DELETE = f"{_REMOVE} RETURNING expires_at > :now"
_COUNT = "SELECT count(*) FROM entries WHERE namespace = :namespace AND expires_at > :now"
_CLEAR = "DELETE FROM entries WHERE namespace = :namespace"
_SWEEP = (
    "DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries"
    " WHERE namespace = :namespace AND expires_at <= :now ORDER BY expires_at LIMIT :limit)"
)
_SCAN = (
    "SELECT key, value, expires_at FROM entries WHERE namespace = :namespace AND expires_at > :now AND key > :after"
    " ORDER BY key LIMIT :limit"
)
_READ_CHECKPOINT = "SELECT text FROM checkpoints WHERE namespace = :namespace AND name = :name"
_WRITE_CHECKPOINT = "REPLACE INTO checkpoints (namespace, name, text) VALUES (:namespace, :name, :text)"
_REMOVE_CHECKPOINT = "DELETE FROM checkpoints WHERE namespace = :namespace AND name = :name"
_BYTES = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM entries WHERE namespace = :namespace ORDER BY key"


async def open_session_database(
    path: Path, *, synchronous: Synchronous = "NORMAL", readers: int = 4, busy_timeout: float = 5.0
) -> SqliteDatabase:
    """`SqliteDatabase.open` for a file of sessions. By default the last writes may get lost with the power.

    Raises:
        SchemaTooNew: a newer release wrote the file.
        PortError: the file cannot be opened, is no database, or holds something else.
    """
    return await SqliteDatabase.open(
        path, prepare=prepare_sessions, synchronous=synchronous, readers=readers, busy_timeout=busy_timeout
    )


class SqliteSessionStore(
    CacheStore,
    SupportsHealth,
    SupportsIntegrityCheck,
    SupportsSweep,
    SupportsValueTransfer,
    SupportsCheckpoints,
    SupportsTransactions,
    Closeable,
):
    """Values in the ``namespace`` of a database that `open_session_database` gave; other stores may share it.

    `aclose` closes the database, and so all stores on it.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock, namespace: str = "sessions") -> None:
        self._database = database
        self._now = clock.unix_milliseconds
        self._namespace = namespace

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        await self._database.write(self._set, {check_key(key): check_value(value)}, check_ttl(ttl))
        return True

    async def get(self, key: str) -> str | None:
        return await self._database.read_few(self._get, check_key(key))

    async def delete(self, key: str) -> bool:
        return await self._database.write(self._delete, check_key(key))

    async def exists(self, key: str) -> bool:
        return await self._database.read_few(self._exists, check_key(key))

    async def expire(self, key: str, ttl: timedelta) -> bool:
        return await self._database.write(self._expire, check_key(key), ttl_milliseconds(ttl))

    async def keys(self, pattern: str) -> list[str]:
        return await self._database.read(self._keys, check_pattern(pattern))

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        normal = {key: check_key(key) for key in keys}
        found = await self._database.read(self._get_many, list(normal.values()))
        return {key: found[name] for key, name in normal.items() if name in found}

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        checked = {check_key(key): check_value(value) for key, value in values.items()}
        await self._database.write(self._set, checked, check_ttl(ttl))

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        return await self._database.write(self._add, check_key(key), check_value(value), check_ttl(ttl))

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        if value is not None:
            check_value(value)
        return await self._database.write(self._swap, check_key(key), expected, value, check_ttl(ttl))

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        return await self._database.write(self._increment, check_key(key), check_increment(by), check_ttl(ttl))

    async def clear(self) -> int:
        return await self._database.write(self._clear)

    async def sweep(self) -> int:
        total = 0
        while removed := await self._database.write(self._sweep, self._now(), _SWEPT_AT_ONCE):
            total += removed
        return total

    async def stored_value(self, key: str) -> StoredValue | None:
        key = check_key(key)
        return await self._database.read(self._stored_value, key)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[StoredValue, ...]:
        check_page(limit)
        return await self._database.read(self._scan, "" if after is None else normalise_text(after), limit)

    async def put_many(self, values: Sequence[StoredValue]) -> None:
        """All or none."""
        await self._database.write(self._put, check_values(values))

    @property
    def location(self) -> str:
        """The path of the file, and the namespace."""
        return f"sqlite:{self._database.path.resolve()}#{self._namespace}"

    async def read_checkpoint(self, name: str) -> str | None:
        check_checkpoint(name)
        return await self._database.read(self._read_checkpoint, name)

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        check_checkpoint(name, text)
        await self._database.write(self._write_checkpoint, name, text)

    def begin_transaction(self) -> AbstractAsyncContextManager[None]:
        """A transaction of this task on the whole database file."""
        return self._database.transaction()

    async def check_health(self) -> None:
        """See `SqliteDatabase.check_health`."""
        await self._database.check_health()

    async def check_integrity(self) -> Sequence[str]:
        """Examine the file and every text of this namespace."""
        problems = await check_file(self._database)
        try:
            return problems + await self._database.read(self._unreadable)
        except StorageCorrupt as error:
            return [*problems, str(error)]

    async def aclose(self) -> None:
        await self._database.aclose()

    # What follows runs on the thread of a connection.

    def _at(self, now: int, key: str) -> dict[str, object]:
        return {"namespace": self._namespace, "key": key, "now": now}

    def _get(self, connection: sqlite3.Connection, key: str) -> str | None:
        row = connection.execute(_GET, self._at(self._now(), key)).fetchone()
        return row[0] if row else None

    def _exists(self, connection: sqlite3.Connection, key: str) -> bool:
        (count,) = connection.execute(_EXISTS, self._at(self._now(), key)).fetchone()
        return bool(count)

    def _get_many(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, str]:
        names = json.dumps(keys, ensure_ascii=False)
        return dict(connection.execute(_GET_MANY, {"namespace": self._namespace, "now": self._now(), "keys": names}))

    def _keys(self, connection: sqlite3.Connection, pattern: str) -> list[str]:
        matches = glob_pattern(pattern).fullmatch
        first = literal_prefix(pattern)
        limits = {"namespace": self._namespace, "now": self._now(), "first": first, "last": first + _LAST_CHARACTERS}
        return [key for (key,) in connection.execute(_KEYS, limits) if matches(key)]

    def _set(self, connection: sqlite3.Connection, values: Mapping[str, str], ttl: int | None) -> None:
        now = self._now()
        rows = [self._at(now, key) | {"value": value, "expires_at": _expiry(now, ttl)} for key, value in values.items()]
        with atomic(connection):
            if ttl is not None:
                self._sweep(connection, now, _SWEPT_PER_WRITE * len(rows))
            connection.executemany(_SET, rows)

    def _delete(self, connection: sqlite3.Connection, key: str) -> bool:
        return connection.execute(_DELETE, self._at(self._now(), key)).fetchall() == [(1,)]

    def _expire(self, connection: sqlite3.Connection, key: str, ttl: int) -> bool:
        now = self._now()
        return connection.execute(_EXPIRE, self._at(now, key) | {"expires_at": now + ttl}).rowcount == 1

    def _add(self, connection: sqlite3.Connection, key: str, value: str, ttl: int | None) -> bool:
        now = self._now()
        row = self._at(now, key) | {"value": value, "expires_at": _expiry(now, ttl)}
        with atomic(connection):
            if ttl is not None:
                self._sweep(connection, now, _SWEPT_PER_WRITE)
            return connection.execute(_ADD, row).rowcount == 1

    def _swap(
        self, connection: sqlite3.Connection, key: str, expected: str | None, value: str | None, ttl: int | None
    ) -> bool:
        with atomic(connection):
            if self._get(connection, key) != expected:
                return False
            if value is not None:
                self._set(connection, {key: value}, ttl)
            elif expected is not None:
                self._delete(connection, key)
            return True

    def _increment(self, connection: sqlite3.Connection, key: str, by: int, ttl: int | None) -> int:
        now = self._now()
        with atomic(connection):
            row = connection.execute(_GET_WITH_EXPIRY, self._at(now, key)).fetchone()
            stored, expires_at = row or (None, _expiry(now, ttl))
            total = incremented(stored, by)
            if row is None and ttl is not None:
                self._sweep(connection, now, _SWEPT_PER_WRITE)
            connection.execute(_SET, self._at(now, key) | {"value": str(total), "expires_at": expires_at})
        return total

    def _clear(self, connection: sqlite3.Connection) -> int:
        with atomic(connection):
            (count,) = connection.execute(_COUNT, {"namespace": self._namespace, "now": self._now()}).fetchone()
            connection.execute(_CLEAR, {"namespace": self._namespace})
        return int(count)

    def _sweep(self, connection: sqlite3.Connection, now: int, limit: int) -> int:
        return connection.execute(_SWEEP, {"namespace": self._namespace, "now": now, "limit": limit}).rowcount

    def _stored_value(self, connection: sqlite3.Connection, key: str) -> StoredValue | None:
        row = connection.execute(_GET_WITH_EXPIRY, self._at(self._now(), key)).fetchone()
        return None if row is None else StoredValue(key, row[0], None if row[1] == _NEVER else row[1])

    def _scan(self, connection: sqlite3.Connection, after: str, limit: int) -> tuple[StoredValue, ...]:
        page = {"namespace": self._namespace, "now": self._now(), "after": after, "limit": limit}
        rows = connection.execute(_SCAN, page).fetchall()
        return tuple(StoredValue(key, value, None if at == _NEVER else at) for key, value, at in rows)

    def _put(self, connection: sqlite3.Connection, values: Sequence[StoredValue]) -> None:
        now = self._now()
        live: list[dict[str, object]] = []
        expired: list[dict[str, object]] = []
        for each in values:
            expires_at = _NEVER if each.expires_at is None else each.expires_at
            row = self._at(now, each.key) | {"value": each.value, "expires_at": expires_at}
            (live if expires_at > now else expired).append(row)
        with atomic(connection):
            connection.executemany(_SET, live)
            connection.executemany(_REMOVE, expired)

    def _read_checkpoint(self, connection: sqlite3.Connection, name: str) -> str | None:
        row = connection.execute(_READ_CHECKPOINT, {"namespace": self._namespace, "name": name}).fetchone()
        return row[0] if row else None

    def _write_checkpoint(self, connection: sqlite3.Connection, name: str, text: str | None) -> None:
        row = {"namespace": self._namespace, "name": name, "text": text}
        connection.execute(_REMOVE_CHECKPOINT if text is None else _WRITE_CHECKPOINT, row)

    def _unreadable(self, connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute(_BYTES, {"namespace": self._namespace})
        return [f"entries, key {key!r}: damaged; its value is lost" for key, value in rows if not _is_text(key, value)]


def _expiry(now: int, ttl: int | None) -> int:
    return _NEVER if ttl is None else now + ttl


def _is_text(*texts: bytes) -> bool:
    try:
        for text in texts:
            text.decode()
    except UnicodeDecodeError:
        return False
    return True
