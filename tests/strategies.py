"""Hypothesis strategies for legal domain objects, with texts that are hostile to databases, files and queries."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from domain.case import Case, CasePriority
from domain.conclusions import ConfidenceLevel, RootCauseConclusion, WorkingConclusion
from domain.documentation import DocumentationData, DocumentFormat, DocumentType, GeneratedDocument
from domain.episodes import DegradedChoice, DegradedEpisode, DegradedModeType, Escalation, EscalationType
from domain.evidence import (
    Evidence,
    EvidenceCategory,
    EvidenceForm,
    EvidenceNeed,
    EvidenceNeedStatus,
    EvidenceSourceType,
    UploadedFile,
    UploadSource,
)
from domain.hypothesis import (
    EvidenceLink,
    EvidenceStance,
    GenerationMode,
    Hypothesis,
    HypothesisCategory,
    HypothesisStatus,
)
from domain.message import Message, MessageRole, MessageType
from domain.milestones import InvestigationProgress, Milestone, MilestoneRecord, MilestoneRetraction, RootCauseMethod
from domain.path import InvestigationPath, InvestigationStrategy, PathSelection
from domain.problem import (
    Change,
    ChangeType,
    ConsultingData,
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
from domain.status import CaseStatus, CaseStatusTransition, ClosureReason
from domain.turn_history import TurnOutcome, TurnProgress
from domain.user import Role, User
from domain.values import INT64_MAX, INT64_MIN
from tests.builders import a_case
from tests.walks import Walker

HOSTILE = (
    "'; DROP TABLE cases; --",
    "100%_done\\",
    '{"$where": "1"}',
    "${jndi:x}",
    "../../etc/passwd",
    "* OR NEAR(a b)",
    "a:b & !c | <d>",
    "\u202eabc\u200d\ufeff",
    "\U0001f469\u200d\U0001f680",
    "İstanbul ß ΐ",
    "\x01\x1b[31m\r\n\t\x7f",
    "%00 \\x00 \\u0000",
    "null",
    "NaN",
)
"""Texts with a meaning to some engine; to us they are text."""

_characters = st.characters(exclude_categories=("Cs",), exclude_characters="\0")


@cache
def texts(min_size: int = 0, max_size: int = 40) -> st.SearchStrategy[str]:
    """Any legal text in NFC of at most ``max_size`` characters; with ``min_size`` it has no space at its ends."""
    words = st.one_of(st.text(_characters, max_size=max_size), st.sampled_from(HOSTILE))
    if not min_size:
        return words.map(lambda word: _cut(word, max_size))
    return words.map(lambda word: _cut(f"x{word}", max_size).strip()).filter(lambda word: len(word) >= min_size)


def _cut(text: str, size: int) -> str:
    return unicodedata.normalize("NFC", text)[:size]


@cache
def ids(prefix: str, width: int = 12) -> st.SearchStrategy[str]:
    """An id with this prefix and ``width`` hexadecimal digits."""
    return st.integers(0, 16**width - 1).map(lambda number: f"{prefix}_{number:0{width}x}")


@cache
def instants() -> st.SearchStrategy[datetime]:
    """An instant in UTC from 2000 to 2100, to the microsecond."""
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return st.integers(0, 100 * 365 * 86_400_000_000).map(lambda offset: start + timedelta(microseconds=offset))


_delays = st.integers(0, 10 * 86_400_000_000).map(lambda offset: timedelta(microseconds=offset))


def after(at: datetime) -> st.SearchStrategy[datetime]:
    """An instant from ``at`` to ten days later."""
    return _delays.map(lambda delay: at + delay)


fractions = st.floats(0, 1)
counts = st.integers(0, 1000)
labels = texts(1)
attributes: st.SearchStrategy[Mapping[str, Any]] = st.dictionaries(
    labels,
    st.none()
    | st.booleans()
    | st.integers(INT64_MIN, INT64_MAX)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(),
    max_size=3,
)


@cache
def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@cache
def _tuples(strategy: st.SearchStrategy[Any], max_size: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=max_size).map(tuple)


def _subset(options: list[str], max_size: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    if not options:
        return st.just(())
    return st.lists(st.sampled_from(options), unique=True, max_size=max_size).map(tuple)


def _one_of(options: list[str]) -> st.SearchStrategy[str | None]:
    return st.none() | st.sampled_from(options) if options else st.none()


@st.composite
def users(draw: st.DrawFn) -> User:
    """A user with any legal name, address, roles and stamps."""
    created = draw(instants())
    local = draw(st.from_regex(r"[a-zA-Z0-9._%+'-]{1,20}", fullmatch=True))
    host = draw(st.sampled_from(("example.org", "EXAMPLE.org", "bücher.example", "localhost")))
    return User(
        user_id=draw(ids("user")),
        version=draw(counts),
        username=draw(st.from_regex(r"[a-zA-Zé_][a-zA-Z0-9é.@+-]{2,20}", fullmatch=True)),
        email=f"{local}@{host}",
        display_name=draw(labels),
        password_hash=draw(_maybe(texts())),
        roles=draw(st.sampled_from(((Role.USER,), (Role.ADMIN,), (Role.USER, Role.ADMIN)))),
        is_active=draw(st.booleans()),
        created_at=created,
        updated_at=draw(after(created)),
        last_login_at=draw(_maybe(after(created))),
        last_password_change_at=draw(_maybe(after(created))),
        tokens_valid_from=draw(after(created)),
    )


@cache
def messages(case_id: str) -> st.SearchStrategy[Message]:
    """A message of this case."""
    return st.builds(
        Message,
        message_id=ids("msg"),
        case_id=st.just(case_id),
        turn_number=counts,
        role=st.sampled_from(MessageRole),
        type=st.sampled_from(MessageType),
        content=texts(1, 200),
        created_at=instants(),
        author_id=_maybe(labels),
        file_ids=_tuples(ids("file")),
        metadata=attributes,
    )


_changes = st.builds(
    Change,
    description=labels,
    occurred_at=instants(),
    change_type=st.sampled_from(ChangeType),
    changed_by=_maybe(texts()),
    details=attributes,
)
_correlations = st.builds(
    Correlation,
    change_description=texts(),
    timing_description=texts(),
    confidence=fractions,
    correlation_type=st.sampled_from(CorrelationType),
    evidence=_maybe(texts()),
)
_retractions = st.builds(
    MilestoneRetraction,
    milestone=st.sampled_from(Milestone),
    retracted_at=instants(),
    retracted_by=labels,
    reason=labels,
)
_confirmations = st.builds(
    ProblemConfirmation,
    problem_type=st.sampled_from(ProblemType),
    severity_guess=st.sampled_from(Severity),
    preliminary_guidance=texts(),
    created_at=instants(),
)
_paths = st.builds(
    PathSelection,
    path=st.sampled_from(InvestigationPath),
    auto_selected=st.booleans(),
    rationale=texts(),
    alternate_path=_maybe(st.sampled_from(InvestigationPath)),
    selected_at=instants(),
    selected_by=labels,
    temporal_state=_maybe(st.sampled_from(TemporalState)),
    urgency_level=_maybe(st.sampled_from(UrgencyLevel)),
)


@st.composite
def problem_verifications(draw: st.DrawFn) -> ProblemVerification:
    """A verified problem with any of its parts."""
    started, noticed, ended = sorted(draw(st.lists(instants(), min_size=3, max_size=3)))
    return ProblemVerification(
        symptom_statement=draw(labels),
        symptom_indicators=draw(_tuples(texts())),
        affected_services=draw(_tuples(texts())),
        affected_users=draw(_maybe(texts())),
        affected_regions=draw(_tuples(texts())),
        severity=draw(st.sampled_from(Severity)),
        user_impact=draw(_maybe(texts())),
        started_at=draw(st.sampled_from((None, started))),
        noticed_at=draw(st.sampled_from((None, noticed))),
        resolved_naturally_at=draw(st.sampled_from((None, ended))),
        duration=draw(_maybe(st.timedeltas(timedelta(0), timedelta(days=400)))),
        temporal_state=draw(_maybe(st.sampled_from(TemporalState))),
        recent_changes=draw(_tuples(_changes)),
        correlations=draw(_tuples(_correlations)),
        correlation_confidence=draw(fractions),
        urgency_level=draw(st.sampled_from(UrgencyLevel)),
        urgency_factors=draw(_tuples(texts())),
        verified_at=draw(_maybe(instants())),
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
        source_url=draw(_maybe(texts())),
        preprocessing_summary=draw(_maybe(texts())),
        content_ref=draw(texts()),
    )


@st.composite
def evidence_items(
    draw: st.DrawFn, number: int, at: datetime, file_ids: list[str], hypothesis_ids: list[str]
) -> Evidence:
    """The ``number``-th piece of evidence of a case that holds these files and hypotheses."""
    return Evidence(
        evidence_id=f"ev_{number:012x}",
        category=draw(st.sampled_from(EvidenceCategory)),
        summary=draw(labels),
        extract=draw(texts(0, 300)),
        extraction_method=draw(labels),
        source_type=draw(st.sampled_from(EvidenceSourceType)),
        form=draw(st.sampled_from(EvidenceForm)),
        file_id=draw(_one_of(file_ids)),
        content_size_bytes=draw(counts),
        compression_ratio=draw(_maybe(fractions)),
        analysis=draw(_maybe(texts())),
        hypothesis_id=draw(_one_of(hypothesis_ids)),
        advances=draw(_tuples(st.sampled_from(Milestone))),
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
            for evidence_id in draw(_subset(evidence_ids))
        ),
        stale_turns=draw(counts),
        generated_at_turn=draw(counts),
        generation_mode=draw(st.sampled_from(GenerationMode)),
        rationale=draw(texts()),
        tested_at=at if status is HypothesisStatus.ACTIVE else draw(st.sampled_from((None, at))),
        concluded_at=at if concluded else None,
        conclusion_reason=draw(_maybe(texts())),
    )


@st.composite
def solutions(
    draw: st.DrawFn, number: int, at: datetime, hypothesis_ids: list[str], evidence_ids: list[str]
) -> Solution:
    """The ``number``-th solution of a case: proposed, applied or verified."""
    applied = draw(_maybe(after(at)))
    verified = draw(_maybe(after(applied))) if applied else None
    return Solution(
        solution_id=f"sol_{number:012x}",
        solution_type=draw(st.sampled_from(SolutionType)),
        title=draw(labels),
        is_mitigation=draw(st.booleans()),
        hypothesis_id=draw(_one_of(hypothesis_ids)),
        immediate_action=draw(labels),
        longterm_fix=draw(_maybe(texts())),
        implementation_steps=draw(_tuples(texts())),
        commands=draw(_tuples(texts())),
        risks=draw(_tuples(texts())),
        proposed_at=at,
        proposed_by=draw(labels),
        applied_at=applied,
        applied_by=draw(labels) if applied else None,
        verified_at=verified,
        verification_method=draw(_maybe(texts())) if verified else None,
        verification_evidence_id=draw(_one_of(evidence_ids)) if verified else None,
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
                evidence_ids=draw(_subset(evidence_ids)),
            )
            for milestone in Milestone
            if milestone in standing
        ),
        retracted=draw(_tuples(_retractions)),
        root_cause_confidence=draw(st.floats(0.01, 1)) if root_cause else 0.0,
        root_cause_method=draw(st.sampled_from(RootCauseMethod)) if root_cause else None,
    )


@st.composite
def _degraded_episodes(draw: st.DrawFn, at: datetime) -> tuple[DegradedEpisode, ...]:
    count = draw(st.integers(0, 2))
    open_end = draw(st.booleans())
    return tuple(
        DegradedEpisode(
            mode_type=draw(st.sampled_from(DegradedModeType)),
            entered_at=at,
            reason=draw(texts()),
            attempted_actions=draw(_tuples(texts())),
            fallback_offered=draw(_maybe(texts())),
            user_choice=draw(_maybe(st.sampled_from(DegradedChoice))),
            exited_at=None if open_end and number == count - 1 else at,
            exit_reason=draw(_maybe(texts())),
        )
        for number in range(count)
    )


@st.composite
def _turns(draw: st.DrawFn, at: datetime, known: dict[str, list[str]]) -> tuple[TurnProgress, ...]:
    first = draw(st.integers(1, 1000))
    return tuple(
        TurnProgress(
            turn_number=first + number,
            timestamp=at,
            milestones_completed=draw(_tuples(st.sampled_from(Milestone))),
            evidence_added=draw(_subset(known["evidence"])),
            hypotheses_generated=draw(_subset(known["hypotheses"])),
            hypotheses_validated=draw(_subset(known["hypotheses"])),
            solutions_proposed=draw(_subset(known["solutions"])),
            progress_made=draw(st.booleans()),
            actions_taken=draw(_tuples(texts())),
            outcome=draw(st.sampled_from(TurnOutcome)),
            working_confidence=draw(_maybe(fractions)),
            user_message_summary=draw(_maybe(texts())),
            agent_response_summary=draw(_maybe(texts())),
        )
        for number in range(draw(st.integers(0, 3)))
    )


def cases(user_id: st.SearchStrategy[str] = labels, version: int = 0) -> st.SearchStrategy[Case]:
    """A legal case in any status with any of the optional parts of the aggregate: built directly, or turn by turn.

    Args:
        user_id: its owner.
        version: its number of saves.
    """
    return built_cases(user_id, version) | walked_cases(user_id, version)


@st.composite
def walked_cases(draw: st.DrawFn, user_id: st.SearchStrategy[str] = labels, version: int = 0) -> Case:
    """A case that went through up to 20 random turns."""
    owner = draw(user_id)
    case = a_case(case_id=draw(ids("case")), user_id=owner, organization_id=owner, version=version)
    walker = Walker(draw(st.integers(0, 2**32 - 1)))
    for _ in range(draw(st.integers(1, 20))):
        case = walker.step(case)
    return case


@st.composite
def built_cases(draw: st.DrawFn, user_id: st.SearchStrategy[str] = labels, version: int = 0) -> Case:
    """A case that is put together from drawn parts, with texts that are hostile everywhere."""
    created = draw(instants())
    at = draw(after(created))
    end = draw(after(at))
    status = draw(st.sampled_from(CaseStatus))
    investigated = status in (CaseStatus.INVESTIGATING, CaseStatus.RESOLVED) or (
        status is CaseStatus.CLOSED and draw(st.booleans())
    )
    file_ids, hypothesis_ids, evidence_ids = [], [], []
    uploaded = [draw(files(number, at)) for number in range(draw(st.integers(0, 2)))]
    file_ids = [file.file_id for file in uploaded]
    evidence: list[Evidence] = []
    if investigated:
        hypothesis_ids = [f"hyp_{number:012x}" for number in range(draw(st.integers(0, 3)))]
        evidence = [
            draw(evidence_items(number, at, file_ids, hypothesis_ids)) for number in range(draw(st.integers(0, 3)))
        ]
        evidence_ids = [item.evidence_id for item in evidence]
    statement = draw(labels)
    owner = draw(user_id)
    fixes = [
        draw(solutions(number, at, hypothesis_ids, evidence_ids))
        for number in range(draw(st.integers(0, 2)) if investigated else 0)
    ]
    known = {
        "evidence": evidence_ids,
        "hypotheses": hypothesis_ids,
        "solutions": [solution.solution_id for solution in fixes],
    }
    turns = draw(_turns(at, known))
    score = draw(fractions)
    return Case(
        case_id=draw(ids("case")),
        version=version,
        user_id=owner,
        organization_id=owner,
        opened_in_session=draw(_maybe(labels)),
        follows_case_id=draw(_maybe(ids("case"))),
        source=draw(labels),
        priority=draw(_maybe(st.sampled_from(CasePriority))),
        title=draw(labels),
        description=statement if investigated else draw(texts()),
        status=status,
        status_history=_history(
            status, investigated=investigated, at=at, end=end, by=draw(labels), reason=draw(texts())
        ),
        closure_reason=_closure_reason(status, draw(st.sampled_from((ClosureReason.ABANDONED, ClosureReason.OTHER)))),
        message_count=draw(counts),
        current_turn=turns[-1].turn_number if turns else 0,
        turns_without_progress=draw(st.integers(0, turns[-1].turn_number)) if turns else 0,
        turn_history=turns,
        consulting=ConsultingData(
            problem_confirmation=draw(_maybe(_confirmations)),
            proposed_problem_statement=statement if investigated else draw(_maybe(texts())),
            problem_statement_confirmed_at=at if investigated else None,
            decided_to_investigate_at=at if investigated else None,
            quick_suggestions=draw(_tuples(texts())),
            consultation_turns=draw(counts),
        ),
        problem_verification=draw(_maybe(problem_verifications())) if investigated else None,
        path_selection=draw(_maybe(_paths)) if investigated else None,
        investigation_strategy=draw(st.sampled_from(InvestigationStrategy)),
        progress=draw(progresses(evidence_ids, verified=status is CaseStatus.RESOLVED))
        if investigated
        else InvestigationProgress(),
        uploaded_files=tuple(uploaded),
        evidence=tuple(evidence),
        evidence_needs=tuple(
            EvidenceNeed(
                need_id=f"eneed_{number:012x}",
                description=draw(labels),
                milestone=draw(_maybe(st.sampled_from(Milestone))),
                hypothesis_id=draw(_one_of(hypothesis_ids)),
                critical=draw(st.booleans()),
                requested_at_turn=draw(counts),
                status=draw(st.sampled_from(EvidenceNeedStatus)),
                evidence_id=draw(_one_of(evidence_ids)),
                blocked_reason=draw(_maybe(texts())),
                command=draw(_maybe(texts())),
                data_type=draw(_maybe(texts())),
            )
            for number in range(draw(st.integers(0, 2)))
        ),
        hypotheses=tuple(draw(hypotheses(hypothesis_id, at, evidence_ids)) for hypothesis_id in hypothesis_ids),
        solutions=tuple(fixes),
        working_conclusion=draw(
            _maybe(
                st.builds(
                    WorkingConclusion,
                    statement=labels,
                    confidence=fractions,
                    reasoning=texts(),
                    hypothesis_id=_one_of(hypothesis_ids),
                    supporting_evidence_ids=_subset(evidence_ids),
                    alternatives=_subset(hypothesis_ids),
                    caveats=_tuples(texts()),
                    can_proceed_with_solution=st.booleans(),
                    updated_at=instants(),
                    supersedes_conclusion_at=_maybe(instants()),
                )
            )
        ),
        root_cause_conclusion=draw(
            _maybe(
                st.builds(
                    RootCauseConclusion,
                    root_cause=labels,
                    confidence_level=st.just(ConfidenceLevel.of(score)),
                    confidence_score=st.just(score),
                    mechanism=texts(),
                    evidence_basis=_subset(evidence_ids),
                    validated_hypothesis_id=_one_of(hypothesis_ids),
                    contributing_factors=_tuples(texts()),
                    determined_at=instants(),
                    determined_by=labels,
                )
            )
        ),
        degraded_episodes=draw(_degraded_episodes(at)),
        escalations=draw(
            _tuples(
                st.builds(
                    Escalation,
                    escalation_type=st.sampled_from(EscalationType),
                    reason=texts(),
                    escalated_to=_maybe(texts()),
                    escalated_at=st.just(at),
                    escalated_by=labels,
                    context_summary=texts(),
                    key_findings=_tuples(texts()),
                    resolution=_maybe(texts()),
                    resolved_at=_maybe(after(at)),
                )
            )
        ),
        documentation=draw(_documentation()),
        created_at=created,
        updated_at=draw(after(end + timedelta(days=30))),
        last_activity_at=draw(after(created)),
        resolved_at=end if status is CaseStatus.RESOLVED else None,
        closed_at=end if status.is_terminal else None,
    )


@cache
def _documentation() -> st.SearchStrategy[DocumentationData]:
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
        documents_generated=_tuples(document, 1),
        runbook_entry=_maybe(texts()),
        lessons_learned=_tuples(texts()),
        what_went_well=_tuples(texts()),
        what_could_improve=_tuples(texts()),
        preventive_measures=_tuples(texts()),
        monitoring_recommendations=_tuples(texts()),
        generated_at=_maybe(instants()),
        generated_by=_maybe(labels),
    )


def _closure_reason(status: CaseStatus, reason: ClosureReason) -> ClosureReason | None:
    if status is CaseStatus.RESOLVED:
        return ClosureReason.RESOLVED
    return reason if status is CaseStatus.CLOSED else None


def _history(
    status: CaseStatus, *, investigated: bool, at: datetime, end: datetime, by: str, reason: str
) -> tuple[CaseStatusTransition, ...]:
    way = [CaseStatus.CONSULTING, *([CaseStatus.INVESTIGATING] if investigated else [])]
    if status.is_terminal:
        way.append(status)
    return tuple(
        CaseStatusTransition(
            from_status=one,
            to_status=other,
            triggered_at=end if other.is_terminal else at,
            triggered_by=by,
            reason=reason,
        )
        for one, other in pairwise(way)
    )
