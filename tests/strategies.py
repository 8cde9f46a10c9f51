"""Hypothesis strategies for legal domain objects: users, messages and cases."""

from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

from hypothesis import strategies as st

from domain.case import Case, CasePriority
from domain.conclusions import ConfidenceLevel, RootCauseConclusion, WorkingConclusion
from domain.episodes import Escalation, EscalationType
from domain.evidence import Evidence, EvidenceNeed, EvidenceNeedStatus
from domain.message import Message, MessageRole, MessageType
from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationStrategy
from domain.problem import ConsultingData
from domain.status import CaseStatus, CaseStatusTransition, ClosureReason
from domain.user import Role, User
from tests.builders import a_case
from tests.case_parts import (
    confirmations,
    degraded_episodes,
    demands,
    documentation,
    evidence_items,
    files,
    hypotheses,
    paths,
    problem_verifications,
    progresses,
    solutions,
    turn_histories,
)
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
from tests.walks import Walker


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
        password_hash=draw(maybe(texts())),
        roles=draw(st.sampled_from(((Role.USER,), (Role.ADMIN,), (Role.USER, Role.ADMIN)))),
        is_active=draw(st.booleans()),
        created_at=created,
        updated_at=draw(after(created)),
        last_login_at=draw(maybe(after(created))),
        last_password_change_at=draw(maybe(after(created))),
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
        author_id=maybe(labels),
        file_ids=tuples(ids("file")),
        metadata=attributes,
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
    hypothesis_ids: list[str] = []
    evidence_ids: list[str] = []
    uploaded = [draw(files(number, at)) for number in range(draw(st.integers(0, 2)))]
    file_ids = [file.file_id for file in uploaded]
    need_ids = [f"eneed_{number:012x}" for number in range(draw(st.integers(0, 2)))]
    evidence: list[Evidence] = []
    if investigated:
        hypothesis_ids = [f"hyp_{number:012x}" for number in range(draw(st.integers(0, 3)))]
        evidence = [
            draw(evidence_items(number, at, file_ids, hypothesis_ids, need_ids))
            for number in range(draw(st.integers(0, 3)))
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
    turns = draw(turn_histories(at, known))
    score = draw(fractions)
    return Case(
        case_id=draw(ids("case")),
        version=version,
        user_id=owner,
        organization_id=owner,
        opened_in_session=draw(maybe(labels)),
        follows_case_id=draw(maybe(ids("case"))),
        source=draw(labels),
        priority=draw(maybe(st.sampled_from(CasePriority))),
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
            problem_confirmation=draw(maybe(confirmations)),
            proposed_problem_statement=statement if investigated else draw(maybe(texts())),
            problem_statement_confirmed_at=at if investigated else None,
            decided_to_investigate_at=at if investigated else None,
            quick_suggestions=draw(tuples(texts())),
            consultation_turns=draw(counts),
        ),
        problem_verification=draw(maybe(problem_verifications())) if investigated else None,
        path_selection=draw(maybe(paths)) if investigated else None,
        investigation_strategy=draw(st.sampled_from(InvestigationStrategy)),
        progress=draw(progresses(evidence_ids, verified=status is CaseStatus.RESOLVED))
        if investigated
        else InvestigationProgress(),
        uploaded_files=tuple(uploaded),
        evidence=tuple(evidence),
        evidence_needs=tuple(
            EvidenceNeed(
                need_id=need_id,
                description=draw(labels),
                milestone=draw(maybe(st.sampled_from(Milestone))),
                hypothesis_id=draw(one_of(hypothesis_ids)),
                critical=draw(st.booleans()),
                requested_at_turn=draw(counts),
                status=draw(st.sampled_from(EvidenceNeedStatus)),
                evidence_id=draw(one_of(evidence_ids)),
                blocked_reason=draw(maybe(texts())),
                command=draw(maybe(texts())),
                data_type=draw(maybe(texts())),
            )
            for need_id in need_ids
        ),
        hypotheses=tuple(draw(hypotheses(hypothesis_id, at, evidence_ids)) for hypothesis_id in hypothesis_ids),
        forced_alternatives=draw(maybe(demands)),
        solutions=tuple(fixes),
        working_conclusion=draw(
            maybe(
                st.builds(
                    WorkingConclusion,
                    statement=labels,
                    confidence=fractions,
                    reasoning=texts(),
                    hypothesis_id=one_of(hypothesis_ids),
                    supporting_evidence_ids=subset(evidence_ids),
                    alternatives=subset(hypothesis_ids),
                    caveats=tuples(texts()),
                    can_proceed_with_solution=st.booleans(),
                    updated_at=instants(),
                    supersedes_conclusion_at=maybe(instants()),
                )
            )
        ),
        root_cause_conclusion=draw(
            maybe(
                st.builds(
                    RootCauseConclusion,
                    root_cause=labels,
                    confidence_level=st.just(ConfidenceLevel.of(score)),
                    confidence_score=st.just(score),
                    mechanism=texts(),
                    evidence_basis=subset(evidence_ids),
                    validated_hypothesis_id=one_of(hypothesis_ids),
                    contributing_factors=tuples(texts()),
                    determined_at=instants(),
                    determined_by=labels,
                )
            )
        ),
        degraded_episodes=draw(degraded_episodes(at)),
        escalations=draw(
            tuples(
                st.builds(
                    Escalation,
                    escalation_type=st.sampled_from(EscalationType),
                    reason=texts(),
                    escalated_to=maybe(texts()),
                    escalated_at=st.just(at),
                    escalated_by=labels,
                    context_summary=texts(),
                    key_findings=tuples(texts()),
                    resolution=maybe(texts()),
                    resolved_at=maybe(after(at)),
                )
            )
        ),
        documentation=draw(documentation()),
        created_at=created,
        updated_at=draw(after(end + timedelta(days=30))),
        last_activity_at=draw(after(created)),
        resolved_at=end if status is CaseStatus.RESOLVED else None,
        closed_at=end if status.is_terminal else None,
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
