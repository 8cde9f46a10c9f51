"""Plain builders of legal domain objects. Every builder gives the same object for the same arguments."""

from datetime import UTC, datetime, timedelta
from typing import Any

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
from domain.user import User

AT = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
"""The instant at which every built object begins."""

OWNER = "user_000000000001"
STATEMENT = "Checkout answers 502 for one request in five since the deployment at noon"


def later(minutes: float) -> datetime:
    """The instant ``minutes`` after `AT`."""
    return AT + timedelta(minutes=minutes)


def an_id(prefix: str, number: int, width: int = 12) -> str:
    """The ``number``-th id with this prefix, e.g. ``case_000000000001``."""
    return f"{prefix}_{number:0{width}x}"


def a_user(number: int = 1, **overrides: Any) -> User:
    """The ``number``-th user."""
    values = {
        "user_id": an_id("user", number),
        "username": f"user{number}",
        "email": f"user{number}@example.org",
        "display_name": f"User {number}",
        "created_at": AT,
        "updated_at": AT,
        "tokens_valid_from": AT,
    }
    return User.model_validate({**values, **overrides})


def a_case(number: int = 1, **overrides: Any) -> Case:
    """The ``number``-th case, in consultation and empty."""
    values = {
        "case_id": an_id("case", number),
        "user_id": OWNER,
        "organization_id": OWNER,
        "title": f"Checkout fails ({number})",
        "created_at": AT,
        "updated_at": AT,
        "last_activity_at": AT,
    }
    return Case.model_validate({**values, **overrides})


def a_confirmed_consultation(statement: str = STATEMENT, **overrides: Any) -> ConsultingData:
    """What is agreed when an investigation starts."""
    values = {
        "problem_confirmation": ProblemConfirmation(
            problem_type=ProblemType.ERROR,
            severity_guess=Severity.HIGH,
            preliminary_guidance="Look at the upstream first.",
            created_at=AT,
        ),
        "proposed_problem_statement": statement,
        "problem_statement_confirmed_at": later(1),
        "decided_to_investigate_at": later(1),
        "quick_suggestions": ("Roll back the last deployment",),
        "consultation_turns": 1,
    }
    return ConsultingData.model_validate({**values, **overrides})


def an_investigating_case(number: int = 1, **overrides: Any) -> Case:
    """The ``number``-th case, under investigation since one minute after `AT`, with nothing collected yet."""
    case = a_case(number, consulting=a_confirmed_consultation())
    return case.start_investigation(later(1), OWNER).replace(**overrides)


def a_file(number: int = 1, **overrides: Any) -> UploadedFile:
    """The ``number``-th file."""
    values = {
        "file_id": an_id("file", number),
        "filename": f"checkout-{number}.log",
        "size_bytes": 2_048 * number,
        "sha256": f"{number:064x}",
        "data_type": "log",
        "uploaded_at_turn": 1,
        "uploaded_at": later(2),
        "content_ref": f"cases/{number}",
    }
    return UploadedFile.model_validate({**values, **overrides})


def an_evidence(number: int = 1, category: EvidenceCategory = EvidenceCategory.SYMPTOM, **overrides: Any) -> Evidence:
    """The ``number``-th piece of evidence, typed in by the owner."""
    values = {
        "evidence_id": an_id("ev", number),
        "category": category,
        "summary": f"Observation {number}",
        "extract": f"12:0{number % 10} upstream prematurely closed connection",
        "extraction_method": "verbatim",
        "source_type": EvidenceSourceType.USER_REPORT,
        "form": EvidenceForm.USER_INPUT,
        "content_size_bytes": 64,
        "collected_at": later(2),
        "collected_by": OWNER,
        "collected_at_turn": 1,
    }
    return Evidence.model_validate({**values, **overrides})


def a_link(number: int = 1, stance: EvidenceStance = EvidenceStance.SUPPORTS, **overrides: Any) -> EvidenceLink:
    """A judgement of the ``number``-th piece of evidence."""
    values = {
        "evidence_id": an_id("ev", number),
        "stance": stance,
        "reasoning": "The timestamps agree.",
        "completeness": 1.0,
        "analyzed_at": later(3),
    }
    return EvidenceLink.model_validate({**values, **overrides})


def a_hypothesis(number: int = 1, **overrides: Any) -> Hypothesis:
    """The ``number``-th hypothesis, under test and without evidence."""
    values = {
        "hypothesis_id": an_id("hyp", number),
        "statement": f"The connection pool is exhausted ({number})",
        "category": HypothesisCategory.CODE,
        "status": HypothesisStatus.ACTIVE,
        "generated_at_turn": 1,
        "generation_mode": GenerationMode.SYSTEMATIC,
        "rationale": "The errors began when the pool was made smaller.",
        "tested_at": later(2),
    }
    return Hypothesis.model_validate({**values, **overrides})


