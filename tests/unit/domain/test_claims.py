"""What a model says is checked claim by claim."""

from itertools import count
from typing import Any

import pytest

from domain.case import Case
from domain.claims import MAX_SOLUTIONS, Claims
from domain.conclusions import ConfidenceLevel
from domain.evidence import EvidenceCategory, EvidenceNeedStatus
from domain.hypothesis import EvidenceStance, ForcedAlternatives, HypothesisCategory, HypothesisStatus
from domain.milestones import VERIFICATION, InvestigationProgress, Milestone
from domain.problem import ConsultingData
from domain.progress import complete
from domain.proposals import ModelUpdates
from tests.builders import (
    AT,
    STATEMENT,
    a_case,
    a_confirmed_consultation,
    a_hypothesis,
    a_link,
    a_need,
    a_record,
    a_solution,
    an_evidence,
    an_id,
    an_investigating_case,
    later,
)

SYMPTOM, CAUSAL, RESOLUTION, OTHER = EvidenceCategory
ROOT = Milestone.ROOT_CAUSE_IDENTIFIED


def review(case: Case, **updates: Any) -> tuple[Case, list[tuple[str, str]]]:
    """``case`` with what was accepted, and what was refused with the reasons."""
    numbers = count(100)
    claims = Claims(case, later(10), lambda prefix: an_id(prefix, next(numbers)))
    proposed = ModelUpdates.model_validate(updates)
    claims.describe_problem(proposed)
    claims.weigh_hypotheses(proposed)
    claims.draw_conclusions(proposed)
    return claims.case, [(refusal.what, refusal.why) for refusal in claims.refused]


def accepted(case: Case, **updates: Any) -> Case:
    changed, refused = review(case, **updates)
    assert refused == []
    return changed


def refused(case: Case, **updates: Any) -> tuple[str, str]:
    """The only refusal; nothing else may have changed."""
    changed, refusals = review(case, **updates)
    assert changed == case
    (refusal,) = refusals
    return refusal


def a_proposal(ref: str = "h1", **values: Any) -> dict[str, Any]:
    return {"ref": ref, "statement": f"Cause {ref}", "category": "config", "rationale": "r", **values}


def a_remedy(ref: str = "s1", **values: Any) -> dict[str, Any]:
    return {"ref": ref, "solution_type": "restart", "title": f"Fix {ref}", "commands": ("restart",), **values}


def a_cause(**values: Any) -> dict[str, Any]:
    return {"root_cause": "x", "mechanism": "y", "method": "direct_analysis", "confidence": 0.8, **values}


EVIDENCE = tuple(an_evidence(number, category) for number, category in enumerate(EvidenceCategory, 1))
CASE = an_investigating_case(
    evidence=EVIDENCE,
    hypotheses=(
        a_hypothesis(1, links=(a_link(4),), likelihood=0.65),
        a_hypothesis(2, status=HypothesisStatus.REFUTED, concluded_at=later(3)),
        a_hypothesis(3, status=HypothesisStatus.VALIDATED, concluded_at=later(3), links=(a_link(4),)),
    ),
)
EV_SYMPTOM, EV_CAUSAL, EV_RESOLUTION, EV_LINKED = (item.evidence_id for item in EVIDENCE)
NOWHERE = an_id("ev", 99)


