"""What a model proposes in a turn, checked claim by claim: each changes the case, or is refused with the reason.

A refused claim leaves no trace in the case, and none of the rules of `Case` can be broken by what a model says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from domain.case import Case
from domain.conclusions import ConfidenceLevel, RootCauseConclusion
from domain.errors import DomainError, InvalidInput, MissingPrerequisite, UnknownReference
from domain.evidence import EvidenceNeed
from domain.hypotheses import FINAL, add, initial_status, link_evidence, retire, unlink_evidence
from domain.hypothesis import EvidenceLink, EvidenceStance, GenerationMode, Hypothesis, HypothesisStatus
from domain.milestones import Milestone, RootCauseMethod
from domain.needs import open_need
from domain.problem import ProblemVerification
from domain.progress import USER_ONLY, complete, fits, identify_root_cause
from domain.proposals import (
    EvidenceRequest,
    HypothesisProposal,
    HypothesisRetirement,
    MilestoneClaim,
    ModelUpdates,
    ProblemReading,
    RootCauseClaim,
    SolutionProposal,
    StanceProposal,
)
from domain.solution import Solution
from domain.status import CaseStatus
from domain.values import Value, first_problem, search_text
from domain.verification import confirm_reading, select_strategy, update_path, verify_reading

_Claim = TypeVar("_Claim")

MAX_SOLUTIONS = 50
AGENT = "agent"


class Refusal(Value):
    """A claim that does not count: what was claimed, and why not."""

    what: str
    why: str


@dataclass(slots=True)
class Claims:
    """The review of one turn's claims. ``case`` is what has been accepted so far."""

    case: Case
    at: datetime
    new_id: Callable[[str], str]
    refused: list[Refusal] = field(default_factory=list)
    _refs: dict[str, str] = field(default_factory=dict)

    def describe_problem(self, updates: ModelUpdates) -> None:
        """Review the statement and the reading of the problem."""
        if updates.problem_statement is not None:
            statement = updates.problem_statement.strip()
            self._attempt("problem statement", self._state_problem, statement)
        if reading := updates.problem_reading:
            self._attempt("problem reading", self._read_problem, reading.replace(started_at=None))
            if reading.started_at:
                start = ProblemReading(started_at=reading.started_at)
                self._attempt("start of the problem", self._read_problem, start)

    def weigh_hypotheses(self, updates: ModelUpdates) -> None:
        """Review new hypotheses, the judgements of evidence, and the proposals to give hypotheses up."""
        for proposal in updates.hypotheses:
            self._attempt(f"hypothesis {proposal.ref}", self._propose, proposal, investigating=True)
        for stance in updates.stances:
            what = f"stance of {stance.evidence_id} on {stance.hypothesis}"
            self._attempt(what, self._judge, stance, investigating=True)
        for retirement in updates.retirements:
            what = f"retirement of {retirement.hypothesis_id}"
            self._attempt(what, self._retire, retirement, investigating=True)

    def draw_conclusions(self, updates: ModelUpdates) -> None:
        """Review the root cause, solutions, milestones and requests for evidence."""
        if claim := updates.root_cause:
            self._attempt("root cause", self._find_root_cause, claim, investigating=True)
        for solution in updates.solutions:
            self._attempt(f"solution {solution.ref}", self._solve, solution, investigating=True)
        for milestone in updates.milestones:
            what = f"milestone {milestone.milestone}"
            self._attempt(what, self._reach, milestone, investigating=True)
        for request in updates.evidence_requests:
            what = f"request for evidence: {request.description}"
            self._attempt(what, self._request, request, investigating=True)

    def _attempt(
        self, what: str, review: Callable[[_Claim], Case], claim: _Claim, *, investigating: bool = False
    ) -> None:
        try:
            if investigating and self.case.status is not CaseStatus.INVESTIGATING:
                raise MissingPrerequisite("This claim", ("an investigation",))
            self.case = review(claim)
        except ValidationError as error:
            self.refused.append(Refusal(what=what, why=first_problem(error)))
        except DomainError as error:
            self.refused.append(Refusal(what=what, why=str(error)))

    # ---------------------------------------------------------------- the problem

    def _state_problem(self, statement: str) -> Case:
        consulting = self.case.consulting
        if self.case.status is not CaseStatus.CONSULTING or consulting.problem_statement_confirmed:
            raise InvalidInput("the problem statement is confirmed and does not change any more")
        if not statement:
            raise InvalidInput("a problem statement must not be blank")
        return self.case.touched(self.at, consulting=consulting.replace(proposed_problem_statement=statement))

    def _read_problem(self, reading: ProblemReading) -> Case:
        case, at = self.case, self.at
        if case.status is CaseStatus.CONSULTING:
            confirmation = confirm_reading(case.consulting.problem_confirmation, reading, at)
            return case.touched(at, consulting=case.consulting.replace(problem_confirmation=confirmation))
        known = case.problem_verification or ProblemVerification(
            symptom_statement=case.description[:1000], noticed_at=case.created_at
        )
        problem = verify_reading(known, reading)
        return case.touched(
            at,
            problem_verification=problem,
            path_selection=update_path(case.path_selection, problem, at),
            investigation_strategy=select_strategy(problem) or case.investigation_strategy,
        )

    # ---------------------------------------------------------------- hypotheses

    def _propose(self, proposal: HypothesisProposal) -> Case:
        case = self.case
        if proposal.ref in self._refs or case.hypothesis(proposal.ref):
            raise InvalidInput(f"the name {proposal.ref!r} is already taken")
        demand = case.forced_alternatives
        if demand and proposal.category is demand.excluded_category:
            raise InvalidInput(f"causes of other categories than {proposal.category} are wanted now")
        mode = GenerationMode.FORCED_ALTERNATIVE if demand else proposal.generation_mode
        status = initial_status(mode)
        hypothesis = Hypothesis(
            hypothesis_id=self.new_id("hyp"),
            statement=proposal.statement,
            category=proposal.category,
            status=status,
            initial_likelihood=proposal.initial_likelihood,
            likelihood=proposal.initial_likelihood,
            generated_at_turn=case.current_turn + 1,
            generation_mode=mode,
            rationale=proposal.rationale,
            tested_at=self.at if status is HypothesisStatus.ACTIVE else None,
        )
        changed = case.touched(self.at, hypotheses=add(case.hypotheses, hypothesis))
        self._refs[proposal.ref] = hypothesis.hypothesis_id
        return changed

    def _judge(self, stance: StanceProposal) -> Case:
        hypothesis_id = self._resolve(stance.hypothesis)
        self._check_evidence((stance.evidence_id,))
        if stance.stance is EvidenceStance.IRRELEVANT:
            judged = unlink_evidence(self.case.hypotheses, hypothesis_id, stance.evidence_id)
        else:
            link = EvidenceLink(
                evidence_id=stance.evidence_id,
                stance=stance.stance,
                reasoning=stance.reasoning,
                completeness=stance.completeness,
                analyzed_at=self.at,
            )
            judged = link_evidence(self.case.hypotheses, hypothesis_id, link, self.at)
        return self.case.touched(self.at, hypotheses=judged)

    def _retire(self, retirement: HypothesisRetirement) -> Case:
        hypotheses = retire(self.case.hypotheses, retirement.hypothesis_id, self.at, retirement.reason)
        return self.case.touched(self.at, hypotheses=hypotheses)

    # ---------------------------------------------------------------- conclusions

    def _find_root_cause(self, claim: RootCauseClaim) -> Case:
        self._check_evidence(claim.evidence_ids)
        hypothesis = self._hypothesis(claim.hypothesis) if claim.hypothesis else None
        if hypothesis and hypothesis.status in (HypothesisStatus.REFUTED, HypothesisStatus.RETIRED):
            raise InvalidInput(f"the hypothesis {hypothesis.hypothesis_id} is {hypothesis.status}")
        validated = hypothesis is not None and hypothesis.status is HypothesisStatus.VALIDATED
        if claim.method is RootCauseMethod.HYPOTHESIS_VALIDATION and not validated:
            raise MissingPrerequisite("A root cause by validation", ("a validated hypothesis",))
        basis = self._fitting(Milestone.ROOT_CAUSE_IDENTIFIED, claim.evidence_ids)
        if not basis and not validated:
            raise MissingPrerequisite("A root cause", ("causal evidence or a validated hypothesis",))
        if hypothesis and not basis:
            basis = hypothesis.supporting_evidence
        conclusion = RootCauseConclusion(
            root_cause=claim.root_cause,
            confidence_level=ConfidenceLevel.of(claim.confidence),
            confidence_score=claim.confidence,
            mechanism=claim.mechanism,
            evidence_basis=basis,
            validated_hypothesis_id=hypothesis.hypothesis_id if hypothesis and validated else None,
            contributing_factors=claim.contributing_factors,
            determined_at=self.at,
            determined_by=AGENT,
        )
        return identify_root_cause(self.case, conclusion, claim.method, basis)

    def _solve(self, proposal: SolutionProposal) -> Case:
        case = self.case
        if len(case.solutions) >= MAX_SOLUTIONS:
            raise InvalidInput(f"a case holds at most {MAX_SOLUTIONS} solutions")
        title = search_text(proposal.title)
        for known in case.solutions:
            if known.solution_type is proposal.solution_type and search_text(known.title) == title:
                raise InvalidInput(f"the solution {known.solution_id} says the same")
        hypothesis_id = self._resolve(proposal.hypothesis) if proposal.hypothesis else None
        details = proposal.model_dump(exclude={"ref", "hypothesis"})
        solution = Solution(
            **details,
            solution_id=self.new_id("sol"),
            hypothesis_id=hypothesis_id,
            proposed_at=self.at,
            proposed_by=AGENT,
        )
        changed = case.touched(self.at, solutions=(*case.solutions, solution))
        if solution.is_mitigation:
            return changed
        return complete(changed, Milestone.SOLUTION_PROPOSED, self.at, AGENT)

    def _reach(self, claim: MilestoneClaim) -> Case:
        milestone = claim.milestone
        if milestone in USER_ONLY:
            raise InvalidInput("only the user can say that")
        self._check_evidence(claim.evidence_ids)
        if record := self.case.progress.record(milestone):
            if record.completed_at_turn > self.case.current_turn:
                return self.case
            raise InvalidInput("the milestone is reached already")
        if milestone is Milestone.ROOT_CAUSE_IDENTIFIED:
            raise MissingPrerequisite("This milestone", ("an accepted root cause",))
        if milestone is Milestone.SOLUTION_PROPOSED:
            if not self.case.solutions:
                raise MissingPrerequisite("This milestone", ("a solution",))
            return complete(self.case, milestone, self.at, AGENT, claim.evidence_ids)
        fitting = self._fitting(milestone, claim.evidence_ids)
        if not fitting:
            raise MissingPrerequisite("This milestone", ("evidence of a fitting category",))
        return complete(self.case, milestone, self.at, AGENT, fitting)

    def _request(self, request: EvidenceRequest) -> Case:
        case = self.case
        hypothesis = self._hypothesis(request.hypothesis) if request.hypothesis else None
        if hypothesis and hypothesis.status in FINAL:
            raise InvalidInput(f"the hypothesis {hypothesis.hypothesis_id} is already {hypothesis.status}")
        if request.milestone and case.progress.has(request.milestone):
            raise InvalidInput(f"the milestone {request.milestone} is reached already")
        need = EvidenceNeed(
            need_id=self.new_id("eneed"),
            description=request.description,
            milestone=request.milestone,
            hypothesis_id=hypothesis.hypothesis_id if hypothesis else None,
            critical=request.critical,
            requested_at_turn=case.current_turn + 1,
            command=request.command,
            data_type=request.data_type,
        )
        return case.touched(self.at, evidence_needs=open_need(case.evidence_needs, need))

    # ---------------------------------------------------------------- references

    def _resolve(self, reference: str) -> str:
        return self._hypothesis(reference).hypothesis_id

    def _hypothesis(self, reference: str) -> Hypothesis:
        hypothesis = self.case.hypothesis(self._refs.get(reference, reference))
        if hypothesis is None:
            raise UnknownReference("hypothesis", reference)
        return hypothesis

    def _check_evidence(self, evidence_ids: tuple[str, ...]) -> None:
        for evidence_id in evidence_ids:
            if self.case.evidence_item(evidence_id) is None:
                raise UnknownReference("evidence", evidence_id)

    def _fitting(self, milestone: Milestone, evidence_ids: tuple[str, ...]) -> tuple[str, ...]:
        wanted = dict.fromkeys(evidence_ids)
        return tuple(
            item.evidence_id
            for item in self.case.evidence
            if item.evidence_id in wanted and fits(self.case, milestone, item)
        )
