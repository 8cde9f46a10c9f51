"""The language model that leads an investigation: it is shown a case and proposes; the domain decides what counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from domain.case import Case
from domain.evidence import Evidence
from domain.knowledge import KnowledgeDocument
from domain.message import Message
from domain.proposals import ModelUpdates, UserDecision


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of knowledge that was retrieved for the turn, with the reason why it is similar.

    ``document`` is the whole document that ``text`` is taken from; ``relevance`` is 0 to 1.
    """

    document: KnowledgeDocument
    chunk_id: str
    heading: str
    text: str
    relevance: float
    why: str


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What the model is told: the case as it will stand when the new evidence and the decisions are in."""

    case: Case
    message: str
    new_evidence: tuple[Evidence, ...] = ()
    decisions: tuple[UserDecision, ...] = ()
    passages: tuple[Passage, ...] = ()
    history: tuple[Message, ...] = ()


class ActionType(StrEnum):
    """How a client offers a suggestion: as a button, as a command to copy, as a wish for data, as a free question."""

    DECIDE = "DECIDE"
    RUN = "RUN"
    EVIDENCE = "EVIDENCE"
    FREE_SPEECH = "FREE_SPEECH"


@dataclass(frozen=True, slots=True)
class SuggestedAction:
    """A next step. ``decisions`` is what a click on a DECIDE suggestion means; ``payload`` the text or the command."""

    type: ActionType
    label: str
    payload: str | None = None
    body: str | None = None
    decision: UserDecision | None = None


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What the model answers: Markdown for the user, proposals for the domain, next steps, and what it relied on.

    ``cited_documents`` and ``cited_evidence`` hold ids of passages' documents and of the case's evidence.
    """

    text: str
    updates: ModelUpdates = field(default_factory=ModelUpdates)
    actions: tuple[SuggestedAction, ...] = ()
    cited_documents: tuple[str, ...] = ()
    cited_evidence: tuple[str, ...] = ()


class LanguageModel(Protocol):
    """Answers one turn."""

    @property
    def name(self) -> str:
        """Which model this is, for logs and reports."""
        ...

    async def reply(self, context: TurnContext) -> ModelReply:
        """The answer to the turn.

        Raises:
            StorageUnavailable: the model cannot be reached, or did not answer in time.
        """
        ...
