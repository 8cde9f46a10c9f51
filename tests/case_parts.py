"""Hypothesis strategies for the parts of a case."""

from datetime import datetime, timedelta
from functools import cache

from hypothesis import strategies as st

from domain.documentation import DocumentationData, DocumentFormat, DocumentType, GeneratedDocument
from domain.episodes import DegradedChoice, DegradedEpisode, DegradedModeType
from domain.evidence import (
    Evidence,
    EvidenceCategory,
    EvidenceForm,
    EvidenceSourceType,
    UploadedFile,
    UploadSource,
)
from domain.hypothesis import (
    EvidenceLink,
    EvidenceStance,
    ForcedAlternatives,
    GenerationMode,
    Hypothesis,
    HypothesisCategory,
    HypothesisStatus,
)
from domain.milestones import InvestigationProgress, Milestone, MilestoneRecord, MilestoneRetraction, RootCauseMethod
from domain.path import InvestigationPath, PathSelection
from domain.problem import (
    Change,
    ChangeType,
    Correlation,
    CorrelationType,
    ProblemConfirmation,
    ProblemType,
    ProblemVerification,
    Severity,
    TemporalState,
    UrgencyLevel,
)
from domain.solution import Solution, SolutionType
from domain.turn_history import TurnOutcome, TurnProgress
from domain.values import INT64_MAX
from tests.scalars import (
    after,
    attributes,
    counts,
    fractions,
    ids,
    instants,
    labels,
    maybe,
    one_of,
    subset,
    texts,
    tuples,
)

_changes = st.builds(
    Change,
    description=labels,
    occurred_at=instants(),
    change_type=st.sampled_from(ChangeType),
    changed_by=maybe(texts()),
    details=attributes,
)
_correlations = st.builds(
    Correlation,
    change_description=texts(),
    timing_description=texts(),
    confidence=fractions,
    correlation_type=st.sampled_from(CorrelationType),
    evidence=maybe(texts()),
)
_retractions = st.builds(
    MilestoneRetraction,
    milestone=st.sampled_from(Milestone),
    retracted_at=instants(),
    retracted_by=labels,
    reason=labels,
)
confirmations = st.builds(
    ProblemConfirmation,
    problem_type=st.sampled_from(ProblemType),
    severity_guess=st.sampled_from(Severity),
    preliminary_guidance=texts(),
    created_at=instants(),
)
paths = st.builds(
    PathSelection,
    path=st.sampled_from(InvestigationPath),
    auto_selected=st.booleans(),
    rationale=texts(),
    alternate_path=maybe(st.sampled_from(InvestigationPath)),
    selected_at=instants(),
    selected_by=labels,
    temporal_state=maybe(st.sampled_from(TemporalState)),
    urgency_level=maybe(st.sampled_from(UrgencyLevel)),
)


demands = st.builds(
    ForcedAlternatives,
    excluded_category=st.sampled_from(HypothesisCategory),
    minimum=counts,
    demanded_at_turn=counts,
    reasons=tuples(texts()),
)


@st.composite
def problem_verifications(draw: st.DrawFn) -> ProblemVerification:
    """A verified problem with any of its parts."""
    started, noticed, ended = sorted(draw(st.lists(instants(), min_size=3, max_size=3)))
    return ProblemVerification(
        symptom_statement=draw(labels),
        symptom_indicators=draw(tuples(texts())),
        affected_services=draw(tuples(texts())),
        affected_users=draw(maybe(texts())),
        affected_regions=draw(tuples(texts())),
        severity=draw(st.sampled_from(Severity)),
        user_impact=draw(maybe(texts())),
        started_at=draw(st.sampled_from((None, started))),
        noticed_at=draw(st.sampled_from((None, noticed))),
        resolved_naturally_at=draw(st.sampled_from((None, ended))),
        duration=draw(maybe(st.timedeltas(timedelta(0), timedelta(days=400)))),
        temporal_state=draw(maybe(st.sampled_from(TemporalState))),
        recent_changes=draw(tuples(_changes)),
        correlations=draw(tuples(_correlations)),
        correlation_confidence=draw(fractions),
        urgency_level=draw(st.sampled_from(UrgencyLevel)),
        urgency_factors=draw(tuples(texts())),
        verified_at=draw(maybe(instants())),
        verification_confidence=draw(fractions),
    )