class TestProblem:
    def test_a_statement_is_proposed_while_consulting(self) -> None:
        case = accepted(a_case(), problem_statement=f"  {STATEMENT} ")
        assert case.consulting.proposed_problem_statement == STATEMENT
        assert not case.consulting.problem_statement_confirmed

    def test_it_says_something(self) -> None:
        assert refused(a_case(), problem_statement="  ")[1] == "a problem statement must not be blank"

    @pytest.mark.parametrize("case", [a_case(consulting=a_confirmed_consultation()), CASE])
    def test_a_confirmed_one_stays(self, case: Case) -> None:
        what, why = refused(case, problem_statement="Another")
        assert (what, why) == ("problem statement", "the problem statement is confirmed and does not change any more")

    def test_a_reading_is_kept_for_the_investigation(self) -> None:
        case = accepted(a_case(), problem_reading={"problem_type": "slowness", "severity": "low", "guidance": "wait"})
        confirmation = case.consulting.problem_confirmation
        assert confirmation
        assert (confirmation.problem_type, confirmation.severity_guess) == ("slowness", "low")

    def test_a_reading_selects_path_and_strategy(self) -> None:
        case = accepted(CASE, problem_reading={"urgency_level": "high", "temporal_state": "ongoing"})
        assert case.problem_verification
        assert case.problem_verification.urgency_level == "high"
        assert case.path_selection
        assert case.path_selection.path == "mitigation_first"
        assert case.investigation_strategy == "active_incident"

    def test_what_is_unknown_keeps_the_strategy(self) -> None:
        case = CASE.replace(problem_verification=None)
        case = accepted(case, problem_reading={"affected_users": "all"})
        assert case.investigation_strategy == "post_mortem"
        assert case.problem_verification
        assert case.problem_verification.symptom_statement == STATEMENT
        assert case.problem_verification.noticed_at == case.created_at

    def test_an_impossible_start_is_refused_alone(self) -> None:
        case, refusals = review(CASE, problem_reading={"severity": "low", "started_at": later(5)})
        assert refusals == [("start of the problem", "the problem cannot have started after it was noticed")]
        assert case.problem_verification
        assert case.problem_verification.severity == "low"
        assert case.problem_verification.started_at is None
        possible = accepted(CASE, problem_reading={"started_at": later(-5)})
        assert possible.problem_verification
        assert possible.problem_verification.started_at == later(-5)


class TestOnlyWhileInvestigating:
    @pytest.mark.parametrize(
        "updates",
        [
            {"hypotheses": [a_proposal()]},
            {"stances": [{"hypothesis": "h", "evidence_id": EV_CAUSAL, "stance": "supports", "reasoning": "r"}]},
            {"retirements": [{"hypothesis_id": an_id("hyp", 1), "reason": "r"}]},
            {"root_cause": a_cause()},
            {"solutions": [a_remedy()]},
            {"milestones": [{"milestone": "scope_assessed"}]},
            {"evidence_requests": [{"description": "log"}]},
        ],
    )
    def test_other_claims_wait_for_the_investigation(self, updates: dict[str, Any]) -> None:
        case = a_case(consulting=ConsultingData(proposed_problem_statement=STATEMENT))
        assert "needs first: an investigation" in refused(case, **updates)[1]


