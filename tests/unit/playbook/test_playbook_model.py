"""The playbook as a language model: what it proposes, what it says, and what it must not say."""

import re
from typing import Any

import pytest

from adapters.playbook.model import NOTHING_FITS, PlaybookLanguageModel, reply_to
from domain.case import Case
from domain.episodes import DegradedEpisode, DegradedModeType
from domain.evidence import Evidence, EvidenceCategory, EvidenceSourceType
from domain.hypothesis import EvidenceStance, ForcedAlternatives, HypothesisCategory, HypothesisStatus
from domain.knowledge import KnowledgeType
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationPath, PathSelection
from domain.problem import Severity, TemporalState, UrgencyLevel
from domain.proposals import DecisionKind
from ports.language_model import ActionType, ModelReply, Passage, TurnContext
from tests.builders import (
    a_case,
    a_confirmed_consultation,
    a_file,
    a_hypothesis,
    a_need,
    a_record,
    a_resolved_case,
    a_solution,
    an_evidence,
    an_investigating_case,
    later,
)
from tests.unit.application.world import GROUPS, KNOWLEDGE, LOG, PROBLEM, decide
from tests.unit.playbook.test_playbook_runbooks import CATALOGUE, passage

POSTGRES = passage(
    (KNOWLEDGE / "postgresql-too-many-connections.md").read_text(), 1, 0.6, title="PostgreSQL out of connection slots"
)
REDIS = passage((KNOWLEDGE / "redis-maxmemory-evictions.md").read_text(), 2, 0.5, title="Redis reaches maxmemory")
PATTERN = passage(
    "## Symptoms\n\ntoo many clients\n\n## Likely causes\n\n- **Old pool**: `app` kept two\n\n## Fix\n\n- Remove one",
    3,
    0.7,
    KnowledgeType.SOLUTION_PATTERN,
    title="Checkout failed in January",
)


def numbered(text: str) -> str:
    return "\n".join(f"{number}: {line}" for number, line in enumerate(text.splitlines(), start=1))


def evidence(number: int, text: str, **overrides: object) -> Evidence:
    values: dict[str, Any] = {
        "extract": numbered(text),
        "source_type": EvidenceSourceType.LOG_FILE,
        "summary": f"piece {number}",
    }
    return an_evidence(number, **{**values, **overrides})


def investigating(*items: Evidence, **overrides: object) -> Case:
    case = an_investigating_case(consulting=a_confirmed_consultation(PROBLEM), description=PROBLEM)
    return case.replace(evidence=items, **overrides)


def ask(
    case: Case, message: str = "", *passages: Passage, new: tuple[Evidence, ...] = (), **fields: object
) -> ModelReply:
    return reply_to(TurnContext(case=case, message=message, new_evidence=new, passages=passages, **fields))  # type: ignore[arg-type]


