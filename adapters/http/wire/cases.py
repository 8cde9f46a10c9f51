"""Cases and their messages."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from adapters.http.wire import vocabulary
from adapters.http.wire.base import Answer, Request
from domain.analytics import CaseAnalytics
from domain.case import Case, CasePriority
from domain.message import Message
from domain.values import Scalar
from ports.paging import Page


class CreateCaseRequest(Request):
    """A new case; without a title it gets a placeholder."""

    title: str | None = None
    description: str | None = None
    priority: CasePriority | None = None
    initial_message: str | None = None
    session_id: str | None = None
    source: str | None = None
    follows_case_id: str | None = Field(default=None, description="The finished case that this one takes up again.")


class RenameRequest(Request):
    """A new title."""

    title: str


class TitleRequest(Request):
    """The wish for a generated title."""

    max_words: int | None = Field(default=None, ge=1, le=50)
    hint: str | None = None


class TitleAnswer(Answer):
    """The title that the case has now."""

    schema_version: str = "3.1.0"
    title: str


class CaseRow(Answer):
    """A case in a list and on its own."""

    case_id: str
    title: str
    state: str
    description: str
    priority: str | None
    created_at: datetime
    updated_at: datetime
    last_activity_at: datetime
    resolved_at: datetime | None
    closed_at: datetime | None
    closure_reason: str | None
    user_id: str
    organization_id: str
    current_turn: int
    message_count: int
    is_terminal: bool
    source: str
    stage: str | None
    turns_without_progress: int
    valid_next_states: list[str]
    follows_case_id: str | None
    version: int

    @classmethod
    def of(cls, case: Case) -> CaseRow:
        """``case`` for a client."""
        return cls(
            case_id=case.case_id,
            title=case.title,
            state=vocabulary.state(case.status),
            description=case.description,
            priority=case.priority,
            created_at=case.created_at,
            updated_at=case.updated_at,
            last_activity_at=case.last_activity_at,
            resolved_at=case.resolved_at,
            closed_at=case.closed_at,
            closure_reason=vocabulary.closure_reason(case),
            user_id=case.user_id,
            organization_id=case.organization_id,
            current_turn=case.current_turn,
            message_count=case.message_count,
            is_terminal=case.status.is_terminal,
            source=case.source,
            stage=vocabulary.stage(case),
            turns_without_progress=case.turns_without_progress,
            valid_next_states=vocabulary.next_states(case.status),
            follows_case_id=case.follows_case_id,
            version=case.version,
        )


class CaseList(Answer):
    """A page of cases."""

    cases: list[CaseRow]
    total_count: int
    limit: int
    offset: int
    has_more: bool

    @classmethod
    def of(cls, page: Page[Case], limit: int, offset: int) -> CaseList:
        """The page for a client."""
        return cls(
            cases=[CaseRow.of(case) for case in page],
            total_count=page.total,
            limit=limit,
            offset=offset,
            has_more=offset + len(page.items) < page.total,
        )


class MessageRow(Answer):
    """One message."""

    message_id: str
    turn_number: int
    role: str
    content: str
    created_at: datetime
    author_id: str | None
    metadata: dict[str, Scalar | None] | None

    @classmethod
    def of(cls, message: Message) -> MessageRow:
        """``message`` for a client."""
        return cls(
            message_id=message.message_id,
            turn_number=message.turn_number,
            role=message.role,
            content=message.content,
            created_at=message.created_at,
            author_id=message.author_id,
            metadata=dict(message.metadata) or None,
        )


class MessageList(Answer):
    """A page of messages, oldest first."""

    messages: list[MessageRow]
    total_count: int
    retrieved_count: int
    has_more: bool
    next_offset: int | None

    @classmethod
    def of(cls, page: Page[Message], offset: int) -> MessageList:
        """The page for a client."""
        end = offset + len(page.items)
        return cls(
            messages=[MessageRow.of(message) for message in page],
            total_count=page.total,
            retrieved_count=len(page.items),
            has_more=end < page.total,
            next_offset=end if end < page.total else None,
        )


class AnalyticsAnswer(Answer):
    """Figures about a case. Durations are in seconds."""

    case_id: str
    state: str
    completion: float
    time_to_resolution_seconds: float | None
    message_count: int
    current_turn: int
    turns_without_progress: int
    evidence_count: int
    evidence_by_category: dict[str, int]
    hypothesis_count: int
    hypotheses_by_status: dict[str, int]
    solution_count: int
    applied_solutions: int
    file_count: int
    total_file_size: int
    has_root_cause: bool
    is_degraded: bool
    is_escalated: bool

    @classmethod
    def of(cls, figures: CaseAnalytics) -> AnalyticsAnswer:
        """``figures`` for a client."""
        taken = figures.time_to_resolution
        return cls(
            state=vocabulary.state(figures.status),
            time_to_resolution_seconds=taken.total_seconds() if taken else None,
            evidence_by_category={key.value: count for key, count in figures.evidence_by_category.items()},
            hypotheses_by_status={key.value: count for key, count in figures.hypotheses_by_status.items()},
            **figures.model_dump(
                include={
                    "case_id",
                    "completion",
                    "message_count",
                    "current_turn",
                    "turns_without_progress",
                    "evidence_count",
                    "hypothesis_count",
                    "solution_count",
                    "applied_solutions",
                    "file_count",
                    "total_file_size",
                    "has_root_cause",
                    "is_degraded",
                    "is_escalated",
                }
            ),
        )
