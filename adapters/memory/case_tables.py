"""The tables of cases and messages in memory, and what of them is found without a search."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from adapters.memory.transactions import Layer
from domain.case import Case
from domain.message import Message
from domain.values import search_text
from ports.errors import AlreadyExists, NotFound


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case with what a search looks at."""

    case: Case
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class MessageLine:
    """A message with what a search looks at."""

    message: Message
    content: str


class CaseRows(dict[str, CaseRow]):
    """The rows of all cases, with those of each user and of each session at hand."""

    def __init__(self) -> None:
        super().__init__()
        self._of_user: dict[str, dict[str, CaseRow]] = {}
        self._of_session: dict[str, dict[str, CaseRow]] = {}

    def __setitem__(self, case_id: str, row: CaseRow) -> None:
        """Keep the row."""
        known = self.get(case_id)
        if known and _place(known.case) != _place(row.case):
            self._forget(known.case)
        super().__setitem__(case_id, row)
        self._of_user.setdefault(row.case.user_id, {})[case_id] = row
        if row.case.opened_in_session is not None:
            self._of_session.setdefault(row.case.opened_in_session, {})[case_id] = row

    def pop(self, case_id: str, default: Any = None) -> Any:
        """Remove a row."""
        if case_id in self:
            self._forget(self[case_id].case)
        return super().pop(case_id, default)

    def of_user(self, user_id: str) -> Collection[CaseRow]:
        """The rows of a user's cases."""
        return self._of_user.get(user_id, {}).values()

    def of_session(self, session_id: str) -> Collection[CaseRow]:
        """The rows of the cases that were opened in a session."""
        return self._of_session.get(session_id, {}).values()

    def _forget(self, case: Case) -> None:
        for group, key in zip((self._of_user, self._of_session), _place(case), strict=True):
            if key is not None:
                del group[key][case.case_id]
                if not group[key]:
                    del group[key]


def _place(case: Case) -> tuple[str, str | None]:
    """What the lists of `CaseRows` go by."""
    return case.user_id, case.opened_in_session


@dataclass(frozen=True, slots=True)
class CaseTables:
    """Messages stand under (case id, position), so an append touches nothing but itself and the row of the case."""

    cases: MutableMapping[str, CaseRow]
    messages: MutableMapping[tuple[str, int], MessageLine]
    case_of_message: MutableMapping[str, str]
    checkpoints: MutableMapping[str, str]

    def layered(self) -> CaseTables:
        """Tables over these, whose changes stay their own until they are applied."""
        return CaseTables(Layer(self.cases), Layer(self.messages), Layer(self.case_of_message), Layer(self.checkpoints))

    def apply(self) -> None:
        """Write the changes of layered tables to those below."""
        for layer in (self.cases, self.messages, self.case_of_message, self.checkpoints):
            cast("Layer[object, object]", layer).apply()

    def of_user(self, user_id: str) -> Collection[CaseRow]:
        """The rows of a user's cases; a transaction looks for them among all."""
        if isinstance(self.cases, CaseRows):
            return self.cases.of_user(user_id)
        return [row for row in self.cases.values() if row.case.user_id == user_id]

    def of_session(self, session_id: str) -> Collection[CaseRow]:
        """The same for a session."""
        if isinstance(self.cases, CaseRows):
            return self.cases.of_session(session_id)
        return [row for row in self.cases.values() if row.case.opened_in_session == session_id]

    def lines(self, case: Case, positions: Iterable[int] | None = None) -> Iterator[MessageLine]:
        """The messages of the case, all or those at these positions."""
        places = range(case.message_count) if positions is None else positions
        return (self.messages[case.case_id, position] for position in places)

    def put(self, case: Case) -> Case:
        """Keep a case whose text may have changed."""
        known = self.cases.get(case.case_id)
        if known and known.case.title == case.title and known.case.description == case.description:
            self.cases[case.case_id] = CaseRow(case, known.title, known.description)
        else:
            self.cases[case.case_id] = CaseRow(case, search_text(case.title), search_text(case.description))
        return case

    def put_row(self, row: CaseRow) -> None:
        """Keep a case as it is, unless the same or a higher version is there."""
        case = row.case
        known = self.cases.get(case.case_id)
        if known is None:
            self.cases[case.case_id] = CaseRow(case.model_copy(update={"message_count": 0}), row.title, row.description)
            return
        activity = max(known.case.last_activity_at, case.last_activity_at)
        if case.version > known.case.version:
            changes = {"message_count": known.case.message_count, "last_activity_at": activity}
            self.cases[case.case_id] = CaseRow(case.model_copy(update=changes), row.title, row.description)
        elif activity > known.case.last_activity_at:
            self.put(known.case.model_copy(update={"last_activity_at": activity}))

    def append(self, row: CaseRow, lines: Sequence[MessageLine]) -> None:
        """Append messages that no case has."""
        case = row.case
        self.messages.update(
            {(case.case_id, position): line for position, line in enumerate(lines, start=case.message_count)}
        )
        self.case_of_message.update(dict.fromkeys((line.message.message_id for line in lines), case.case_id))
        latest = max(line.message.created_at for line in lines)
        self.put(
            case.model_copy(
                update={
                    "message_count": case.message_count + len(lines),
                    "last_activity_at": max(case.last_activity_at, latest),
                }
            )
        )

    def remove(self, case_id: str) -> bool:
        """Remove the case with its messages; False if there is none."""
        row = self.cases.pop(case_id, None)
        if row is None:
            return False
        for position in range(row.case.message_count):
            line = self.messages.pop((case_id, position))
            del self.case_of_message[line.message.message_id]
        return True


def case_rows(cases: Sequence[Case]) -> list[CaseRow]:
    """The rows of the cases."""
    return [CaseRow(case, search_text(case.title), search_text(case.description)) for case in cases]


def message_lines(messages: Sequence[Message]) -> list[MessageLine]:
    """The messages as they are kept."""
    return [MessageLine(message, search_text(message.content)) for message in messages]


def fresh_lines(lines: Sequence[MessageLine], tables: CaseTables) -> dict[str, list[MessageLine]]:
    """The messages that are not there yet, by case.

    Raises:
        NotFound: a case does not exist.
        AlreadyExists: a message belongs to another case.
    """
    for case_id in dict.fromkeys(line.message.case_id for line in lines):
        if case_id not in tables.cases:
            raise NotFound("case", case_id)
    fresh: dict[str, list[MessageLine]] = {}
    owners: dict[str, str] = {}
    stored = tables.case_of_message
    for line in lines:
        case_id, message_id = line.message.case_id, line.message.message_id
        owner = stored[message_id] if message_id in stored else owners.get(message_id)
        if owner is None:
            owners[message_id] = case_id
            fresh.setdefault(case_id, []).append(line)
        elif owner != case_id:
            raise AlreadyExists("message", "message_id")
    return fresh
