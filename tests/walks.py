"""Random turns: what users, files and models may throw at a case, legal, illegal and nonsensical."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

from domain.case import Case
from domain.episodes import DegradedChoice
from domain.errors import DomainError
from domain.evidence import Evidence, EvidenceCategory
from domain.hypothesis import EvidenceStance, GenerationMode, HypothesisCategory
from domain.milestones import Milestone, RootCauseMethod
from domain.path import InvestigationPath
from domain.problem import ProblemType, Severity, TemporalState, UrgencyLevel
from domain.proposals import (
    DecisionKind,
    EvidenceRequest,
    HypothesisProposal,
    HypothesisRetirement,
    MilestoneClaim,
    ModelUpdates,
    ProblemReading,
    RootCauseClaim,
    SolutionProposal,
    StanceProposal,
    UserDecision,
)
from domain.solution import SolutionType
from domain.status import ClosureReason
from domain.turn import TurnInput, apply_turn
from tests.builders import AT, OWNER, a_file, an_evidence, an_id

UNKNOWN = 0xDEAD
TEXTS = ("", " ", "The pool is empty", "the  POOL is empty", "100%_'; --", "é\u0301\u202e", "x" * 200)


class Walker:
    """A source of random turns; the same seed gives the same turns."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self._numbers = count(1)
        self._now = AT

    def turn(self, case: Case) -> TurnInput:
        """The next turn of ``case``; it may be illegal."""
        rng = self.rng
        self._now += timedelta(minutes=rng.choice((-1, 0, 1, 60)))
        files = tuple(a_file(next(self._numbers)) for _ in range(rng.random() < 0.1))
        return TurnInput(
            user_text=rng.choice(TEXTS),
            reply_text=rng.choice((*TEXTS, "\ud800\0")),
            at=self._now,
            by=OWNER,
            new_id=self.new_id,
            files=files,
            evidence=self._evidence(case),
            updates=self._updates(case),
            decisions=self._decisions(case),
        )

    def step(self, case: Case) -> Case:
        """``case`` after a random turn, or as it was if the turn is illegal."""
        with suppress(DomainError):
            return apply_turn(case, self.turn(case)).case
        return case

    def new_id(self, prefix: str) -> str:
        """A fresh id; ids count up."""
        return an_id(prefix, next(self._numbers))

    def _few(self, make: Callable[[], Any], chance: float = 0.3) -> tuple[Any, ...]:
        made = []
        while self.rng.random() < chance and len(made) < 4:
            made.append(make())
        return tuple(made)

    def _maybe(self, options: Sequence[Any]) -> Any:
        return self.rng.choice(options) if options and self.rng.random() < 0.7 else None

    def _one(self, known: Sequence[str], prefix: str) -> str:
        """Mostly an id that the case holds; else one that it does not."""
        return self.rng.choice(known) if known and self.rng.random() < 0.9 else an_id(prefix, UNKNOWN)

    def _evidence(self, case: Case) -> tuple[Evidence, ...]:
        if case.status == "consulting" and self.rng.random() < 0.95:
            return ()
        hypotheses = [item.hypothesis_id for item in case.hypotheses]
        needs = [item.need_id for item in case.evidence_needs]

        def make() -> Evidence:
            number = 1 if self.rng.random() < 0.02 else next(self._numbers)
            return an_evidence(
                number,
                self.rng.choice(tuple(EvidenceCategory)),
                hypothesis_id=self._one(hypotheses, "hyp") if self.rng.random() < 0.1 else None,
                need_id=self._one(needs, "eneed") if self.rng.random() < 0.1 else None,
                collected_at_turn=case.current_turn + 1,
            )

        return self._few(make, 0.35)

    def _decisions(self, case: Case) -> tuple[UserDecision, ...]:
        rng = self.rng
        usual: tuple[DecisionKind, ...] = (
            (DecisionKind.CONFIRM_STATEMENT, DecisionKind.START_INVESTIGATION, DecisionKind.REJECT_STATEMENT)
            if case.status == "consulting"
            else (
                DecisionKind.APPLY_SOLUTION,
                DecisionKind.APPLY_SOLUTION,
                DecisionKind.VERIFY_SOLUTION,
                DecisionKind.SOLUTION_FAILED,
                DecisionKind.SOLUTION_FAILED,
                DecisionKind.EVIDENCE_UNAVAILABLE,
                DecisionKind.RETRACT_MILESTONE,
                DecisionKind.DEGRADED_CHOICE,
                DecisionKind.CHOOSE_PATH,
            )
        )

        def make() -> UserDecision:
            kind = rng.choice(usual if rng.random() < 0.93 else tuple(DecisionKind))
            solutions = [item.solution_id for item in case.solutions]
            needs = [item.need_id for item in case.evidence_needs]
            return UserDecision(
                kind=kind,
                statement=rng.choice((None, None, "The shop is down")),
                path=rng.choice(tuple(InvestigationPath)),
                solution_id=self._one(solutions, "sol"),
                effectiveness=rng.choice((None, None, 0.3, 0.5)),
                verification_method=rng.choice((None, "error rate")),
                need_id=self._one(needs, "eneed"),
                milestone=rng.choice(tuple(Milestone)),
                degraded_choice=rng.choice((*DegradedChoice,)),
                closure_reason=rng.choice((None, *ClosureReason)),
                reason=rng.choice(("because", "because", " ")),
            )

        return self._few(make, 0.4)

    def _updates(self, case: Case) -> ModelUpdates:
        rng = self.rng
        refs = ("h1", "h2", "h3")
        hypotheses = [item.hypothesis_id for item in case.hypotheses]
        targets = (*hypotheses, *hypotheses, *refs)
        evidence = [item.evidence_id for item in case.evidence]

        def ids() -> tuple[str, ...]:
            return self._few(lambda: self._one(evidence, "ev"), 0.6)

        return ModelUpdates(
            problem_statement=rng.choice((None, *TEXTS)) if rng.random() < 0.4 else None,
            problem_reading=self._reading() if rng.random() < 0.2 else None,
            milestones=self._few(lambda: MilestoneClaim(milestone=rng.choice(tuple(Milestone)), evidence_ids=ids())),
            hypotheses=self._few(
                lambda: HypothesisProposal(
                    ref=rng.choice(refs),
                    statement=f"Cause {rng.randrange(60)}",
                    category=rng.choice((HypothesisCategory.CODE, *HypothesisCategory)),
                    initial_likelihood=rng.choice((0.0, 0.2, 0.3, 0.5, 0.5, 0.7, 1.0)),
                    generation_mode=rng.choice(tuple(GenerationMode)),
                    rationale=rng.choice(TEXTS),
                ),
                0.35,
            ),
            stances=self._few(
                lambda: StanceProposal(
                    hypothesis=rng.choice(targets),
                    evidence_id=self._one(evidence, "ev"),
                    stance=rng.choice(tuple(EvidenceStance)),
                    reasoning=rng.choice(TEXTS),
                    completeness=rng.choice((0.0, 0.1, 0.5, 1.0)),
                ),
                0.5,
            ),
            retirements=self._few(
                lambda: HypothesisRetirement(hypothesis_id=self._one(hypotheses, "hyp"), reason="no longer likely"),
                0.04,
            ),
            root_cause=RootCauseClaim(
                root_cause="The pool was set to 5",
                mechanism=rng.choice(TEXTS),
                method=rng.choice(tuple(RootCauseMethod)),
                confidence=rng.choice((0.0, 0.4, 0.95)),
                hypothesis=self._maybe(targets),
                evidence_ids=ids(),
            )
            if rng.random() < 0.1
            else None,
            solutions=self._few(self._solution(targets), 0.25),
            evidence_requests=self._few(
                lambda: EvidenceRequest(
                    description=f"Log {rng.randrange(30)}",
                    milestone=self._maybe(tuple(Milestone)),
                    hypothesis=self._maybe(targets),
                    critical=rng.random() < 0.5,
                ),
                0.2,
            ),
        )

    def _reading(self) -> ProblemReading:
        rng = self.rng
        return ProblemReading(
            problem_type=self._maybe(tuple(ProblemType)),
            severity=self._maybe(tuple(Severity)),
            urgency_level=self._maybe(tuple(UrgencyLevel)),
            temporal_state=self._maybe(tuple(TemporalState)),
            guidance=rng.choice(TEXTS),
            symptom_indicators=self._few(lambda: f"indicator {rng.randrange(100)}", 0.5),
            affected_services=self._few(lambda: rng.choice(TEXTS), 0.5),
            started_at=self._maybe((AT - timedelta(days=2), AT - timedelta(minutes=5), AT + timedelta(days=1))),
        )

    def _solution(self, targets: Sequence[str]) -> Callable[[], SolutionProposal]:
        rng = self.rng
        return lambda: SolutionProposal(
            ref="s1",
            solution_type=rng.choice(tuple(SolutionType)),
            title=f"Fix {rng.randrange(20)}",
            is_mitigation=rng.random() < 0.4,
            hypothesis=self._maybe(targets),
            immediate_action=rng.choice((None, "Restart it")),
            commands=self._few(lambda: "restart", 0.3),
        )
