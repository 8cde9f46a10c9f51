"""What one turn brings to a case, prepared so that it can be applied to a newer case without a second effort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from application.evidence import Extract
from application.intake import Received, Upload, make_evidence
from domain.access import Actor
from domain.case import Case
from domain.decisions import decide
from domain.evidence import Evidence, UploadedFile
from domain.message import Message, MessageRole, MessageType
from domain.proposals import UserDecision
from domain.status import CaseStatus
from domain.values import Attributes

FILES_ONLY = "Submitted data for analysis"


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """What the user brings: at least one of a text, files, and decisions."""

    query: str = ""
    uploads: tuple[Upload, ...] = ()
    decisions: tuple[UserDecision, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessedFile:
    """An upload. One with the bytes of an earlier file of the case is that file again, as the two last fields tell."""

    file: UploadedFile
    duplicate_of: str | None = None
    duplicate_turn: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Evidence before the turn is known in which it counts."""

    evidence_id: str
    extract: Extract
    file_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Turn:
    """One turn on its way. Its ids stay the same through all attempts, so a repeat adds nothing twice."""

    actor: Actor
    request: TurnRequest
    at: datetime
    question_id: str
    answer_id: str
    received: Sequence[Received] = ()
    drafts: list[Draft] = field(default_factory=list)

    def now(self, case: Case) -> datetime:
        """When the turn happens to the case: not before the latest change."""
        return max(self.at, case.updated_at)

    def decided(self, case: Case) -> Case:
        """The case after the decisions, except for its closing.

        Raises:
            DomainError: a decision is not legal now.
        """
        for decision in self.request.decisions:
            case = decide(case, decision, self.now(case), self.actor.user_id)
        return case

    def files(self, case: Case) -> tuple[ProcessedFile, ...]:
        """The uploads; what the case or the turn already holds is marked as a duplicate."""
        known = {file.sha256: file for file in case.uploaded_files}
        processed = []
        for item in self.received:
            first = known.setdefault(item.blob.sha256, item.file(case.current_turn + 1))
            again = first.file_id != item.file_id
            processed.append(
                ProcessedFile(first, first.file_id, first.uploaded_at_turn) if again else ProcessedFile(first)
            )
        return tuple(processed)

    def new_files(self, case: Case) -> tuple[UploadedFile, ...]:
        """The files that the case does not hold yet."""
        return tuple(item.file for item in self.files(case) if item.duplicate_of is None)

    def evidence(self, case: Case) -> tuple[Evidence, ...]:
        """The new evidence, if the case is under investigation once the decisions count. Each file is evidence once."""
        decided = self.decided(case)
        if decided.status is not CaseStatus.INVESTIGATING:
            return ()
        usable = {file.file_id for file in (*case.uploaded_files, *self.new_files(case))}
        usable -= {item.file_id for item in case.evidence if item.file_id}
        return tuple(
            make_evidence(
                decided,
                draft.extract,
                evidence_id=draft.evidence_id,
                file_id=draft.file_id,
                at=self.now(case),
                by=self.actor.user_id,
            )
            for draft in self.drafts
            if draft.file_id is None or draft.file_id in usable
        )

    def question(self, case_id: str, number: int, files: Sequence[ProcessedFile] = ()) -> Message:
        """The user's message in the turn with this number."""
        text = self.request.query.strip()
        decisions = ", ".join(item.kind for item in self.request.decisions)
        return Message(
            message_id=self.question_id,
            case_id=case_id,
            turn_number=number,
            role=MessageRole.USER,
            type=MessageType.USER_QUERY if text or not files else MessageType.DATA_UPLOAD,
            content=text or (FILES_ONLY if files else f"Decided: {decisions}"),
            created_at=self.at,
            author_id=self.actor.user_id,
            file_ids=tuple(dict.fromkeys(item.file.file_id for item in files)),
            metadata={"decisions": decisions} if decisions else {},
        )

    def answer(self, case_id: str, number: int, text: str, at: datetime, metadata: Attributes) -> Message:
        """The reply in the turn with this number."""
        return Message(
            message_id=self.answer_id,
            case_id=case_id,
            turn_number=number,
            role=MessageRole.ASSISTANT,
            type=MessageType.AGENT_RESPONSE,
            content=text,
            created_at=max(at, self.at),
            metadata=metadata,
        )
