"""The retrieved knowledge of a turn: which documents can be worked with, and from which one a hypothesis came."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.playbook.runbook import Point, Runbook, parse_runbook
from application.markdown import escape
from domain.hypothesis import Hypothesis
from domain.knowledge import KnowledgeType
from ports.language_model import Passage

MAX_SOURCES = 5
NEAR_THE_BEST = 0.6
"""A document that is less relevant than this share of the best one is not worked with."""

_DOCUMENT_ID = re.compile(r"kb_[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Source:
    """A document with its parts and the passage for which it was retrieved."""

    passage: Passage
    runbook: Runbook

    @property
    def document_id(self) -> str:
        """The id of the document."""
        return self.passage.document.document_id

    @property
    def is_past_case(self) -> bool:
        """True for what a solved case taught."""
        return self.passage.document.document_type is KnowledgeType.SOLUTION_PATTERN

    def cite(self) -> str:
        """The document in a sentence, with its id."""
        return f"*{escape(self.passage.document.title)}* (`{self.document_id}`)"


def sources_of(passages: Sequence[Passage]) -> tuple[Source, ...]:
    """The documents of the passages, each once, the most relevant first; those without usable parts are left out."""
    best: dict[str, Passage] = {}
    for passage in passages:
        known = best.get(passage.document.document_id)
        if passage.document.document_type is not KnowledgeType.EVIDENCE and (
            known is None or passage.relevance > known.relevance
        ):
            best[passage.document.document_id] = passage
    ranked = sorted(best.values(), key=lambda passage: (-passage.relevance, passage.document.document_id))
    sources = [Source(item, parse_runbook(item.document.title, item.document.content)) for item in ranked]
    usable = [source for source in sources if source.runbook.is_usable]
    floor = NEAR_THE_BEST * max((source.passage.relevance for source in usable), default=0.0)
    return tuple(source for source in usable if source.passage.relevance >= floor)[:MAX_SOURCES]


def origin_of(hypothesis: Hypothesis, sources: Sequence[Source]) -> tuple[Source, Point] | None:
    """The source and the cause behind a hypothesis of ours; None if it came from elsewhere or is not retrieved now."""
    named = _DOCUMENT_ID.search(hypothesis.rationale)
    for source in sources:
        if named and source.document_id == named[0]:
            for cause in source.runbook.causes:
                if statement_of(cause) == hypothesis.statement:
                    return source, cause
    return None


def statement_of(cause: Point) -> str:
    """The cause as the statement of a hypothesis."""
    text = cause.name or cause.text.rstrip(".")
    return " ".join(text.split())[:480]


def rationale_of(cause: Point, source: Source) -> str:
    """Why the cause explains the problem, by its document."""
    detail = cause.detail if cause.name else cause.text
    return f"{detail[:800]} (after the document {source.document_id}, {source.passage.document.title[:120]})"
