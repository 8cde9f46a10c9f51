"""Cases: titles, ownership, races, and what a deletion takes along."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from adapters.memory.cases import InMemoryCaseRepository
from application.authorization import authorize
from application.errors import Forbidden, NotEnoughContext
from domain.access import Action, Actor
from domain.case import Case
from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, KnowledgeType, Scope
from domain.proposals import DecisionKind
from domain.status import CaseStatus
from domain.user import Role
from ports.errors import Conflict, NotFound
from tests.unit.application.world import ADA, BOB, GROUPS, LOG, PROBLEM, World, decide, upload


@pytest.fixture
def world() -> World:
    return World()


class TestOpening:
    async def test_a_case_without_a_title_is_numbered_by_day_and_owner(self, world: World) -> None:
        titles = [(await world.open()).title for _ in range(3)]
        other = await world.case_service.open_case(BOB)
        world.clock.advance(timedelta(days=1))
        tomorrow = await world.open(title="  ")

        assert titles == ["Case-250301-1", "Case-250301-2", "Case-250301-3"]
        assert other.title == "Case-250301-1"
        assert tomorrow.title == "Case-250302-1"

    async def test_a_number_is_free_only_above_the_highest_one(self, world: World) -> None:
        first, _ = await world.open(), await world.open()
        await world.case_service.delete_case(ADA, first.case_id)

        assert (await world.open()).title == "Case-250301-3"

    async def test_a_case_keeps_what_it_was_opened_with(self, world: World) -> None:
        case = await world.open(
            title=" Disk full ", description="db-1 refuses writes", source="copilot", priority="high"
        )

        assert (case.title, case.description, case.source, case.priority) == (
            "Disk full",
            "db-1 refuses writes",
            "copilot",
            "high",
        )
        assert case.version == 1

    async def test_only_an_own_finished_case_is_followed(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(InvalidInput):
            await world.open(follows=case.case_id)
        with pytest.raises(NotFound):
            await world.case_service.open_case(BOB, follows=case.case_id)

        await world.turn(case, "", decide(DecisionKind.CLOSE))

        assert (await world.open(follows=case.case_id)).follows_case_id == case.case_id


class TestReading:
    async def test_the_case_of_somebody_else_looks_like_a_missing_one(self, world: World) -> None:
        case = await world.open(title="Secret outage")
        service = world.case_service
        for refused in (
            service.get_case(BOB, case.case_id),
            service.get_messages(BOB, case.case_id),
            service.get_analytics(BOB, case.case_id),
            service.similar_cases(BOB, case.case_id),
            service.rename_case(BOB, case.case_id, "Mine now"),
            service.generate_title(BOB, case.case_id),
            service.delete_case(BOB, case.case_id),
        ):
            with pytest.raises(NotFound) as error:
                await refused
            assert str(error.value) == f"case '{case.case_id}' does not exist"
        assert (await service.list_cases(BOB)).items == ()
        assert (await service.search_cases(BOB, "secret")).items == ()
        assert (await service.get_case(ADA, case.case_id)).title == "Secret outage"

    async def test_cases_are_listed_by_status_and_found_by_words(self, world: World) -> None:
        first = await world.open(title="Redis evicts keys")
        world.clock.advance(timedelta(minutes=1))
        second = await world.open(title="Disk full on db-1")
        await world.turn(second, "", decide(DecisionKind.CLOSE))

        assert [item.case_id for item in await world.case_service.list_cases(ADA)] == [second.case_id, first.case_id]
        consulting = await world.case_service.list_cases(ADA, status=CaseStatus.CONSULTING)
        assert [item.case_id for item in consulting] == [first.case_id]
        assert [item.case_id for item in await world.case_service.search_cases(ADA, "disk")] == [second.case_id]

    async def test_figures_and_messages_of_an_own_case(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, PROBLEM)

        assert (await world.case_service.get_analytics(ADA, case.case_id)).message_count == 2
        assert (await world.case_service.get_messages(ADA, case.case_id)).total == 2

    async def test_a_missing_case(self, world: World) -> None:
        with pytest.raises(NotFound):
            await world.case_service.get_case(ADA, "case_00000000dead")

    async def test_figures_of_a_case_that_vanished_meanwhile(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = await world.open()

        async def gone(case_id: str) -> None:
            return None

        monkeypatch.setattr(world.cases, "get_analytics", gone)
        with pytest.raises(NotFound):
            await world.case_service.get_analytics(ADA, case.case_id)


class _Contested(InMemoryCaseRepository):
    """Somebody else is faster ``losses`` times."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses

    async def save(self, case: Case) -> Case:
        if case.version and self.losses:
            self.losses -= 1
            raise Conflict("case", case.case_id, case.version, case.version + 1)
        return await super().save(case)