class TestConsulting:
    def test_a_described_problem_is_stated_read_and_not_investigated_yet(self) -> None:
        reply = ask(a_case(), PROBLEM, POSTGRES, REDIS)

        assert reply.updates.problem_statement == PROBLEM
        reading = reply.updates.problem_reading
        assert reading
        assert (reading.severity, reading.urgency_level, reading.temporal_state) == (
            Severity.HIGH,
            UrgencyLevel.HIGH,
            TemporalState.ONGOING,
        )
        assert not reply.updates.hypotheses
        assert not reply.updates.milestones
        assert "confirm it and start the investigation" in reply.text
        assert reply.cited_documents == ("kb_0000000000000001", "kb_0000000000000002")
        assert [item.type for item in reply.actions] == [ActionType.RUN, ActionType.EVIDENCE]
        assert (reply.actions[0].payload or "?") in reply.text

    def test_without_a_fitting_document_it_says_so_and_asks_for_data(self) -> None:
        reply = ask(a_case(), PROBLEM)

        assert NOTHING_FITS in reply.text
        assert "exact error text" in reply.text
        assert not reply.actions
        assert not reply.cited_documents
        reading = reply.updates.problem_reading
        assert reading
        assert reading.guidance == "Nothing in the knowledge base fits yet."

    def test_small_talk_is_no_problem(self) -> None:
        reply = ask(a_case(), "Hello there")
        assert reply.updates.problem_statement is None
        assert reply.updates.problem_reading is None
        assert "I do not see yet what the problem is" in reply.text

    def test_a_file_with_errors_can_speak_for_itself(self) -> None:
        calm = a_file(1, preprocessing_summary="calm.log: 3 lines; no errors.")
        loud = a_file(2, preprocessing_summary="loud.log: 3 lines; 2 errors.")

        statement = ask(a_case(uploaded_files=(calm, loud))).updates.problem_statement

        assert statement == "checkout-2.log shows errors. loud.log: 3 lines; 2 errors."
        assert ask(a_case(uploaded_files=(calm,))).updates.problem_statement is None

    def test_what_is_proposed_is_added_to_but_not_repeated(self) -> None:
        consulting = a_confirmed_consultation(
            "Checkout fails.", problem_statement_confirmed_at=None, decided_to_investigate_at=None
        )
        case = a_case(consulting=consulting)
        assert ask(case, "Also search is down.").updates.problem_statement == "Checkout fails. Also search is down."
        assert ask(case, "Checkout fails.").updates.problem_statement is None
        assert ask(case, "Thanks").updates.problem_statement is None
        assert "> Checkout fails." in ask(case, "Thanks").text
        full = a_case(consulting=consulting.replace(proposed_problem_statement="failed " * 128))
        assert ask(full, "Also search is down.").updates.problem_statement is None

    def test_a_confirmed_statement_stays(self) -> None:
        consulting = a_confirmed_consultation(PROBLEM, decided_to_investigate_at=None)
        reply = ask(a_case(consulting=consulting), "Search is down as well")
        assert reply.updates.problem_statement is None
        assert "The statement is confirmed." in reply.text

    def test_the_description_of_the_case_counts_like_a_message(self) -> None:
        assert ask(a_case(description="Redis is down"), "Hi").updates.problem_statement == "Redis is down"

    def test_what_users_write_cannot_become_markdown(self) -> None:
        reply = ask(a_case(), "<img src=x onerror=alert(1)> service is down | # **x**")
        assert "<img" not in reply.text.replace("\\<", "")
        assert "\\*\\*x" in reply.text

    def test_a_solved_case_is_shown_as_such(self) -> None:
        assert "Solved before: *Checkout failed in January*" in ask(a_case(), PROBLEM, PATTERN).text