def a_solution(number: int = 1, **overrides: Any) -> Solution:
    """The ``number``-th solution, proposed and not yet applied."""
    values = {
        "solution_id": an_id("sol", number),
        "solution_type": SolutionType.CONFIG_CHANGE,
        "title": f"Raise the pool size ({number})",
        "immediate_action": "Set the pool size to 50.",
        "proposed_at": later(4),
        "proposed_by": "agent",
    }
    return Solution.model_validate({**values, **overrides})


def a_need(number: int = 1, **overrides: Any) -> EvidenceNeed:
    """The ``number``-th open request for evidence."""
    values = {
        "need_id": an_id("eneed", number),
        "description": f"The access log of node {number}",
        "requested_at_turn": 1,
    }
    return EvidenceNeed.model_validate({**values, **overrides})


def a_record(milestone: Milestone, *evidence: int, **overrides: Any) -> MilestoneRecord:
    """``milestone`` as earned by these pieces of evidence."""
    values = {
        "milestone": milestone,
        "completed_at": later(3),
        "completed_at_turn": 1,
        "completed_by": "agent",
        "evidence_ids": tuple(an_id("ev", number) for number in evidence),
    }
    return MilestoneRecord.model_validate({**values, **overrides})


def a_turn(number: int = 1, **overrides: Any) -> TurnProgress:
    """The record of the ``number``-th turn, a conversation."""
    values = {
        "turn_number": number,
        "timestamp": later(number),
        "progress_made": False,
        "outcome": TurnOutcome.CONVERSATION,
    }
    return TurnProgress.model_validate({**values, **overrides})


def a_message(case_id: str, number: int = 1, **overrides: Any) -> Message:
    """The ``number``-th message of a case; user and assistant take turns."""
    from_user = number % 2 == 1
    values = {
        "message_id": an_id("msg", number),
        "case_id": case_id,
        "turn_number": (number + 1) // 2,
        "role": MessageRole.USER if from_user else MessageRole.ASSISTANT,
        "type": MessageType.USER_QUERY if from_user else MessageType.AGENT_RESPONSE,
        "content": f"Message {number}: the gateway answers 502.",
        "created_at": later(number),
        "author_id": OWNER if from_user else None,
    }
    return Message.model_validate({**values, **overrides})


def a_resolved_case(number: int = 1, **overrides: Any) -> Case:
    """The ``number``-th case, resolved ten minutes after `AT` by a verified solution."""
    solution = a_solution(
        applied_at=later(5), applied_by=OWNER, verified_at=later(9), verification_method="error rate", effectiveness=1.0
    )
    milestones = (Milestone.SOLUTION_PROPOSED, Milestone.SOLUTION_APPLIED, Milestone.SOLUTION_VERIFIED)
    progress = InvestigationProgress(completed=tuple(map(a_record, milestones)))
    case = an_investigating_case(number, solutions=(solution,), progress=progress)
    return case.resolve(later(10), "system").replace(**overrides)


def a_closed_case(number: int = 1, **overrides: Any) -> Case:
    """The ``number``-th case, closed as abandoned ten minutes after `AT`."""
    return a_case(number).close(ClosureReason.ABANDONED, later(10), OWNER).replace(**overrides)