class TestChanging:
    async def test_a_lost_race_is_repeated(self) -> None:
        world = World(cases=_Contested(3))
        case = await world.open()

        renamed = await world.case_service.rename_case(ADA, case.case_id, "Disk full on db-1")

        assert (renamed.title, renamed.version) == ("Disk full on db-1", 2)

    async def test_a_race_that_is_always_lost_ends(self) -> None:
        world = World(cases=_Contested(10))
        case = await world.open()

        with pytest.raises(Conflict):
            await world.case_service.rename_case(ADA, case.case_id, "Disk full on db-1")

        assert (await world.case_service.get_case(ADA, case.case_id)).version == 1

    async def test_a_finished_case_can_be_renamed_but_not_to_nothing(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, "", decide(DecisionKind.CLOSE))

        assert (await world.case_service.rename_case(ADA, case.case_id, "Closed early")).title == "Closed early"
        with pytest.raises(ValidationError):
            await world.case_service.rename_case(ADA, case.case_id, " ")


class TestTitles:
    async def test_a_title_that_says_something_stays(self, world: World) -> None:
        case = await world.open(title="Orders lost in Kafka")

        title = await world.case_service.generate_title(ADA, case.case_id)

        assert (title.title, title.source) == ("Orders lost in Kafka", "existing")

    async def test_the_first_sentence_of_the_statement_names_the_case(self, world: World) -> None:
        case = await world.open(title="Untitled")
        await world.turn(case, PROBLEM)

        title = await world.case_service.generate_title(ADA, case.case_id, max_words=5)

        assert (title.title, title.source) == ("Checkout in production answers 500", "fallback")
        assert (await world.case_service.get_case(ADA, case.case_id)).title == title.title

    async def test_nothing_is_made_of_nothing(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, "Hello")

        with pytest.raises(NotEnoughContext):
            await world.case_service.generate_title(ADA, case.case_id)

    async def test_a_hint_helps_where_nothing_was_said(self, world: World) -> None:
        case = await world.open()

        title = await world.case_service.generate_title(ADA, case.case_id, hint="Gateway answers 502 at noon")

        assert title.title == "Gateway answers 502 at noon"


class TestDeleting:
    async def test_everything_of_the_case_goes_and_nothing_else(self, world: World) -> None:
        await world.learn("postgresql-too-many-connections")
        case, other = await world.open(), await world.open()
        await world.investigate(case, files=[upload("postgresql.log", LOG)])
        await world.investigate(other, files=[upload("activity.txt", GROUPS)])

        assert await world.case_service.delete_case(ADA, case.case_id)

        assert [key.split("/")[0] for key in await world.blob_keys()] == [other.case_id]
        assert (await world.cases.get_messages(case.case_id)).total == 0
        assert (await world.documents.list([Scope.for_case(case.case_id)])).total == 0
        assert (await world.documents.list([Scope.for_case(other.case_id)])).total > 0
        with pytest.raises(NotFound):
            await world.case_service.get_case(ADA, case.case_id)

    async def test_a_repeat_removes_what_an_interruption_left(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, PROBLEM, files=[upload("postgresql.log", LOG)])
        await world.cases.delete(case.case_id)

        assert await world.blob_keys()
        assert not await world.case_service.delete_case(ADA, case.case_id)
        assert not await world.blob_keys()

    async def test_old_closed_cases_expire_with_their_files(self, world: World) -> None:
        old, young = await world.open(), await world.open()
        await world.turn(old, PROBLEM, files=[upload("postgresql.log", LOG)])
        await world.turn(old, "", decide(DecisionKind.CLOSE))
        world.clock.advance(timedelta(days=100))
        await world.turn(young, "", decide(DecisionKind.CLOSE))

        assert await world.case_service.cleanup_expired(timedelta(days=90)) == 1

        assert await world.cases.get(old.case_id) is None
        assert await world.cases.get(young.case_id) is not None
        assert not await world.blob_keys()


class TestSimilarCases:
    async def test_a_solved_case_is_found_by_a_new_one_of_the_same_owner(self, world: World) -> None:
        await world.learn("postgresql-too-many-connections")
        solved = await world.open()
        await world.solve(solved)
        again = await world.open(description=PROBLEM)
        other = await world.case_service.open_case(BOB, description=PROBLEM)

        (hit,) = await world.case_service.similar_cases(ADA, again.case_id)

        assert hit.document.document_type is KnowledgeType.SOLUTION_PATTERN
        assert hit.document.source_key == solved.case_id
        assert hit.why
        assert await world.case_service.similar_cases(BOB, other.case_id) == ()


class TestAuthorization:
    def test_what_may_be_read_but_not_written_is_forbidden_openly(self) -> None:
        authorize(ADA, Action.READ, GLOBAL, kind="knowledge", key="global")
        with pytest.raises(Forbidden, match="not write"):
            authorize(ADA, Action.WRITE, GLOBAL, kind="knowledge", key="global")
        admin = Actor(user_id="user_00000000000c", username="root", roles=(Role.ADMIN,))
        authorize(admin, Action.WRITE, GLOBAL, kind="knowledge", key="global")

    def test_what_may_not_even_be_read_does_not_exist(self) -> None:
        scope = Scope.for_user(BOB.user_id)
        for action in Action:
            with pytest.raises(NotFound):
                authorize(ADA, action, scope, kind="knowledge", key="x")
