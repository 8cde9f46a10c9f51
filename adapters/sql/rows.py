"""Values of the domain as rows of the tables, and cases from rows. The dialects differ in how they write an instant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from adapters.sql.documents import decode_case
from adapters.sql.migrations import HEAD
from domain.case import Case
from domain.knowledge import Chunk, KnowledgeDocument
from domain.message import Message
from domain.terms import terms
from domain.user import User, fold_name
from domain.values import search_text
from ports.cases import CaseFilter
from ports.errors import StorageCorrupt

ROW_FORMAT = f"sql {HEAD}"
"""See `ports.transfer.GivesCaseRows`: the tables are the same in both dialects."""

WriteInstant = Callable[[datetime], Any]


def _as_it_is(instant: datetime) -> datetime:
    return instant


def case_columns(case: Case, instant: WriteInstant = _as_it_is) -> dict[str, Any]:
    """All columns of a case but the document and its checksum."""
    return {
        "case_id": case.case_id,
        "version": case.version,
        "user_id": case.user_id,
        "organization_id": case.organization_id,
        "opened_in_session": case.opened_in_session,
        "status": case.status.value,
        "message_count": case.message_count,
        "created_at": instant(case.created_at),
        "updated_at": instant(case.updated_at),
        "last_activity_at": instant(case.last_activity_at),
        "closed_at": None if case.closed_at is None else instant(case.closed_at),
        "title_text": search_text(case.title),
        "description_text": search_text(case.description),
    }


def message_columns(message: Message, instant: WriteInstant = _as_it_is) -> dict[str, Any]:
    """All columns of a message but its number in the case, the document and its checksum."""
    return {
        "message_id": message.message_id,
        "case_id": message.case_id,
        "created_at": instant(message.created_at),
        "content_text": search_text(message.content),
    }


def user_columns(user: User, instant: WriteInstant = _as_it_is) -> dict[str, Any]:
    """All columns of a user but the document and its checksum."""
    return {
        "user_id": user.user_id,
        "version": user.version,
        "username_folded": fold_name(user.username),
        "email_folded": fold_name(user.email),
        "created_at": instant(user.created_at),
    }


def document_columns(document: KnowledgeDocument, instant: WriteInstant = _as_it_is) -> dict[str, Any]:
    """All columns of a knowledge document but the document and its checksum."""
    return {
        "document_id": document.document_id,
        "version": document.version,
        "scope_key": document.scope.key,
        "source_key": document.source_key,
        "document_type": document.document_type.value,
        "created_at": instant(document.created_at),
    }


def chunk_columns(chunk: Chunk) -> dict[str, Any]:
    """All columns of a chunk but the document and its checksum. The terms stand side by side with spaces between."""
    return {
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "position": chunk.position,
        "terms": " ".join(terms(f"{chunk.heading}\n{chunk.text}")),
    }


def case_from_row(
    case_id: str, version: int, message_count: int, last_activity_at: datetime, digest: bytes, document: str
) -> Case:
    """The case of a row `adapters.sql.statements.CASE_ROW`.

    Raises:
        StorageCorrupt: the document is damaged, or another one than the columns say.
    """
    case = decode_case(digest, document)
    if case.case_id != case_id or case.version != version:
        raise StorageCorrupt(f"the columns of case {case_id!r} contradict its document; restore it from a backup")
    changes: dict[str, Any] = {}
    if case.message_count != message_count:
        changes["message_count"] = message_count
    if case.last_activity_at != last_activity_at:
        changes["last_activity_at"] = last_activity_at
    return case.model_copy(update=changes) if changes else case


def filter_columns(filter: CaseFilter) -> dict[str, str]:  # noqa: A002
    """The columns that a filter compares, with their values."""
    values = {
        "user_id": filter.user_id,
        "organization_id": filter.organization_id,
        "status": filter.status,
    }
    return {name: str(value) for name, value in values.items() if value is not None}
