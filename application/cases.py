"""Cases: opened, found, renamed, changed and deleted. Their investigation is in `application.troubleshooting`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from application.authorization import authorize
from application.errors import NotEnoughContext
from application.knowledge import KnowledgeService
from application.naming import name_after
from application.retries import retry_conflicts
from application.retrieval import KnowledgeHit
from domain.access import Action, Actor
from domain.analytics import CaseAnalytics
from domain.case import Case, CasePriority
from domain.message import Message, MessageRole
from domain.status import CaseStatus
from domain.title import is_meaningful, placeholder_title, word_limit
from ports.blobs import BlobStore
from ports.cases import CaseFilter, CaseRepository
from ports.clock import Clock
from ports.errors import NotFound
from ports.ids import IdSource
from ports.paging import MAX_LIMIT, Page

MIN_TITLE_WORDS = 3
"""Words that a user must have said before a title can be made of them."""


@dataclass(frozen=True, slots=True)
class GeneratedTitle:
    """A title and where it came from: a model, the user's own words, or it was there already."""

    title: str
    source: Literal["llm", "fallback", "existing"]


class CaseService:
    """Keeps the cases of users. A case of somebody else looks like a missing one."""

    def __init__(
        self, *, cases: CaseRepository, blobs: BlobStore, knowledge: KnowledgeService, clock: Clock, ids: IdSource
    ) -> None:
        """Works on these ports; ``knowledge`` forgets what belongs to deleted cases."""
        self._cases = cases
        self._blobs = blobs
        self._knowledge = knowledge
        self._clock = clock
        self._ids = ids

    # ---------------------------------------------------------------- opening and reading

    async def open_case(
        self,
        actor: Actor,
        *,
        title: str | None = None,
        description: str = "",
        priority: CasePriority | None = None,
        source: str = "api",
        session_id: str | None = None,
        follows: str | None = None,
    ) -> Case:
        """A new case of the actor. Without a title it is called ``Case-YYMMDD-N``, as no other case of the owner.

        Raises:
            NotFound: the case that it should follow does not exist.
            InvalidInput: the case that it should follow is not finished.
            pydantic.ValidationError: a value is malformed.
        """
        earlier = await self.get_case(actor, follows) if follows else None
        async with self._cases.begin_transaction():
            now = self._clock.now()
            case = Case.open(
                case_id=self._ids.new("case"),
                user_id=actor.user_id,
                title=title.strip() if title and title.strip() else await self._placeholder(actor, now),
                at=now,
                description=description,
                priority=priority,
                source=source,
                session_id=session_id,
                follows=earlier,
            )
            return await self._cases.save(case)

    async def get_case(self, actor: Actor, case_id: str) -> Case:
        """The case.

        Raises:
            NotFound: there is none, or it belongs to somebody else.
        """
        case = await self._cases.get(case_id)
        if case is None:
            raise NotFound("case", case_id)
        authorize(actor, Action.READ, case, kind="case", key=case_id)
        return case

    async def list_cases(
        self, actor: Actor, *, status: CaseStatus | None = None, limit: int = 50, offset: int = 0
    ) -> Page[Case]:
        """The actor's cases, the latest activity first."""
        wanted = CaseFilter(user_id=actor.user_id, status=status)
        return await self._cases.list(wanted, limit=limit, offset=offset)

    async def search_cases(self, actor: Actor, query: str, *, limit: int = 20, offset: int = 0) -> Page[Case]:
        """The actor's cases in which every word of the query occurs.

        Raises:
            InvalidInput: see `ports.cases.query_terms`.
        """
        return await self._cases.search(query, CaseFilter(user_id=actor.user_id), limit=limit, offset=offset)

    async def get_messages(self, actor: Actor, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        """The messages of the case in their order.

        Raises:
            NotFound: see `get_case`.
        """
        await self.get_case(actor, case_id)
        return await self._cases.get_messages(case_id, limit=limit, offset=offset)

    async def get_analytics(self, actor: Actor, case_id: str) -> CaseAnalytics:
        """The figures of the case.

        Raises:
            NotFound: see `get_case`.
        """
        await self.get_case(actor, case_id)
        figures = await self._cases.get_analytics(case_id)
        if figures is None:
            raise NotFound("case", case_id)
        return figures

    async def similar_cases(self, actor: Actor, case_id: str) -> tuple[KnowledgeHit, ...]:
        """Solved cases of the actor that resemble this one, each with the reason.

        Raises:
            NotFound: see `get_case`.
        """
        return await self._knowledge.similar_cases(actor, await self.get_case(actor, case_id))

    # ---------------------------------------------------------------- changing

    async def change(self, actor: Actor, case_id: str, command: Callable[[Case], Case]) -> Case:
        """The case after ``command``, which is repeated on the newer case if somebody else was faster.

        Raises:
            NotFound: see `get_case`.
            Conflict: somebody else was faster ten times.
            DomainError: ``command`` refused.
        """

        async def attempt() -> Case:
            case = await self.get_case(actor, case_id)
            authorize(actor, Action.WRITE, case, kind="case", key=case_id)
            return await self._cases.save(command(case))

        return await retry_conflicts(attempt)

    async def rename_case(self, actor: Actor, case_id: str, title: str) -> Case:
        """The case under another title; finished cases can be renamed too.

        Raises:
            NotFound, Conflict: see `change`.
            pydantic.ValidationError: the title is blank or too long.
        """
        return await self.change(actor, case_id, lambda case: case.rename(title, self._clock.now()))

    async def generate_title(
        self, actor: Actor, case_id: str, *, max_words: int = 8, hint: str | None = None
    ) -> GeneratedTitle:
        """A title from what is known of the problem, kept in the case; one that says something already stays.

        Args:
            actor: who asks.
            case_id: the case.
            max_words: 3 to 12, anything else means 8.
            hint: words to use if the case itself says too little.

        Raises:
            NotFound, Conflict: see `change`.
            NotEnoughContext: nothing was said yet.
        """
        case = await self.get_case(actor, case_id)
        if is_meaningful(case.title):
            return GeneratedTitle(case.title, "existing")
        said = await self._said(case)
        text = next((item for item in (*said, hint or "") if len(item.split()) >= MIN_TITLE_WORDS), "")
        title = name_after(text, word_limit(max_words)) if text else None
        if title is None:
            raise NotEnoughContext(
                "There is not enough to name the case after. Describe the problem in a sentence first."
            )
        renamed = await self.rename_case(actor, case_id, title)
        return GeneratedTitle(renamed.title, "fallback")

    # ---------------------------------------------------------------- deleting

    async def delete_case(self, actor: Actor, case_id: str) -> bool:
        """Delete the case with its messages, files and knowledge. True if it existed.

        The case goes first, so nothing is left that names a missing file; a repeat removes what an interruption left.

        Raises:
            NotFound: it belongs to somebody else.
        """
        case = await self._cases.get(case_id)
        if case:
            authorize(actor, Action.DELETE, case, kind="case", key=case_id)
        existed = await self._cases.delete(case_id)
        await self._remove_belongings(case_id)
        return existed

    async def cleanup_expired(self, max_age: timedelta, batch_size: int = 100) -> int:
        """Delete closed cases that ended longer ago than ``max_age``, the oldest first; returns how many."""
        gone = await self._cases.cleanup_expired(self._clock.now() - max_age, batch_size=batch_size)
        for case_id in gone:
            await self._remove_belongings(case_id)
        return len(gone)

    async def _remove_belongings(self, case_id: str) -> None:
        while found := await self._blobs.scan(prefix=case_id):
            for blob in found:
                await self._blobs.delete(blob.key)
        await self._knowledge.forget_case(case_id)

    async def _placeholder(self, actor: Actor, now: datetime) -> str:
        """A free name of the day. Cases that were last active before today cannot have one of today."""
        titles: list[str] = []
        owned = CaseFilter(user_id=actor.user_id)
        while (page := await self._cases.list(owned, limit=MAX_LIMIT, offset=len(titles))).items:
            titles += [case.title for case in page]
            if page.items[-1].last_activity_at.date() < now.date():
                break
        return placeholder_title(now, titles)

    async def _said(self, case: Case) -> tuple[str, ...]:
        """What the case could be named after, the best first."""
        messages = await self._cases.get_messages(case.case_id, limit=MAX_LIMIT)
        words = " ".join(item.content for item in messages if item.role is MessageRole.USER)
        return (case.consulting.proposed_problem_statement or "", case.description, words)