class TestInvestigating:
    def test_milestones_rest_on_the_evidence_that_shows_them(self) -> None:
        log = evidence(1, LOG)
        reply = ask(investigating(log), "", POSTGRES, new=(log,))

        claims = {claim.milestone: claim.evidence_ids for claim in reply.updates.milestones}
        assert claims == dict.fromkeys(
            (
                Milestone.SYMPTOM_VERIFIED,
                Milestone.SCOPE_ASSESSED,
                Milestone.TIMELINE_ESTABLISHED,
                Milestone.CHANGES_IDENTIFIED,
            ),
            (log.evidence_id,),
        )
        assert "line 4: 2025-03-01 11:58:00.331 UTC" in reply.text
        assert reply.cited_evidence == (log.evidence_id,)
        reading = reply.updates.problem_reading
        assert reading
        assert reading.started_at
        assert reading.started_at.hour == 11
        assert "app@shop" in reading.affected_services

    def test_evidence_that_shows_nothing_earns_nothing(self) -> None:
        calm = evidence(1, "2025-03-01 12:00:00 INFO all quiet\nfinished with 0 errors")
        reply = ask(investigating(calm), "", POSTGRES, new=(calm,))

        assert not reply.updates.milestones
        assert "Established" not in reply.text
        assert [item.stance for item in reply.updates.stances if item.stance is not EvidenceStance.IRRELEVANT] == []

    def test_errors_of_another_matter_do_not_verify_the_symptom(self) -> None:
        other = evidence(1, "2025-03-01 12:00:00 UTC ERROR smtp relay unreachable")
        claims = ask(investigating(other), "", POSTGRES, new=(other,)).updates.milestones
        assert Milestone.SYMPTOM_VERIFIED not in {claim.milestone for claim in claims}

    def test_the_word_of_a_person_does_not_verify_the_symptom(self) -> None:
        said = evidence(1, "sorry, too many clients already", source_type=EvidenceSourceType.USER_REPORT)
        claims = ask(investigating(said), "", POSTGRES, new=(said,)).updates.milestones
        assert Milestone.SYMPTOM_VERIFIED not in {claim.milestone for claim in claims}

    def test_causes_of_the_best_document_become_hypotheses_judged_by_all_evidence(self) -> None:
        log, groups = evidence(1, LOG), evidence(2, GROUPS)
        reply = ask(investigating(log, groups), "", REDIS, POSTGRES, new=(groups,))

        names = [item.statement for item in reply.updates.hypotheses]
        assert names == [
            "Pools sum up beyond the limit",
            "Leaked sessions",
            "Slow statements hold the pool",
            "Reconnect storm",
            "No pooler for short-lived clients",
        ]
        assert len(reply.updates.stances) == len(names) * 2
        assert all("kb_0000000000000001" in item.rationale for item in reply.updates.hypotheses)
        assert "35% → 65%, **validated**" in reply.text
        assert "Root cause" in reply.text
        assert {item.is_mitigation for item in reply.updates.solutions} == {True, False}
        assert {item.hypothesis for item in reply.updates.solutions} == {"h2"}

    def test_new_evidence_is_judged_against_every_open_hypothesis(self) -> None:
        groups = evidence(2, GROUPS)
        causes = [("Leaked sessions", "kb_0000000000000001"), ("Reconnect storm", "kb_0000000000000001")]
        hypotheses = tuple(
            a_hypothesis(number, statement=name, rationale=f"after {document}")
            for number, (name, document) in enumerate(causes, start=1)
        )
        elsewhere = a_hypothesis(3, statement="The worker leaks", rationale="rows of worker are idle")
        refuted = a_hypothesis(
            4, statement="Cosmic rays", status=HypothesisStatus.REFUTED, concluded_at=later(4), likelihood=0.1
        )
        case = investigating(evidence(1, LOG), groups, hypotheses=(*hypotheses, elsewhere, refuted))

        reply = ask(case, "", POSTGRES, new=(groups,))

        stances = {item.hypothesis: item.stance for item in reply.updates.stances}
        assert stances == {
            "hyp_000000000001": EvidenceStance.STRONGLY_SUPPORTS,
            "hyp_000000000002": EvidenceStance.IRRELEVANT,
            "hyp_000000000003": EvidenceStance.SUPPORTS,
        }
        assert not reply.updates.hypotheses

    def test_the_next_step_is_one_that_was_not_asked_for(self) -> None:
        log = evidence(1, LOG)
        first = ask(investigating(log), "", POSTGRES, new=(log,))
        (request,) = [item for item in first.updates.evidence_requests if item.command]
        need = a_need(1, description=request.description, command=request.command)

        second = ask(investigating(log, evidence_needs=(need,)), "", POSTGRES, new=(log,))

        (other,) = [item for item in second.updates.evidence_requests if item.command]
        assert request.description.startswith("Compare use with the limit")
        assert other.description.startswith("Group by origin and state")
        assert other.command
        assert other.command in second.text
        assert "How to read it: Mostly `idle`" in second.text
        labels = [action.label for action in second.actions if action.type is ActionType.EVIDENCE]
        assert labels == [other.description]

    def test_missing_facts_are_asked_for_one_at_a_time(self) -> None:
        reply = ask(investigating(), "Well?", POSTGRES)

        questions = [item.milestone for item in reply.updates.evidence_requests if item.milestone]
        assert questions == [Milestone.SYMPTOM_VERIFIED]
        assert [item.type for item in reply.actions].count(ActionType.FREE_SPEECH) == 1

    def test_when_nothing_fits_nothing_is_guessed(self) -> None:
        log = evidence(1, LOG)
        reply = ask(investigating(log), "", new=(log,))

        assert not reply.updates.hypotheses
        assert not reply.updates.solutions
        assert NOTHING_FITS in reply.text

    def test_relief_comes_first_where_the_path_says_so(self) -> None:
        log = evidence(1, LOG)
        path = PathSelection(
            path=InvestigationPath.MITIGATION_FIRST,
            auto_selected=True,
            rationale="x",
            selected_at=later(3),
            selected_by="x",
        )
        case = investigating(log, path_selection=path)

        (relief,) = ask(case, "", POSTGRES, new=(log,)).updates.solutions
        assert relief.is_mitigation
        assert relief.hypothesis is None
        assert not ask(case, "", CATALOGUED, new=(log,)).updates.solutions
        assert not ask(case.replace(solutions=(a_solution(1),)), "", POSTGRES, new=(log,)).updates.solutions

    def test_alternatives_are_of_another_kind(self) -> None:
        log = evidence(1, LOG)
        demand = ForcedAlternatives(
            excluded_category=HypothesisCategory.CONFIG, minimum=2, demanded_at_turn=3, reasons=("four failed",)
        )
        case = investigating(
            log, hypotheses=(a_hypothesis(1, statement="Leaked sessions"),), forced_alternatives=demand
        )

        proposed = ask(case, "", POSTGRES, REDIS, new=()).updates.hypotheses

        assert len(proposed) >= 2
        assert HypothesisCategory.CONFIG not in {item.category for item in proposed}
        assert "Leaked sessions" not in {item.statement for item in proposed}

    def test_a_document_that_is_merely_near_gives_no_cause_that_the_evidence_does_not_touch(self) -> None:
        log = evidence(1, LOG)
        assert not ask(investigating(log), "", REDIS, new=(log,)).updates.hypotheses
        touching = evidence(2, "evicted_keys:0")
        assert ask(investigating(log, touching), "", REDIS, new=(touching,)).updates.hypotheses

    def test_a_document_that_fits_the_new_evidence_joins_the_hypotheses(self) -> None:
        log, oom = evidence(1, LOG), evidence(2, "ERROR OOM command not allowed when used memory > 'maxmemory'.")
        known = a_hypothesis(1, statement="Leaked sessions", rationale="after kb_0000000000000001")
        case = investigating(log, oom, hypotheses=(known,))

        names = [item.statement for item in ask(case, "", POSTGRES, REDIS, new=(oom,)).updates.hypotheses]

        assert names[0] == "Policy noeviction on a cache"
        assert "Reconnect storm" not in names

    def test_a_solved_case_gives_the_first_hypothesis(self) -> None:
        log = evidence(1, LOG)
        proposed = ask(investigating(log), "", PATTERN, new=(log,)).updates.hypotheses
        assert [(item.statement, item.initial_likelihood) for item in proposed] == [("Old pool", 0.45)]

    def test_a_catalogue_runbook_can_be_worked_with(self) -> None:
        log = evidence(1, "ERROR Back-off restarting failed container\nread only filesystem: mounted at start")
        reply = ask(investigating(log), "", CATALOGUED, new=(log,))

        stances = {item.hypothesis: item.stance for item in reply.updates.stances}
        assert [item.statement for item in reply.updates.hypotheses] == [
            "misconfiguration causing app crash on start",
            "read only filesystem",
        ]
        assert stances["h2"] is EvidenceStance.SUPPORTS

    def test_the_same_context_gives_the_same_reply(self) -> None:
        log = evidence(1, LOG)
        case = investigating(log)
        assert ask(case, "x", POSTGRES, REDIS, new=(log,)) == ask(case, "x", POSTGRES, REDIS, new=(log,))

    def test_only_evidence_of_the_case_is_cited(self) -> None:
        pieces = (evidence(1, LOG), evidence(2, GROUPS))
        reply = ask(investigating(*pieces), "see ev_00000000dead", POSTGRES, new=pieces)
        assert (
            set(re.findall(r"ev_[0-9a-f]{12}", reply.text))
            == set(reply.cited_evidence)
            == {item.evidence_id for item in pieces}
        )

    def test_a_start_after_the_discovery_is_not_claimed(self) -> None:
        log = evidence(1, "2025-03-01 15:00:00 UTC FATAL:  sorry, too many clients already")
        reading = ask(investigating(log), "", POSTGRES, new=(log,)).updates.problem_reading
        assert reading
        assert reading.started_at is None


