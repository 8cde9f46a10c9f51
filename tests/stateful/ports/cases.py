"""Cases and messages, in transactions too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone

from hypothesis import strategies as st

from ports.cases import CaseRepository
from tests import strategies
from tests.builders import an_id, later
from tests.stateful import cases
from tests.stateful.agreement import Port
from tests.stateful.cases import Abort, CaseModel
from tests.stateful.machine import Call, Command, call, said
from tests.stateful.ports.common import asking, hostile, limits, offsets


@dataclass(frozen=True)
class Together:
    """Several commands in one transaction, which is committed or rolled back."""

    commands: tuple[Command[CaseModel], ...]
    commits: bool

    def on(self, model: CaseModel) -> Call:
        inside = model.copy()
        calls = []
        for command in self.commands:
            method, arguments, named = command.on(inside)
            said(getattr(inside, method), arguments, named)
            calls.append((method, arguments, named))
        return call("transaction", calls, commits=self.commits)


def end(*, commits: bool) -> None:
    """Raise what rolls the transaction back, unless it shall be committed."""
    if not commits:
        raise Abort


known_ids = cases.numbers.map(lambda number: an_id("case", number))
case_ids = st.one_of(*[known_ids] * 9, hostile)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-12))])
instants_of_any_zone = st.builds(lambda minute, zone: later(minute).astimezone(zone), cases.minutes, zones)
single_case_commands: st.SearchStrategy[Command[CaseModel]] = st.one_of(
    cases.writes,
    asking("get", case_ids),
    asking("get_messages", case_ids, limit=limits, offset=offsets),
    asking("get_analytics", case_ids),
    asking("update_activity_timestamp", case_ids, instants_of_any_zone),
    asking("add_message", known_ids.flatmap(strategies.messages)),
    asking("list", cases.filters, limit=limits, offset=offsets),
    asking("find_by_session", cases.sessions | hostile, limit=limits, offset=offsets),
    asking("search", cases.phrases | hostile, cases.filters, limit=limits, offset=offsets),
    asking("scan", after=st.none() | case_ids, limit=limits),
    asking("cleanup_expired", cases.minutes.map(later), batch_size=limits),
)
transactions = st.builds(Together, st.lists(single_case_commands, max_size=6).map(tuple), st.booleans())


class CasePort(Port[CaseRepository, CaseModel]):
    """Cases and messages, in transactions too."""

    name = "cases"
    commands = st.one_of(
        single_case_commands,
        asking("save", strategies.cases().map(lambda case: case.replace(version=0))),
        transactions,
        transactions,
        transactions,
    )

    def new_model(self) -> CaseModel:
        return CaseModel()

    async def ask_model(self, model: CaseModel, what: Call) -> object:
        method, arguments, named = what
        if method != "transaction":
            return await super().ask_model(model, what)
        inside = model.copy()
        answers = [await super(CasePort, self).ask_model(inside, each) for each in arguments[0]]
        if named["commits"]:
            model.cases, model.messages = inside.cases, inside.messages
        return answers

    async def ask(self, store: CaseRepository, what: Call) -> object:
        method, arguments, named = what
        if method != "transaction":
            return await super().ask(store, what)
        answers = []
        with suppress(Abort):
            async with store.begin_transaction():
                for each in arguments[0]:
                    answers.append(await super().ask(store, each))  # noqa: PERF401
                end(commits=named["commits"])
        return answers

    def last_calls(self, model: CaseModel) -> Sequence[Call]:
        messages = [call("get_messages", case_id, limit=200) for case_id in sorted(model.cases)]
        return [call("scan", limit=200), call("list", limit=200), *messages]