@st.composite
def files(draw: st.DrawFn, number: int, at: datetime) -> UploadedFile:
    """The ``number``-th file of a case."""
    return UploadedFile(
        file_id=f"{draw(st.sampled_from(('file', 'data')))}_{number:012x}",
        filename=draw(labels),
        size_bytes=draw(st.integers(0, INT64_MAX)),
        sha256=f"{draw(st.integers(0, 2**256 - 1)):064x}",
        data_type=draw(labels),
        uploaded_at_turn=draw(counts),
        uploaded_at=at,
        source_type=draw(st.sampled_from(UploadSource)),
        source_url=draw(maybe(texts())),
        preprocessing_summary=draw(maybe(texts())),
        content_ref=draw(texts()),
    )


@st.composite
def evidence_items(
    draw: st.DrawFn, number: int, at: datetime, file_ids: list[str], hypothesis_ids: list[str], need_ids: list[str]
) -> Evidence:
    """The ``number``-th piece of evidence of a case that holds these files, hypotheses and requests."""
    return Evidence(
        evidence_id=f"ev_{number:012x}",
        category=draw(st.sampled_from(EvidenceCategory)),
        summary=draw(labels),
        extract=draw(texts(0, 300)),
        extraction_method=draw(labels),
        source_type=draw(st.sampled_from(EvidenceSourceType)),
        form=draw(st.sampled_from(EvidenceForm)),
        file_id=draw(one_of(file_ids)),
        content_size_bytes=draw(counts),
        compression_ratio=draw(maybe(fractions)),
        analysis=draw(maybe(texts())),
        hypothesis_id=draw(one_of(hypothesis_ids)),
        need_id=draw(one_of(need_ids)),
        advances=draw(tuples(st.sampled_from(Milestone))),
        collected_at=at,
        collected_by=draw(labels),
        collected_at_turn=draw(counts),
    )


@st.composite
def hypotheses(draw: st.DrawFn, hypothesis_id: str, at: datetime, evidence_ids: list[str]) -> Hypothesis:
    """A hypothesis of a case that holds this evidence, in any status."""
    status = draw(st.sampled_from(HypothesisStatus))
    concluded = status not in (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE)
    stances = st.sampled_from([stance for stance in EvidenceStance if stance is not EvidenceStance.IRRELEVANT])
    return Hypothesis(
        hypothesis_id=hypothesis_id,
        statement=draw(labels),
        category=draw(st.sampled_from(HypothesisCategory)),
        status=status,
        initial_likelihood=draw(fractions),
        likelihood=draw(fractions),
        links=tuple(
            EvidenceLink(
                evidence_id=evidence_id,
                stance=draw(stances),
                reasoning=draw(texts()),
                completeness=draw(fractions),
                analyzed_at=at,
            )
            for evidence_id in draw(subset(evidence_ids))
        ),
        stale_turns=draw(counts),
        generated_at_turn=draw(counts),
        generation_mode=draw(st.sampled_from(GenerationMode)),
        rationale=draw(texts()),
        tested_at=at if status is HypothesisStatus.ACTIVE else draw(st.sampled_from((None, at))),
        concluded_at=at if concluded else None,
        conclusion_reason=draw(maybe(texts())),
    )


@st.composite
def solutions(
    draw: st.DrawFn, number: int, at: datetime, hypothesis_ids: list[str], evidence_ids: list[str]
) -> Solution:
    """The ``number``-th solution of a case: proposed, applied or verified."""
    applied = draw(maybe(after(at)))
    verified = draw(maybe(after(applied))) if applied else None
    return Solution(
        solution_id=f"sol_{number:012x}",
        solution_type=draw(st.sampled_from(SolutionType)),
        title=draw(labels),
        is_mitigation=draw(st.booleans()),
        hypothesis_id=draw(one_of(hypothesis_ids)),
        immediate_action=draw(labels),
        longterm_fix=draw(maybe(texts())),
        implementation_steps=draw(tuples(texts())),
        commands=draw(tuples(texts())),
        risks=draw(tuples(texts())),
        proposed_at=at,
        proposed_by=draw(labels),
        applied_at=applied,
        applied_by=draw(labels) if applied else None,
        verified_at=verified,
        verification_method=draw(maybe(texts())) if verified else None,
        verification_evidence_id=draw(one_of(evidence_ids)) if verified else None,
        effectiveness=draw(fractions) if verified else None,
    )