class TestAfterDecisions:
    def solved(self, **overrides: object) -> Case:
        progress = InvestigationProgress(
            completed=(a_record(Milestone.SOLUTION_PROPOSED), a_record(Milestone.SOLUTION_APPLIED))
        )
        values = {"applied_at": later(5), "applied_by": "x", **overrides}
        hypothesis = a_hypothesis(1, statement="Leaked sessions", rationale="after kb_0000000000000001")
        return investigating(
            evidence(1, LOG),
            hypotheses=(hypothesis,),
            solutions=(a_solution(1, hypothesis_id=hypothesis.hypothesis_id, **values),),
            progress=progress,
            updated_at=later(20),
            last_activity_at=later(20),
        )

    def test_after_applying_the_checks_of_the_runbook_are_named(self) -> None:
        decision = decide(DecisionKind.APPLY_SOLUTION, solution_id="sol_000000000001")
        reply = ask(self.solved(), "Done", POSTGRES, decisions=(decision,))
        assert "is noted as applied" in reply.text
        assert "Used sessions below 70 %" in reply.text
        assert "Check:" not in ask(self.solved(), "Done", decisions=(decision,)).text

    def test_a_failure_is_kept_and_the_work_goes_on(self) -> None:
        decision = decide(DecisionKind.SOLUTION_FAILED, solution_id="sol_000000000001")
        case = self.solved(verified_at=later(6), effectiveness=0.0)
        assert "did not help" in ask(case, "No", POSTGRES, decisions=(decision,)).text

    def test_a_verified_solution_resolves_the_case(self) -> None:
        case = self.solved(verified_at=later(6), effectiveness=1.0)
        verified = a_record(Milestone.SOLUTION_VERIFIED)
        case = case.replace(progress=case.progress.replace(completed=(*case.progress.completed, verified)))
        decision = decide(DecisionKind.VERIFY_SOLUTION, solution_id="sol_000000000001")
        assert "is verified. The case is resolved." in ask(case, "Yes", POSTGRES, decisions=(decision,)).text

    def test_closing_is_answered_with_what_the_case_holds(self) -> None:
        reply = ask(self.solved(), "Close it", POSTGRES, decisions=(decide(DecisionKind.CLOSE),))
        assert "The case ends here." in reply.text
        assert reply.updates == ModelReply(text="").updates

    def test_a_case_that_does_not_get_on_is_told_what_is_left(self) -> None:
        episode = DegradedEpisode(
            mode_type=DegradedModeType.NO_PROGRESS,
            entered_at=later(3),
            reason="3 turns brought none",
            fallback_offered="Go on.",
        )
        reply = ask(investigating(degraded_episodes=(episode,)), "Hm", POSTGRES)
        assert "does not get on: 3 turns brought none. Go on." in reply.text

    def test_a_turn_without_news_says_where_things_stand(self) -> None:
        asked = a_need(1, description="The log or the output that shows the error, with its time")
        book = passage("## Causes\n\n- **Old pool**: two pools", 9)
        case = investigating(
            hypotheses=(a_hypothesis(1), a_hypothesis(2, initial_likelihood=0.6, likelihood=0.6)),
            evidence_needs=(asked,),
        )

        assert ask(case, "Hm", book).text == (
            "Nothing new to judge. Under test: The connection pool is exhausted (2) (60%); "
            "The connection pool is exhausted (1) (50%). "
            "Open request: The log or the output that shows the error, with its time."
        )
        proposed = InvestigationProgress(completed=(a_record(Milestone.SOLUTION_PROPOSED),))
        waiting = case.replace(hypotheses=(), progress=proposed, solutions=(a_solution(1),), evidence=())
        assert "The proposed solution waits to be applied." in ask(waiting, "Hm", book).text


