"""Every table, column, field and store is covered by export, import, verification and the deletion of users.

These tests fail when one is added. Then fill it in `_filled`, or say below why it holds nothing that would be missed,
and see to it that an archive has it and that nothing of it is left of a deleted user.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import orjson
import pytest
from pydantic import BaseModel, Field

from adapters.filesystem.blobs import FileBlobStore
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.vectors import InMemoryVectorStore
from adapters.sql.tables import metadata
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.session_schema import prepare_sessions
from adapters.sqlite.users import SqliteUserRepository
from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from application.passwords import Passwords
from application.sessions import SessionService
from application.transfer.items import Content, IndexedDocument, Item, Kind, StoredFile, canonical_json
from application.transfer.records import decode, encode
from application.transfer.references import file_keys
from application.transfer.stores import Stores
from application.user_deletion import UserDeletion
from application.users import UserService
from bootstrap.build import Ports, Records
from domain.case import Case
from domain.chunking import chunk_document
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Origin, Scope
from domain.message import Message
from domain.user import User
from ports.blobs import BlobInfo
from ports.transfer import StoredValue
from ports.vectors import VectorRecord
from tests.builders import OWNER, a_full_case, a_message, a_user, an_id, later
from tests.contract.knowledge.samples import a_document
from tests.contract.vectors.data import SPACE
from tests.migration.archives import backed_up, in_memory, pieces_of, restored

NO_CONTENT = {
    "alembic_version": "which migrations were run",
    "checkpoints": "notes about a transfer into this database",
    "knowledge_chunks_mark": "a random value, another one since the last change of a chunk",
}
MADE_BY_TRIGGERS = ("_fts", "sqlite_")
SURROGATES = {"row_id"}


def a_whole_case() -> Case:
    case = a_full_case(1)
    files = [file.replace(content_ref=f"{case.case_id}/{file.file_id}") for file in case.uploaded_files]
    files[0] = files[0].replace(source_url="https://example.org/app.log")
    (report,) = case.documentation.documents_generated
    report = report.replace(content_ref=f"{case.case_id}/{report.document_id}")
    *turns, last = case.turn_history
    return case.replace(
        uploaded_files=tuple(files),
        documentation=case.documentation.replace(documents_generated=(report,)),
        turn_history=(*turns, last.replace(solutions_proposed=(an_id("sol", 1),))),
        version=3,
        message_count=1,
    )


def a_whole_message() -> Message:
    return a_message(an_id("case", 1), 1, file_ids=(an_id("file", 1),), metadata={"a": 1})


def a_whole_user() -> User:
    return a_user(1, version=2, password_hash="$argon2id$x", timezone="Europe/Berlin", last_login_at=later(1)).replace(
        last_password_change_at=later(2)
    )


def a_whole_document(scope: Scope, number: int = 1) -> IndexedDocument:
    document = a_document(
        number,
        version=4,
        scope=scope,
        content="# Pool\n\nRaise it.\n",
        document_type=KnowledgeType.EVIDENCE,
        tags=("pool",),
        description="about pools",
        source_url="https://example.org",
        origin=Origin.CASE,
        source_key=f"ev_{number}",
        source_version="1",
        source_sha256="0" * 64,
        edited=True,
        metadata={"n": 1.5},
    )
    return IndexedDocument(document, chunk_document(document.document_id, document.title, document.content))


WHOLE: list[Content] = [
    a_whole_case(),
    a_whole_message(),
    a_whole_user(),
    a_whole_document(Scope.for_case(an_id("case", 1))),
    VectorRecord("id", "text", (0.5, 0.25), {"scope": "global", "n": 1, "x": 1.0, "b": True}),
    StoredValue("key", "value", 4_102_444_800_000),
]


# ---------------------------------------------------------------- fields


def reachable(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model and all models in its fields, at any depth."""
    found: set[type[BaseModel]] = set()

    def visit(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation not in found:
                found.add(annotation)
                for field in annotation.model_fields.values():
                    visit(field.annotation)
            return
        for argument in get_args(annotation):
            visit(argument)

    visit(model)
    return found


def exported(value: Any, dumped: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The fields that have a value and stand in the JSON of it."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            content = getattr(value, name)
            if content not in (None, (), "") and name in dumped:
                yield type(value), name
                yield from exported(content, dumped[name])
    elif isinstance(value, tuple):
        for each, its in zip(value, dumped, strict=True):
            yield from exported(each, its)


def uncovered(models: list[type[BaseModel]], samples: list[BaseModel]) -> set[tuple[str, str]]:
    """Fields that no sample carries into an archive."""
    wanted = {(each, name) for model in models for each in reachable(model) for name in each.model_fields}
    got = {pair for sample in samples for pair in exported(sample, orjson.loads(canonical_json(sample)))}
    return {(model.__name__, name) for model, name in wanted - got}


def samples() -> list[BaseModel]:
    document = next(each for each in WHOLE if isinstance(each, IndexedDocument))
    return [*(each for each in WHOLE if isinstance(each, BaseModel)), document.document, *document.chunks]


def test_every_field_is_exported() -> None:
    assert uncovered([Case, Message, User, KnowledgeDocument, Chunk], samples()) == set()


def test_a_field_that_is_not_exported_is_found() -> None:
    class Secretive(User):
        nickname: Annotated[str, Field(exclude=True)] = "x"

    class Wider(User):
        badge: str | None = None

    for model in (Secretive, Wider):
        planted = model.model_validate(a_whole_user().model_dump())
        assert len(uncovered([model], [planted])) == 1


@pytest.mark.parametrize("content", WHOLE, ids=lambda content: type(content).__name__)
def test_every_field_is_imported(content: Content) -> None:
    """What is decoded equals what was encoded, type by type."""
    case_id = content.case_id if isinstance(content, Message) else ""
    item = decode(encode(content), case_id, 1)
    assert isinstance(item, Item)
    assert item.content == content
    assert repr(item.content) == repr(content)


@pytest.mark.parametrize("kind", [VectorRecord, StoredValue, BlobInfo])
def test_every_part_of_a_record_is_exported(kind: type[Any]) -> None:
    blob: Content = StoredFile(BlobInfo("a", 1, "0" * 64), lambda: None)  # type: ignore[arg-type, return-value]
    (sample,) = [each for each in (*WHOLE, blob) if type(each) is kind or (kind is BlobInfo and each is blob)]
    assert is_dataclass(kind)
    assert set(orjson.loads(encode(sample))["data"]) == {field.name for field in fields(kind)}


# ---------------------------------------------------------------- stores


def test_every_store_is_moved() -> None:
    """A port that keeps something is a kind of content, or its content is not worth moving."""
    stores = {"cases", "users", "documents", "sessions", "blobs", "vectors"}
    nothing_kept = {"clock", "ids", "records", "embeddings", "language_model"}
    nothing_missed = {"counters"}  # of requests, in the last minute
    known = {field.name for field in (*fields(Ports), *fields(Records))}
    assert known == stores | nothing_kept | nothing_missed
    assert set(in_memory().collections()) == set(Kind)
    assert {field.name for field in fields(Stores)} == stores - {"blobs"} | {"files", "embeddings"}


# ---------------------------------------------------------------- tables


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables with content."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()]
        kept = [name for name in names if name not in NO_CONTENT and not any(mark in name for mark in MADE_BY_TRIGGERS)]
        return {name: [dict(row) for row in database.execute(f'SELECT * FROM "{name}"')] for name in kept}  # noqa: S608


def columns(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as database:
        return {
            (table, row[1])
            for table in rows(path)
            for row in database.execute(f'PRAGMA table_info("{table}")').fetchall()
        }


def lost(source: Path, target: Path) -> set[str]:
    """Columns that the source does not fill, or the target has otherwise."""
    mine, theirs = rows(source), rows(target)
    found = set()
    for table, name in columns(source):
        ours = [row[name] for row in mine[table]]
        if all(value is None for value in ours):
            found.add(f"{table}.{name}: nothing in it to be moved")
        elif name not in SURROGATES and ours != [row.get(name) for row in theirs.get(table, [])]:
            found.add(f"{table}.{name}: not moved")
    return found


async def _filled(database: SqliteDatabase, folder: Path) -> Stores:
    """Stores with something in every table, column and field, all of it of one user."""
    stores = in_memory()
    stores = Stores(
        users=SqliteUserRepository(database),
        documents=SqliteKnowledgeRepository(database),
        cases=SqliteCaseRepository(database),
        files=FileBlobStore(folder),
        vectors=InMemoryVectorStore(SPACE),
        sessions=InMemorySessionStore(SystemClock()),
        embeddings=stores.embeddings,
    )
    collections = stores.collections()
    case, message = a_whole_case(), a_whole_message()
    await collections[Kind.USERS].put([Item(OWNER, 0, a_whole_user())])
    for number, scope in enumerate((Scope.for_case(case.case_id), Scope.for_user(OWNER)), 1):
        document = a_whole_document(scope, number)
        await collections[Kind.DOCUMENTS].put([Item(document.document.document_id, 0, document)])
        vector = tuple(1.0 for _ in range(SPACE.dimension))
        records = [VectorRecord(chunk.chunk_id, chunk.text, vector, {"a": 1}) for chunk in document.chunks]
        await collections[Kind.VECTORS].put([Item(record.id, 0, record) for record in records])
    for key in file_keys(case):
        await stores.files.put(key, pieces_of(key.encode()))
    await collections[Kind.CASES].put([Item(case.case_id, 0, case), Item(case.case_id, 1, message)])
    return stores


@pytest.fixture
async def installation(tmp_path: Path) -> Any:
    database = await SqliteDatabase.open(tmp_path / "source.db")
    stores = await _filled(database, tmp_path / "files")
    yield stores
    await stores.files.aclose()  # type: ignore[attr-defined]
    await database.aclose()


async def moved(stores: Stores, folder: Path) -> Path:
    """The database of an installation that was restored from a backup."""
    await backed_up(stores, folder / "backup.zip")
    database = await SqliteDatabase.open(folder / "target.db")
    target = Stores(
        users=SqliteUserRepository(database),
        documents=SqliteKnowledgeRepository(database),
        cases=SqliteCaseRepository(database),
        files=in_memory().files,
        vectors=InMemoryVectorStore(SPACE),
        sessions=InMemorySessionStore(SystemClock()),
    )
    try:
        _, verification = await restored(folder / "backup.zip", target)
        assert verification.is_clean, verification
    finally:
        await database.aclose()
    return folder / "target.db"


async def test_every_column_of_every_table_is_moved(installation: Stores, tmp_path: Path) -> None:
    target = await moved(installation, tmp_path)
    assert set(rows(tmp_path / "source.db")) == set(metadata.tables) - set(NO_CONTENT)
    assert lost(tmp_path / "source.db", target) == set()


PLANTED: list[tuple[str, str]] = [
    ("CREATE TABLE notes (user_id TEXT, text TEXT); INSERT INTO notes VALUES ('user_1', 'x')", "notes.text: not moved"),
    ("CREATE TABLE empty_notes (text TEXT)", "empty_notes.text: nothing in it to be moved"),
    ("ALTER TABLE cases ADD COLUMN mood TEXT; UPDATE cases SET mood = 'good'", "cases.mood: not moved"),
    ("ALTER TABLE users ADD COLUMN mood TEXT", "users.mood: nothing in it to be moved"),
]


@pytest.mark.parametrize(("statements", "expected"), PLANTED)
async def test_a_new_table_or_column_is_found(
    statements: str, expected: str, installation: Stores, tmp_path: Path
) -> None:
    target = await moved(installation, tmp_path)
    with closing(sqlite3.connect(tmp_path / "source.db")) as database:
        database.executescript(statements)
    assert expected in lost(tmp_path / "source.db", target)


def test_sessions_have_no_other_columns(tmp_path: Path) -> None:
    """The namespace is that of the installation; the rest is a `StoredValue`."""
    prepare_sessions(tmp_path / "sessions.db", busy_timeout=1)
    assert columns(tmp_path / "sessions.db") == {
        ("entries", name) for name in ("namespace", *(field.name for field in fields(StoredValue)))
    }


# ---------------------------------------------------------------- deletion of users


async def deleted(stores: Stores) -> None:
    clock, ids = SystemClock(), RandomIds()
    cache: Any = stores.sessions
    assert stores.vectors is not None
    with closing(Passwords()) as passwords:
        deletion = UserDeletion(
            users=stores.users,
            accounts=UserService(users=stores.users, cache=cache, passwords=passwords, clock=clock, ids=ids),
            sessions=SessionService(cache=cache, clock=clock, ids=ids),
            cases=stores.cases,
            documents=stores.documents,
            vectors=stores.vectors,
            blobs=stores.files,
            clock=clock,
        )
        await deletion.delete_user("user1")


async def test_nothing_is_left_of_a_deleted_user(installation: Stores, tmp_path: Path) -> None:
    await deleted(installation)
    assert {table: len(content) for table, content in rows(tmp_path / "source.db").items() if content} == {}
    assert await installation.files.scan() == ()
    assert installation.vectors is not None
    assert await installation.vectors.count() == 0


async def test_what_would_be_left_of_a_user_is_found(installation: Stores, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "source.db")) as database:
        database.executescript(PLANTED[0][0])
    await deleted(installation)
    assert [table for table, content in rows(tmp_path / "source.db").items() if content] == ["notes"]
