"""The answer to a turn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.http import intents
from adapters.http.wire import vocabulary
from adapters.http.wire.base import Answer
from adapters.http.wire.header import transparency
from adapters.http.wire.header_shapes import Transparency
from application.troubleshooting import ProcessedFile, TurnReply
from domain.case import Case
from domain.evidence import UploadSource
from ports.language_model import ActionType, SuggestedAction

_SOURCES = {UploadSource.PASTE: "text_paste", UploadSource.PAGE_INJECTION: "page_capture"}


class Attachment(Answer):
    """A file that came with the turn."""

    file_id: str
    filename: str
    file_size: int
    processing_status: str = "completed"
    source_type: str
    upload_source: str
    uploaded_at: datetime
    duplicate_of: str | None
    duplicate_turn: int | None

    @classmethod
    def of(cls, processed: ProcessedFile) -> Attachment:
        """The file for a client."""
        file = processed.file
        return cls(
            file_id=file.file_id,
            filename=file.filename,
            file_size=file.size_bytes,
            source_type=_SOURCES.get(file.source_type, file.data_type),
            upload_source=file.source_type,
            uploaded_at=file.uploaded_at,
            duplicate_of=processed.duplicate_of,
            duplicate_turn=processed.duplicate_turn,
        )


class Action(Answer):
    """A next step. Clients send ``intent`` back unchanged when it is clicked."""

    label: str
    type: str
    payload: str | None
    body: str | None
    hints: list[str] | None = None
    intent: dict[str, Any] | None = None
    evidence_need_id: str | None = None

    @classmethod
    def of(cls, action: SuggestedAction, case: Case) -> Action:
        """The suggestion for a client."""
        need = next(
            (
                item.need_id
                for item in case.evidence_needs
                if action.type is ActionType.EVIDENCE and item.description in (action.label, action.body)
            ),
            None,
        )
        payload = action.payload
        if action.type is ActionType.DECIDE and not payload:
            payload = action.label
        return cls(
            label=action.label,
            type=action.type,
            payload=payload,
            body=action.body,
            intent=intents.encode(action.decision) if action.decision else None,
            evidence_need_id=need,
        )


class RefusedProposal(Answer):
    """Something that the model proposed and that does not count, with the reason."""

    what: str
    reason: str


class TurnAnswer(Answer):
    """The answer to a turn."""

    agent_response: str
    turn_number: int
    message_id: str
    case_state: str
    milestones_completed: list[str]
    progress_made: bool
    attachments_processed: list[Attachment]
    suggested_actions: list[Action]
    progress_transparency: Transparency | None
    proposals_refused: list[RefusedProposal]
    cited_documents: list[str]
    cited_evidence: list[str]
    degraded: bool

    @classmethod
    def of(cls, reply: TurnReply) -> TurnAnswer:
        """The reply for a client."""
        return cls(
            agent_response=reply.text,
            turn_number=reply.turn_number,
            message_id=reply.message_id,
            case_state=vocabulary.state(reply.case.status),
            milestones_completed=[milestone.value for milestone in reply.milestones_completed],
            progress_made=reply.progress_made,
            attachments_processed=[Attachment.of(item) for item in reply.files],
            suggested_actions=[Action.of(item, reply.case) for item in reply.actions],
            progress_transparency=transparency(reply.case),
            proposals_refused=[RefusedProposal(what=item.what, reason=item.why) for item in reply.refused],
            cited_documents=list(reply.cited_documents),
            cited_evidence=list(reply.cited_evidence),
            degraded=reply.degraded,
        )


class JobAnswer(Answer):
    """How a turn in the background stands."""

    job_id: str
    status: str
    result: TurnAnswer | None = None
    error: dict[str, str] | None = None