class TestHypotheses:
    def test_one_that_was_sought_is_tested_at_once(self) -> None:
        case = accepted(CASE, hypotheses=[a_proposal(initial_likelihood=0.4)])
        new = case.hypotheses[-1]
        assert (new.hypothesis_id, new.status, new.tested_at) == (an_id("hyp", 100), "active", later(10))
        assert (new.initial_likelihood, new.likelihood, new.generated_at_turn) == (0.4, 0.4, 1)

    def test_a_chance_find_waits(self) -> None:
        new = accepted(CASE, hypotheses=[a_proposal(generation_mode="opportunistic")]).hypotheses[-1]
        assert (new.status, new.tested_at) == ("captured", None)

    def test_the_same_is_not_proposed_twice(self) -> None:
        statement = CASE.hypotheses[1].statement.upper()
        assert "says the same" in refused(CASE, hypotheses=[a_proposal(statement=statement)])[1]
        case, refusals = review(CASE, hypotheses=[a_proposal("a", statement="x"), a_proposal("b", statement=" X ")])
        assert len(case.hypotheses) == 4
        assert [what for what, _ in refusals] == ["hypothesis b"]

    def test_a_name_is_used_once(self) -> None:
        assert "already taken" in refused(CASE, hypotheses=[a_proposal(an_id("hyp", 1))])[1]
        case, refusals = review(CASE, hypotheses=[a_proposal("a"), a_proposal("a", statement="y")])
        assert len(case.hypotheses) == 4
        assert refusals == [("hypothesis a", "the name 'a' is already taken")]

    def test_alternatives_of_other_kinds_are_wanted(self) -> None:
        demand = ForcedAlternatives(
            excluded_category=HypothesisCategory.CONFIG, minimum=2, demanded_at_turn=1, reasons=("r",)
        )
        case = CASE.replace(forced_alternatives=demand)
        assert "other categories than config" in refused(case, hypotheses=[a_proposal()])[1]
        new = accepted(case, hypotheses=[a_proposal(category="data", generation_mode="opportunistic")]).hypotheses[-1]
        assert (new.generation_mode, new.status) == ("forced_alternative", "active")

    def test_evidence_is_judged_against_old_and_new_hypotheses(self) -> None:
        stance = {"evidence_id": EV_CAUSAL, "stance": "strongly_supports", "reasoning": "r", "completeness": 0.5}
        case = accepted(
            CASE,
            hypotheses=[a_proposal("a")],
            stances=[{"hypothesis": "a", **stance}, {"hypothesis": an_id("hyp", 1), **stance}],
        )
        assert case.hypotheses[-1].likelihood == pytest.approx(0.65)
        assert case.hypotheses[0].likelihood == pytest.approx(0.80)
        assert case.hypotheses[0].links[-1].analyzed_at == later(10)

    def test_irrelevant_evidence_leaves_no_link(self) -> None:
        stance = {"hypothesis": an_id("hyp", 1), "stance": "irrelevant", "reasoning": "r"}
        assert accepted(CASE, stances=[{**stance, "evidence_id": EV_CAUSAL}]).hypotheses == (
            CASE.hypotheses[0].replace(likelihood=0.65),
            *CASE.hypotheses[1:],
        )
        assert accepted(CASE, stances=[{**stance, "evidence_id": EV_LINKED}]).hypotheses[0].links == ()

    @pytest.mark.parametrize(
        ("hypothesis", "evidence", "why"),
        [
            ("nobody", EV_CAUSAL, "The case has no hypothesis 'nobody'."),
            (an_id("hyp", 1), NOWHERE, f"The case has no evidence {NOWHERE!r}."),
            (an_id("hyp", 2), EV_CAUSAL, f"the hypothesis {an_id('hyp', 2)} is already refuted"),
        ],
    )
    @pytest.mark.parametrize("stance", [EvidenceStance.SUPPORTS, EvidenceStance.IRRELEVANT])
    def test_a_stance_needs_both_sides(self, hypothesis: str, evidence: str, why: str, stance: EvidenceStance) -> None:
        claim = {"hypothesis": hypothesis, "evidence_id": evidence, "stance": stance, "reasoning": "r"}
        assert refused(CASE, stances=[claim]) == (f"stance of {evidence} on {hypothesis}", why)

    def test_one_is_given_up_for_a_reason(self) -> None:
        case = accepted(CASE, retirements=[{"hypothesis_id": an_id("hyp", 1), "reason": "unlikely"}])
        assert (case.hypotheses[0].status, case.hypotheses[0].conclusion_reason) == ("retired", "unlikely")
        what, _ = refused(CASE, retirements=[{"hypothesis_id": an_id("hyp", 3), "reason": "unlikely"}])
        assert what == f"retirement of {an_id('hyp', 3)}"


class TestMilestones:
    @pytest.mark.parametrize("milestone", VERIFICATION)
    def test_symptom_evidence_earns_the_verification(self, milestone: Milestone) -> None:
        claim = {"milestone": milestone, "evidence_ids": (EV_CAUSAL, EV_SYMPTOM, EV_SYMPTOM)}
        case = accepted(CASE, milestones=[claim])
        record = case.progress.record(milestone)
        assert record
        assert record.evidence_ids == (EV_SYMPTOM,)
        assert (record.completed_at, record.completed_at_turn, record.completed_by) == (later(10), 1, "agent")
        assert case.evidence[0].advances == (milestone,)
        assert case.evidence[1].advances == ()

    @pytest.mark.parametrize("evidence", [(), (EV_CAUSAL,), (EV_RESOLUTION, EV_LINKED)])
    def test_other_evidence_does_not(self, evidence: tuple[str, ...]) -> None:
        claim = {"milestone": "scope_assessed", "evidence_ids": evidence}
        assert "evidence of a fitting category" in refused(CASE, milestones=[claim])[1]

    def test_invented_evidence_spoils_the_claim(self) -> None:
        claim = {"milestone": "scope_assessed", "evidence_ids": (EV_SYMPTOM, NOWHERE)}
        assert NOWHERE in refused(CASE, milestones=[claim])[1]

    @pytest.mark.parametrize("milestone", ["solution_applied", "solution_verified", "mitigation_applied"])
    def test_some_only_the_user_earns(self, milestone: str) -> None:
        claim = {"milestone": milestone, "evidence_ids": (EV_RESOLUTION,)}
        assert refused(CASE, milestones=[claim]) == (f"milestone {milestone}", "only the user can say that")

    def test_what_stands_is_not_earned_again(self) -> None:
        case = complete(CASE, Milestone.SCOPE_ASSESSED, later(5), "agent", (EV_SYMPTOM,))
        claim = {"milestone": "scope_assessed", "evidence_ids": (EV_SYMPTOM,)}
        assert accepted(case, milestones=[claim, claim]) == case
        older = CASE.replace(
            progress=InvestigationProgress(completed=(a_record(Milestone.SCOPE_ASSESSED, completed_at_turn=0),))
        )
        assert refused(older, milestones=[claim])[1] == "the milestone is reached already"

    def test_a_root_cause_is_claimed_as_such(self) -> None:
        claim = {"milestone": ROOT, "evidence_ids": (EV_CAUSAL,)}
        assert "an accepted root cause" in refused(CASE, milestones=[claim])[1]
        case = accepted(CASE, root_cause=a_cause(evidence_ids=(EV_CAUSAL,)), milestones=[claim])
        assert case.progress.has(ROOT)

    def test_a_proposed_solution_is_a_solution_of_the_case(self) -> None:
        claim = {"milestone": "solution_proposed"}
        assert "a solution" in refused(CASE, milestones=[claim])[1]
        relief = CASE.replace(solutions=(a_solution(1, is_mitigation=True),))
        assert accepted(relief, milestones=[claim]).progress.has(Milestone.SOLUTION_PROPOSED)


