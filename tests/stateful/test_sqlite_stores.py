"""The state machines of the repositories in SQLite."""

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.schema import prepare
from adapters.sqlite.sessions import SqliteSessionStore, open_session_database
from adapters.sqlite.users import SqliteUserRepository
from ports.sessions import CacheStore
from tests.stateful.cases import CaseRepositoryMachine, CaseValuesMachine
from tests.stateful.key_value import DurableKeyValueMachine
from tests.stateful.knowledge import KnowledgeRepositoryMachine
from tests.stateful.machine import ONE_STEP
from tests.stateful.profiles import MACHINE_SETTINGS
from tests.stateful.users import UserRepositoryMachine


@cache
def empty_file() -> bytes:
    """A database file without data; making one takes a while."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        prepare(path, busy_timeout=5)
        return path.read_bytes()


class InFile:
    """Opens a repository on a file that lasts as long as the machine."""

    durable = True
    repository: type[Any]

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp())
        Path(self._folder, "faultmaven.db").write_bytes(empty_file())
        super().__init__()

    async def open(self) -> Any:
        """The repository, with what the file holds."""
        # What a loss of power would cost is not the subject here, and waiting for the disk takes most of the time.
        self._database = await SqliteDatabase.open(self._folder / "faultmaven.db", synchronous="NORMAL", readers=1)
        return self.repository(self._database)

    async def close(self) -> None:
        """Close the file."""
        await self._database.aclose()

    def teardown(self) -> None:
        """Close the file and delete it."""
        super().teardown()  # type: ignore[misc]
        shutil.rmtree(self._folder)


class SqliteCaseMachine(InFile, CaseRepositoryMachine):
    repository = SqliteCaseRepository


class SqliteCaseValuesMachine(InFile, CaseValuesMachine):
    repository = SqliteCaseRepository


class SqliteUserMachine(InFile, UserRepositoryMachine):
    repository = SqliteUserRepository


class SqliteKnowledgeMachine(InFile, KnowledgeRepositoryMachine):
    repository = SqliteKnowledgeRepository


class SqliteKeyValueMachine(DurableKeyValueMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()

    async def open_store(self) -> CacheStore:
        database = await open_session_database(Path(self.folder.name, "sessions.db"), readers=1)
        return SqliteSessionStore(database, self.clock)

    async def close_store(self, store: CacheStore) -> None:
        assert isinstance(store, SqliteSessionStore)
        await store.aclose()

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestSqliteCases = SqliteCaseMachine.TestCase
TestSqliteCases.settings = MACHINE_SETTINGS
TestSqliteCaseValues = SqliteCaseValuesMachine.TestCase
TestSqliteCaseValues.settings = ONE_STEP
TestSqliteUsers = SqliteUserMachine.TestCase
TestSqliteUsers.settings = MACHINE_SETTINGS
TestSqliteKnowledge = SqliteKnowledgeMachine.TestCase
TestSqliteKnowledge.settings = MACHINE_SETTINGS
TestSqliteKeyValue = SqliteKeyValueMachine.TestCase
TestSqliteKeyValue.settings = MACHINE_SETTINGS
