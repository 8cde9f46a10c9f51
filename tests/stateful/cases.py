"""The state machine of `ports.cases.CaseRepository`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.analytics import CaseAnalytics, analyse
from domain.case import Case
from domain.errors import InvalidInput
from domain.message import Message
from domain.status import CaseStatus
from domain.values import check_storable, search_text
from ports.cases import ALL_CASES, CaseFilter, CaseRepository, query_terms
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page, check_page
from tests import strategies
from tests.builders import a_case, a_closed_case, a_message, a_resolved_case, an_id, an_investigating_case, later
from tests.stateful.machine import Ask, Call, Command, StoreMachine, call

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass
class CaseModel:
    """What the port promises, over a dictionary and lists."""

    cases: dict[str, Case] = field(default_factory=dict)
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def copy(self) -> CaseModel:
        """A model that changes on its own."""
        return CaseModel(dict(self.cases), {case_id: list(messages) for case_id, messages in self.messages.items()})

    def save(self, case: Case) -> Case:
        stored = self.cases.get(case.case_id)
        if case.version != (stored.version if stored else 0):
            raise Conflict("case", case.case_id, case.version, stored.version if stored else None)
        self.messages.setdefault(case.case_id, [])
        self.cases[case.case_id] = case.replace(
            version=case.version + 1,
            message_count=len(self.messages[case.case_id]),
            last_activity_at=max(case.last_activity_at, stored.last_activity_at if stored else case.last_activity_at),
        )
        return self.cases[case.case_id]

    def get(self, case_id: str) -> Case | None:
        check_storable(case_id)
        return self.cases.get(case_id)

    def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        return self._page([case for case in self.cases.values() if _matches(case, filter)], limit, offset)

    def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        check_storable(session_id)
        if not session_id.strip():
            raise InvalidInput("the session id is blank")
        return self._page([case for case in self.cases.values() if case.opened_in_session == session_id], limit, offset)

    def delete(self, case_id: str) -> bool:
        check_storable(case_id)
        self.messages.pop(case_id, None)
        return self.cases.pop(case_id, None) is not None

    def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        check_page(limit, offset)
        terms = query_terms(query)
        found = []
        for case in self.list(filter, limit=200):
            texts = [case.title, case.description, *(message.content for message in self.messages[case.case_id])]
            folded = [search_text(text) for text in texts]
            if all(any(term in text for text in folded) for term in terms):
                found.append((-sum(term in folded[0] for term in terms), case))
        found.sort(key=lambda pair: pair[0])
        return Page(tuple(case for _, case in found[offset : offset + limit]), len(found))

    def add_message(self, message: Message) -> bool:
        case = self.cases.get(message.case_id)
        if case is None:
            return False
        for case_id, messages in self.messages.items():
            if any(message.message_id == other.message_id for other in messages):
                if case_id != message.case_id:
                    raise AlreadyExists("message", "message_id")
                return True
        self.messages[case.case_id].append(message)
        self.cases[case.case_id] = case.replace(
            message_count=case.message_count + 1, last_activity_at=max(case.last_activity_at, message.created_at)
        )
        return True

    def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        check_storable(case_id)
        check_page(limit, offset)
        messages = self.messages.get(case_id, [])
        return Page(tuple(messages[offset : offset + limit]), len(messages))

    def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        check_storable(case_id)
        if case := self.cases.get(case_id):
            self.cases[case_id] = case.replace(last_activity_at=max(at, case.last_activity_at))
        return case is not None

    def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        check_storable(case_id)
        case = self.cases.get(case_id)
        return analyse(case) if case else None

    def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        check_page(batch_size)
        expired = sorted(
            (case.closed_at, case.case_id)
            for case in self.cases.values()
            if case.status is CaseStatus.CLOSED and case.closed_at and case.closed_at < closed_before
        )[:batch_size]
        for _, case_id in expired:
            self.delete(case_id)
        return tuple(case_id for _, case_id in expired)

    def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        check_storable(after or "")
        check_page(limit)
        return tuple(self.cases[case_id] for case_id in sorted(self.cases) if case_id > (after or ""))[:limit]

    @staticmethod
    def _page(cases: Sequence[Case], limit: int, offset: int) -> Page[Case]:
        check_page(limit, offset)
        ordered = sorted(cases, key=lambda case: (LATEST - case.last_activity_at, case.case_id))
        return Page(tuple(ordered[offset : offset + limit]), len(cases))


def _matches(case: Case, wanted: CaseFilter) -> bool:
    pairs = (
        (wanted.user_id, case.user_id),
        (wanted.organization_id, case.organization_id),
        (wanted.status, case.status),
    )
    return all(asked in (None, value) for asked, value in pairs)


# ---------------------------------------------------------------- steps

# Few ids, owners, instants and words, so that steps meet each other.
numbers = st.integers(1, 6)
minutes = st.integers(0, 12)
owners = st.sampled_from(["alice", "Alice", "%", "o'hara"])
sessions = st.sampled_from(["s1", "s_", "S1"])
words = st.sampled_from(
    ["disk", "DISK", "isk", "é", "e\u0301", "ß", "SS", "100%", "%", "a_b", "'", '"', "*", "\\", "障害"]
)
phrases = st.lists(words, min_size=1, max_size=3).map(" ".join)
pages = st.fixed_dictionaries({"limit": st.integers(0, 4), "offset": st.integers(0, 4)})
filters = st.builds(
    CaseFilter,
    user_id=st.none() | owners,
    organization_id=st.none() | owners,
    status=st.none() | st.sampled_from(CaseStatus),
)


@dataclass(frozen=True)
class Open:
    """Save a case as new, though its id may be taken."""

    number: int
    status: CaseStatus
    owner: str
    organization: str
    session: str | None
    title: str
    description: str
    activity: int

    def on(self, model: CaseModel) -> Call:
        build = {
            CaseStatus.CONSULTING: a_case,
            CaseStatus.INVESTIGATING: an_investigating_case,
            CaseStatus.RESOLVED: a_resolved_case,
            CaseStatus.CLOSED: a_closed_case,
        }[self.status]
        case = build(self.number).replace(
            user_id=self.owner,
            organization_id=self.organization,
            opened_in_session=self.session,
            title=self.title,
            description=self.description,
            last_activity_at=later(self.activity),
        )
        if self.status is CaseStatus.CLOSED:
            case = case.replace(closed_at=later(10 + self.activity % 3))
        return call("save", case)


@dataclass(frozen=True)
class Edit:
    """Save a case that was read before, perhaps an older or an impossible version of it."""

    number: int
    title: str
    activity: int
    ahead: int

    def on(self, model: CaseModel) -> Call:
        read = model.get(an_id("case", self.number)) or a_case(self.number, version=1)
        return call(
            "save",
            read.replace(
                title=self.title,
                last_activity_at=later(self.activity),
                version=max(0, read.version + self.ahead),
                message_count=self.activity,
            ),
        )


@dataclass(frozen=True)
class Append:
    """Append a message, though its id may be known and its case gone."""

    number: int
    message: int
    content: str
    minute: int

    def on(self, model: CaseModel) -> Call:
        case_id = an_id("case", self.number)
        return call(
            "add_message", a_message(case_id, self.message, content=self.content, created_at=later(self.minute))
        )


@dataclass(frozen=True)
class Touch:
    """Move the last activity."""

    number: int
    minute: int

    def on(self, model: CaseModel) -> Call:
        return call("update_activity_timestamp", an_id("case", self.number), later(self.minute))


@dataclass(frozen=True)
class Delete:
    """Delete a case."""

    number: int

    def on(self, model: CaseModel) -> Call:
        return call("delete", an_id("case", self.number))


@dataclass(frozen=True)
class CleanUp:
    """Delete expired cases."""

    minute: int
    batch_size: int

    def on(self, model: CaseModel) -> Call:
        return call("cleanup_expired", later(self.minute), batch_size=self.batch_size)


writes: st.SearchStrategy[Command[CaseModel]] = st.one_of(
    st.builds(
        Open, numbers, st.sampled_from(CaseStatus), owners, owners, st.none() | sessions, phrases, phrases, minutes
    ),
    st.builds(Edit, numbers, phrases, minutes, st.sampled_from([0, 0, 0, -1, 1, 2])),
    st.builds(Append, numbers, st.integers(1, 12), phrases, minutes),
    st.builds(Append, numbers, st.integers(1, 12), phrases, minutes),
    st.builds(Touch, numbers, minutes),
    st.builds(Delete, numbers),
    st.builds(CleanUp, minutes, st.integers(0, 3)),
)


class Abort(Exception):
    """Rolls a transaction back."""


class CaseRepositoryMachine(StoreMachine[CaseRepository, CaseModel]):
    """Writers, readers, races, transactions and restarts in any order."""

    def new_model(self) -> CaseModel:
        return CaseModel()

    @rule(command=writes)
    def write(self, command: Command[CaseModel]) -> None:
        """Any single write."""
        self.step(command)

    @rule(number=numbers, writers=st.integers(2, 5), activity=minutes)
    def race(self, number: int, writers: int, activity: int) -> None:
        """Of several writers of the same version exactly one wins."""
        base = self.model.get(an_id("case", number)) or a_case(number)
        versions = [base.replace(title=f"writer {each}", last_activity_at=later(activity)) for each in range(writers)]

        async def work() -> list[Case | BaseException]:
            return await asyncio.gather(*map(self.store.save, versions), return_exceptions=True)

        results = self.run(work())
        winners = [result for result in results if isinstance(result, Case)]
        assert len(winners) == 1
        assert all(isinstance(result, Case | Conflict) for result in results)
        won = next(case for case in versions if case.title == winners[0].title)
        assert self.model.save(won) == winners[0]

    @rule(commands=st.lists(writes, max_size=6), commits=st.booleans(), nested=st.booleans())
    def transaction(self, commands: list[Command[CaseModel]], commits: bool, nested: bool) -> None:
        """Several writes happen together or not at all, and nobody outside sees them before the end."""
        before = self.model
        self.model = before.copy()

        async def work() -> None:
            async with self.store.begin_transaction():
                for command in commands:
                    if nested:
                        async with self.store.begin_transaction():
                            await self.perform(command)
                    else:
                        await self.perform(command)
                assert await self.store.scan() == self.model.scan()
                assert await asyncio.create_task(self.store.scan()) == before.scan()
                if not commits:
                    raise Abort

        try:
            self.run(work())
        except Abort:
            assert not commits
            self.model = before

    @rule(query=phrases, wanted=filters, page=pages)
    def search(self, query: str, wanted: CaseFilter, page: dict[str, int]) -> None:
        """Any search."""
        self.step(Ask(call("search", query, wanted, **page)))
        self.step(Ask(call("search", query)))

    @rule(wanted=filters, page=pages, session_id=sessions)
    def list_some(self, wanted: CaseFilter, page: dict[str, int], session_id: str) -> None:
        """Any page of a list."""
        self.step(Ask(call("list", wanted, **page)))
        self.step(Ask(call("find_by_session", session_id, **page)))

    @rule(number=numbers, page=pages)
    def read(self, number: int, page: dict[str, int]) -> None:
        """Everything about one case."""
        case_id = an_id("case", number)
        self.step(Ask(call("get", case_id)))
        self.step(Ask(call("get_messages", case_id, **page)))
        self.step(Ask(call("get_analytics", case_id)))

    @rule(limit=st.integers(1, 3))
    def walk(self, limit: int) -> None:
        """All cases in pages of any size, each with all of its messages."""
        after: str | None = None
        while page := self.model.scan(after=after, limit=limit):
            self.step(Ask(call("scan", after=after, limit=limit)))
            for case in page:
                self.step(Ask(call("get_messages", case.case_id)))
            after = page[-1].case_id
        self.step(Ask(call("scan", after=after, limit=limit)))

    @invariant()
    def all_cases_match(self) -> None:
        """The list of all cases is that of the model."""
        self.step(Ask(call("list", limit=200)))


class CaseValuesMachine(StoreMachine[CaseRepository, CaseModel]):
    """Cases and messages with any legal content come back as they were."""

    def new_model(self) -> CaseModel:
        return CaseModel()

    @rule(case=strategies.cases(), data=st.data())
    def save_any(self, case: Case, data: st.DataObject) -> None:
        """A case with all that a case may have, and some messages."""
        self.step(Ask(call("save", case.replace(version=0))))
        self.step(Ask(call("get", case.case_id)))
        for message in data.draw(st.lists(strategies.messages(case.case_id), max_size=2)):
            self.step(Ask(call("add_message", message)))
        self.step(Ask(call("get_messages", case.case_id)))
        self.step(Ask(call("get_analytics", case.case_id)))

    @invariant()
    def all_cases_match(self) -> None:
        """The list of all cases is that of the model."""
        self.step(Ask(call("list", limit=200)))