class TestRootCause:
    @pytest.mark.parametrize("evidence", [EV_CAUSAL, EV_LINKED])
    def test_causal_or_supporting_evidence_shows_it(self, evidence: str) -> None:
        case = accepted(CASE, root_cause=a_cause(evidence_ids=(EV_SYMPTOM, evidence), contributing_factors=("f",)))
        conclusion = case.root_cause_conclusion
        assert conclusion
        assert (conclusion.confidence_score, conclusion.confidence_level) == (0.8, ConfidenceLevel.CONFIDENT)
        assert (conclusion.evidence_basis, conclusion.validated_hypothesis_id) == ((evidence,), None)
        assert (conclusion.contributing_factors, conclusion.determined_by) == (("f",), "agent")
        assert (case.progress.root_cause_confidence, case.progress.root_cause_method) == (0.8, "direct_analysis")
        record = case.progress.record(ROOT)
        assert record
        assert record.evidence_ids == (evidence,)

    def test_a_validated_hypothesis_shows_it_with_its_own_evidence(self) -> None:
        case = accepted(CASE, root_cause=a_cause(method="hypothesis_validation", hypothesis=an_id("hyp", 3)))
        assert case.root_cause_conclusion
        assert case.root_cause_conclusion.validated_hypothesis_id == an_id("hyp", 3)
        assert case.root_cause_conclusion.evidence_basis == (EV_LINKED,)

    @pytest.mark.parametrize(
        ("claim", "why"),
        [
            (a_cause(), "causal evidence or a validated hypothesis"),
            (a_cause(evidence_ids=(EV_SYMPTOM,)), "causal evidence or a validated hypothesis"),
            (a_cause(hypothesis=an_id("hyp", 1)), "causal evidence or a validated hypothesis"),
            (a_cause(evidence_ids=(EV_CAUSAL, NOWHERE)), NOWHERE),
            (a_cause(evidence_ids=(EV_CAUSAL,), confidence=0.0), "a confidence above 0"),
            (a_cause(evidence_ids=(EV_CAUSAL,), hypothesis="nobody"), "no hypothesis 'nobody'"),
            (a_cause(evidence_ids=(EV_CAUSAL,), hypothesis=an_id("hyp", 2)), "is refuted"),
            (a_cause(evidence_ids=(EV_CAUSAL,), method="hypothesis_validation"), "a validated hypothesis"),
            (
                a_cause(evidence_ids=(EV_CAUSAL,), method="hypothesis_validation", hypothesis=an_id("hyp", 1)),
                "a validated hypothesis",
            ),
        ],
    )
    def test_anything_less_does_not(self, claim: dict[str, Any], why: str) -> None:
        what, reason = refused(CASE, root_cause=claim)
        assert what == "root cause"
        assert why in reason

    def test_there_is_one_at_a_time(self) -> None:
        case = accepted(CASE, root_cause=a_cause(evidence_ids=(EV_CAUSAL,)))
        assert "retracted first" in refused(case, root_cause=a_cause(evidence_ids=(EV_CAUSAL,), confidence=0.9))[1]