def a_full_case(number: int = 1, **overrides: Any) -> Case:
    """The ``number``-th case, resolved, with every optional part filled: 12 pieces of evidence, 6 hypotheses, 27 KB."""
    values = {
        **dict(an_investigating_case(number)),
        "version": 0,
        "opened_in_session": an_id("sess", number, 32),
        "follows_case_id": an_id("case", number + 1_000_000),
        "source": "copilot",
        "priority": CasePriority.HIGH,
        "status": CaseStatus.RESOLVED,
        "status_history": (
            *an_investigating_case(number).status_history,
            CaseStatusTransition(
                from_status=CaseStatus.INVESTIGATING,
                to_status=CaseStatus.RESOLVED,
                triggered_at=later(40),
                triggered_by="system",
                reason="the solution was verified",
            ),
        ),
        "closure_reason": ClosureReason.RESOLVED,
        "message_count": 16,
        "current_turn": 8,
        "turns_without_progress": 1,
        "turn_history": tuple(_full_turn(turn) for turn in range(1, 9)),
        "problem_verification": _full_verification(),
        "path_selection": PathSelection(
            path=InvestigationPath.MITIGATION_FIRST,
            auto_selected=True,
            rationale="the problem is ongoing and its urgency is critical",
            alternate_path=InvestigationPath.ROOT_CAUSE,
            selected_at=later(3),
            selected_by="system",
            temporal_state=TemporalState.ONGOING,
            urgency_level=UrgencyLevel.CRITICAL,
        ),
        "investigation_strategy": InvestigationStrategy.ACTIVE_INCIDENT,
        "progress": _full_progress(),
        "uploaded_files": tuple(a_file(file, preprocessing_summary="1,200 lines, 31 errors") for file in range(1, 7)),
        "evidence": tuple(_full_evidence(item) for item in range(1, 13)),
        "evidence_needs": _full_needs(),
        "hypotheses": tuple(_full_hypothesis(item) for item in range(1, 7)),
        "forced_alternatives": ForcedAlternatives(
            excluded_category=HypothesisCategory.CODE, minimum=2, demanded_at_turn=7, reasons=("4 hypotheses failed",)
        ),
        "solutions": _full_solutions(),
        "working_conclusion": WorkingConclusion(
            statement="The connection pool is exhausted (1)",
            confidence=0.95,
            reasoning="Three pieces of evidence support it and none contradicts it.",
            hypothesis_id=an_id("hyp", 1),
            supporting_evidence_ids=(an_id("ev", 1), an_id("ev", 2)),
            alternatives=(an_id("hyp", 4),),
            caveats=("1 critical request for evidence is blocked",),
            can_proceed_with_solution=True,
            updated_at=later(30),
            supersedes_conclusion_at=later(29),
        ),
        "root_cause_conclusion": RootCauseConclusion(
            root_cause="The pool was set to 5 connections by the deployment at noon",
            confidence_level=ConfidenceLevel.VERIFIED,
            confidence_score=0.95,
            mechanism="Requests wait for a connection until the gateway gives up.",
            evidence_basis=(an_id("ev", 1), an_id("ev", 2)),
            validated_hypothesis_id=an_id("hyp", 1),
            contributing_factors=("No alert on the waiting time",),
            determined_at=later(30),
            determined_by="agent",
        ),
        "degraded_episodes": (
            DegradedEpisode(
                mode_type=DegradedModeType.NO_PROGRESS,
                entered_at=later(15),
                reason="3 turns in a row brought no progress",
                attempted_actions=("asked for the access log",),
                fallback_offered="Go on with what is known, at a lower confidence.",
                user_choice=DegradedChoice.PROVIDE_MORE_DATA,
                exited_at=later(20),
                exit_reason="new evidence arrived",
            ),
        ),
        "escalations": (
            Escalation(
                escalation_type=EscalationType.EXPERTISE_REQUIRED,
                reason="Nobody on duty knows the pool.",
                escalated_to="the database team",
                escalated_at=later(16),
                escalated_by=OWNER,
                context_summary="Checkout fails; the pool is suspected.",
                key_findings=("502 from one node only",),
                resolution="The database team read the pool metrics.",
                resolved_at=later(19),
            ),
        ),
        "documentation": DocumentationData(
            documents_generated=(
                GeneratedDocument(
                    document_id=an_id("doc", number),
                    document_type=DocumentType.POST_MORTEM,
                    title="Post-mortem: checkout",
                    content_ref="documents/1",
                    generated_at=later(50),
                    format=DocumentFormat.MARKDOWN,
                    size_bytes=4_096,
                ),
            ),
            runbook_entry="Compare the pool size with the number of workers.",
            lessons_learned=("Alert on waiting time, not on errors",),
            what_went_well=("The rollback took two minutes",),
            what_could_improve=("The change was not announced",),
            preventive_measures=("Check the pool size in the deployment",),
            monitoring_recommendations=("Waiting time of the pool",),
            generated_at=later(50),
            generated_by=OWNER,
        ),
        "resolved_at": later(40),
        "closed_at": later(40),
        "updated_at": later(50),
        "last_activity_at": later(50),
    }
    return Case.model_validate({**values, **overrides})


def _full_turn(number: int) -> TurnProgress:
    return a_turn(
        number,
        timestamp=later(number * 3),
        milestones_completed=(Milestone.SYMPTOM_VERIFIED,) if number == 2 else (),
        evidence_added=(an_id("ev", number), an_id("ev", number + 4)),
        hypotheses_generated=(an_id("hyp", number),) if number <= 6 else (),
        hypotheses_validated=(an_id("hyp", 1),) if number == 8 else (),
        solutions_proposed=(an_id("sol", 1),) if number == 9 else (),
        progress_made=True,
        actions_taken=("read the log",),
        outcome=TurnOutcome.DATA_PROVIDED,
        working_confidence=number / 8,
        user_message_summary=f"Here is the log of node {number}.",
        agent_response_summary="The log shows that the upstream closes connections early.",
    )


