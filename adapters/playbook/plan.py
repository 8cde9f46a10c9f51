"""Everything that the rules have to say in one turn."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.playbook.judgement import Judgement
from adapters.playbook.observation import Fact
from adapters.playbook.sources import Source
from domain.milestones import Milestone
from domain.proposals import (
    EvidenceRequest,
    HypothesisProposal,
    MilestoneClaim,
    ModelUpdates,
    ProblemReading,
    SolutionProposal,
    StanceProposal,
)


@dataclass(slots=True)
class Finding:
    """A milestone that the evidence earns, and the facts that earn it."""

    milestone: Milestone
    facts: list[Fact]

    def claim(self) -> MilestoneClaim:
        """The claim, with the ids of the evidence."""
        ids = dict.fromkeys(fact.evidence_id for fact in self.facts)
        return MilestoneClaim(milestone=self.milestone, evidence_ids=tuple(ids))


@dataclass(slots=True)
class Verdict:
    """What one piece of evidence says about one hypothesis, named by its id or its reference."""

    hypothesis: str
    evidence_id: str
    judgement: Judgement


@dataclass(slots=True)
class Plan:
    """The proposals of the turn; see `ModelUpdates` for their order."""

    sources: tuple[Source, ...]
    findings: list[Finding] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    hypotheses: list[HypothesisProposal] = field(default_factory=list)
    solutions: list[SolutionProposal] = field(default_factory=list)
    requests: list[EvidenceRequest] = field(default_factory=list)
    reading: ProblemReading | None = None
    fitting: tuple[Source, ...] = ()
    """The documents whose symptom stands in the evidence."""

    def updates(self) -> ModelUpdates:
        """The proposals."""
        return ModelUpdates(
            problem_reading=self.reading,
            milestones=tuple(finding.claim() for finding in self.findings),
            hypotheses=tuple(self.hypotheses),
            stances=tuple(
                StanceProposal(
                    hypothesis=verdict.hypothesis,
                    evidence_id=verdict.evidence_id,
                    stance=verdict.judgement.stance,
                    reasoning=verdict.judgement.reasoning[:1000],
                    completeness=verdict.judgement.completeness,
                )
                for verdict in self.verdicts
            ),
            solutions=tuple(self.solutions),
            evidence_requests=tuple(self.requests),
        )