class TestFinished:
    def test_a_question_is_answered_from_the_case(self) -> None:
        cause = a_hypothesis(
            2,
            statement="Cosmic rays",
            status=HypothesisStatus.REFUTED,
            concluded_at=later(4),
            links=(),
        )
        case = a_resolved_case(hypotheses=(cause,))
        reply = ask(case, "What was it?", POSTGRES)

        assert "Applied: Raise the pool size (1)" in reply.text
        assert "This case is resolved." in reply.text
        assert reply.cited_documents == ("kb_0000000000000001",)
        assert NOTHING_FITS in ask(case, "What was it?").text
        assert NOTHING_FITS not in ask(case, "").text

    async def test_the_port(self) -> None:
        model = PlaybookLanguageModel()
        assert model.name == "playbook"
        context = TurnContext(case=a_case(), message=PROBLEM)
        assert await model.reply(context) == reply_to(context)


CATALOGUED = passage(CATALOGUE, 7, 0.6, title="Kube Pod Crash Looping")


@pytest.mark.parametrize("category", [EvidenceCategory.SYMPTOM, EvidenceCategory.CAUSAL])
def test_what_the_domain_would_refuse_is_not_told_as_established(category: EvidenceCategory) -> None:
    log = evidence(1, LOG, category=category)
    text = ask(investigating(log), "", POSTGRES, new=(log,)).text
    assert ("### Established" in text) is (category is EvidenceCategory.SYMPTOM)