@st.composite
def progresses(draw: st.DrawFn, evidence_ids: list[str], *, verified: bool) -> InvestigationProgress:
    """Milestones in any legal combination; with ``verified``, a solution has been verified."""
    standing = set(draw(st.lists(st.sampled_from(Milestone), unique=True)))
    chain = (Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_APPLIED, Milestone.SOLUTION_VERIFIED)
    reached = 3 if verified else draw(st.integers(0, 3))
    standing = standing - set(chain) | set(chain[:reached])
    root_cause = Milestone.ROOT_CAUSE_IDENTIFIED in standing
    return InvestigationProgress(
        completed=tuple(
            MilestoneRecord(
                milestone=milestone,
                completed_at=draw(instants()),
                completed_at_turn=draw(counts),
                completed_by=draw(labels),
                evidence_ids=draw(subset(evidence_ids)),
            )
            for milestone in Milestone
            if milestone in standing
        ),
        retracted=draw(tuples(_retractions)),
        root_cause_confidence=draw(st.floats(0.01, 1)) if root_cause else 0.0,
        root_cause_method=draw(st.sampled_from(RootCauseMethod)) if root_cause else None,
    )


@st.composite
def degraded_episodes(draw: st.DrawFn, at: datetime) -> tuple[DegradedEpisode, ...]:
    """Up to two episodes, of which the last may still be going on."""
    count = draw(st.integers(0, 2))
    open_end = draw(st.booleans())
    return tuple(
        DegradedEpisode(
            mode_type=draw(st.sampled_from(DegradedModeType)),
            entered_at=at,
            reason=draw(texts()),
            attempted_actions=draw(tuples(texts())),
            fallback_offered=draw(maybe(texts())),
            user_choice=draw(maybe(st.sampled_from(DegradedChoice))),
            exited_at=None if open_end and number == count - 1 else at,
            exit_reason=draw(maybe(texts())),
        )
        for number in range(count)
    )


@st.composite
def turn_histories(draw: st.DrawFn, at: datetime, known: dict[str, list[str]]) -> tuple[TurnProgress, ...]:
    """Up to three turns in a row; the first may have any number."""
    first = draw(st.integers(1, 1000))
    return tuple(
        TurnProgress(
            turn_number=first + number,
            timestamp=at,
            milestones_completed=draw(tuples(st.sampled_from(Milestone))),
            evidence_added=draw(subset(known["evidence"])),
            hypotheses_generated=draw(subset(known["hypotheses"])),
            hypotheses_validated=draw(subset(known["hypotheses"])),
            solutions_proposed=draw(subset(known["solutions"])),
            progress_made=draw(st.booleans()),
            actions_taken=draw(tuples(texts())),
            outcome=draw(st.sampled_from(TurnOutcome)),
            working_confidence=draw(maybe(fractions)),
            user_message_summary=draw(maybe(texts())),
            agent_response_summary=draw(maybe(texts())),
        )
        for number in range(draw(st.integers(0, 3)))
    )


@cache
def documentation() -> st.SearchStrategy[DocumentationData]:
    """What was written down about a case."""
    document = st.builds(
        GeneratedDocument,
        document_id=ids("doc"),
        document_type=st.sampled_from(DocumentType),
        title=labels,
        content_ref=texts(),
        generated_at=instants(),
        format=st.sampled_from(DocumentFormat),
        size_bytes=counts,
    )
    return st.builds(
        DocumentationData,
        documents_generated=tuples(document, 1),
        runbook_entry=maybe(texts()),
        lessons_learned=tuples(texts()),
        what_went_well=tuples(texts()),
        what_could_improve=tuples(texts()),
        preventive_measures=tuples(texts()),
        monitoring_recommendations=tuples(texts()),
        generated_at=maybe(instants()),
        generated_by=maybe(labels),
    )