class TestSolutions:
    def test_a_fix_is_proposed(self) -> None:
        case = accepted(CASE, hypotheses=[a_proposal("a")], solutions=[a_remedy(hypothesis="a", risks=("r",))])
        (solution,) = case.solutions
        assert (solution.title, solution.commands, solution.risks) == ("Fix s1", ("restart",), ("r",))
        assert solution.hypothesis_id == case.hypotheses[-1].hypothesis_id
        assert (solution.proposed_at, solution.proposed_by, solution.applied_at) == (later(10), "agent", None)
        assert case.progress.has(Milestone.SOLUTION_PROPOSED)

    def test_a_mitigation_proposes_no_solution(self) -> None:
        case = accepted(CASE, solutions=[a_remedy(is_mitigation=True)])
        assert case.solutions[0].is_mitigation
        assert not case.progress.has(Milestone.SOLUTION_PROPOSED)

    def test_it_says_what_to_do(self) -> None:
        assert refused(CASE, solutions=[a_remedy(commands=())]) == (
            "solution s1",
            "a solution says what to do: an action, a fix, steps or commands",
        )

    def test_its_hypothesis_exists(self) -> None:
        assert "no hypothesis" in refused(CASE, solutions=[a_remedy(hypothesis="nobody")])[1]

    def test_the_same_is_not_proposed_twice(self) -> None:
        case, refusals = review(
            CASE, solutions=[a_remedy(), a_remedy(title=" FIX  S1 "), a_remedy(solution_type="scaling")]
        )
        assert len(case.solutions) == 2
        assert [why for _, why in refusals] == [f"the solution {an_id('sol', 100)} says the same"]

    def test_there_is_an_upper_bound(self) -> None:
        case = CASE.replace(solutions=tuple(map(a_solution, range(MAX_SOLUTIONS))))
        assert "at most" in refused(case, solutions=[a_remedy()])[1]


class TestRequests:
    def test_evidence_is_asked_for(self) -> None:
        case = accepted(
            CASE,
            hypotheses=[a_proposal("a")],
            evidence_requests=[
                {"description": "Pool metrics", "hypothesis": "a", "critical": True, "command": "show pool"},
                {"description": "Access log", "milestone": "scope_assessed", "data_type": "log"},
            ],
        )
        first, second = case.evidence_needs
        assert (first.need_id, first.hypothesis_id) == (an_id("eneed", 101), an_id("hyp", 100))
        assert (first.critical, first.command, first.requested_at_turn) == (True, "show pool", 1)
        assert (second.milestone, second.data_type, second.status) == ("scope_assessed", "log", EvidenceNeedStatus.OPEN)

    @pytest.mark.parametrize(
        ("request_", "why"),
        [
            ({"description": "log", "hypothesis": "nobody"}, "no hypothesis"),
            ({"description": "log", "hypothesis": an_id("hyp", 2)}, "already refuted"),
            ({"description": "log", "milestone": "scope_assessed"}, "reached already"),
            ({"description": "the ACCESS log of node 1"}, "asks for the same"),
        ],
    )
    def test_a_pointless_request_is_refused(self, request_: dict[str, Any], why: str) -> None:
        progress = InvestigationProgress(completed=(a_record(Milestone.SCOPE_ASSESSED),))
        case = CASE.replace(evidence_needs=(a_need(1),), progress=progress)
        what, reason = refused(case, evidence_requests=[request_])
        assert what == f"request for evidence: {request_['description']}"
        assert why in reason


def test_one_bad_claim_does_not_spoil_the_others() -> None:
    case, refusals = review(
        CASE,
        hypotheses=[a_proposal("a"), a_proposal("a"), a_proposal("b")],
        milestones=[
            {"milestone": "solution_applied"},
            {"milestone": "symptom_verified", "evidence_ids": (EV_SYMPTOM,)},
        ],
    )
    assert len(case.hypotheses) == 5
    assert case.progress.has(Milestone.SYMPTOM_VERIFIED)
    assert [what for what, _ in refusals] == ["hypothesis a", "milestone solution_applied"]
    assert case.created_at == AT