def _full_verification() -> ProblemVerification:
    return ProblemVerification(
        symptom_statement=STATEMENT,
        symptom_indicators=("502 from the gateway", "latency of 30 s"),
        affected_services=("checkout", "gateway"),
        affected_users="one in five",
        affected_regions=("eu-west",),
        severity=Severity.CRITICAL,
        user_impact="Orders are lost.",
        started_at=AT - timedelta(minutes=20),
        noticed_at=AT,
        resolved_naturally_at=later(60),
        duration=timedelta(minutes=80),
        temporal_state=TemporalState.ONGOING,
        recent_changes=(
            Change(
                description="Deployment 4711",
                occurred_at=AT - timedelta(minutes=21),
                change_type=ChangeType.DEPLOYMENT,
                changed_by="pipeline",
                details={"commit": "abc123", "replicas": 5, "canary": False, "share": 0.25, "note": None},
            ),
        ),
        correlations=(
            Correlation(
                change_description="Deployment 4711",
                timing_description="one minute before the first error",
                confidence=0.9,
                correlation_type=CorrelationType.TEMPORAL,
                evidence="the first 502 follows the rollout",
            ),
        ),
        correlation_confidence=0.9,
        urgency_level=UrgencyLevel.CRITICAL,
        urgency_factors=("revenue",),
        verified_at=later(6),
        verification_confidence=1.0,
    )


def _full_progress() -> InvestigationProgress:
    return InvestigationProgress(
        completed=tuple(a_record(milestone, 1, 2) for milestone in Milestone),
        retracted=(
            MilestoneRetraction(
                milestone=Milestone.SCOPE_ASSESSED,
                retracted_at=later(10),
                retracted_by=OWNER,
                reason="a second region was affected",
            ),
        ),
        root_cause_confidence=0.95,
        root_cause_method=RootCauseMethod.HYPOTHESIS_VALIDATION,
    )


def _full_evidence(number: int) -> Evidence:
    from_file = number <= 6
    lines = (f"{line}: 12:{line:02}:07 ERROR node-{number} pool timeout after 30000 ms" for line in range(1, 4))
    return an_evidence(
        number,
        tuple(EvidenceCategory)[number % 4],
        extract="\n".join(lines),
        extraction_method="error_windows",
        source_type=EvidenceSourceType.LOG_FILE,
        form=EvidenceForm.DOCUMENT if from_file else EvidenceForm.USER_INPUT,
        file_id=an_id("file", number) if from_file else None,
        compression_ratio=0.05,
        analysis="The pool is empty whenever the gateway reports an error.",
        hypothesis_id=an_id("hyp", 1),
        need_id=an_id("eneed", 3),
        advances=(Milestone.SYMPTOM_VERIFIED,),
        collected_at_turn=number,
    )


def _full_needs() -> tuple[EvidenceNeed, ...]:
    return (
        a_need(1, milestone=Milestone.SCOPE_ASSESSED, data_type="log"),
        a_need(
            2,
            hypothesis_id=an_id("hyp", 2),
            critical=True,
            command="show pool",
            status=EvidenceNeedStatus.BLOCKED,
            blocked_reason="no access",
        ),
        a_need(3, hypothesis_id=an_id("hyp", 1), status=EvidenceNeedStatus.MET, evidence_id=an_id("ev", 1)),
    )


def _full_hypothesis(number: int) -> Hypothesis:
    status = tuple(HypothesisStatus)[(number + 1) % 6]
    concluded = status not in (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE)
    stances = tuple(EvidenceStance)[:5]
    return a_hypothesis(
        number,
        category=tuple(HypothesisCategory)[number],
        status=status,
        initial_likelihood=0.5,
        likelihood=number / 7,
        links=tuple(a_link(item, stances[(item + number) % 5], completeness=item / 12) for item in range(1, 3)),
        stale_turns=number - 1,
        tested_at=None if status is HypothesisStatus.CAPTURED else later(number),
        concluded_at=later(30) if concluded else None,
        conclusion_reason="decided by the evidence" if concluded else None,
    )


def _full_solutions() -> tuple[Solution, ...]:
    return (
        a_solution(
            1,
            hypothesis_id=an_id("hyp", 1),
            longterm_fix="Derive the pool size from the number of workers.",
            implementation_steps=("Edit the settings", "Restart"),
            commands=("systemctl restart checkout",),
            risks=("A short outage",),
            applied_at=later(25),
            applied_by=OWNER,
            verified_at=later(39),
            verification_method="error rate over ten minutes",
            verification_evidence_id=an_id("ev", 12),
            effectiveness=0.9,
        ),
        a_solution(2, title="Roll back", solution_type=SolutionType.ROLLBACK, is_mitigation=True),
    )
