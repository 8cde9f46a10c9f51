"""One turn of a case: what the user decided and handed in, and what the model proposed, make a new case.

The order is fixed: decisions, files and evidence, the model's claims with the rules that follow, the end of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from domain.anchoring import detect_anchoring, give_up_stale, is_satisfied
from domain.case import Case
from domain.claims import Claims, Refusal
from domain.conclusions import ConfidenceLevel, RootCauseConclusion
from domain.decisions import close, closes, decide
from domain.degraded import update_degraded_mode
from domain.errors import InvalidInput, MissingPrerequisite
from domain.evidence import Evidence, UploadedFile
from domain.hypotheses import age, judge, promote_next
from domain.hypothesis import HypothesisStatus
from domain.milestones import Milestone, MilestoneRecord, RootCauseMethod
from domain.needs import is_open, meet_needs, withdraw_needs
from domain.progress import fits, identify_root_cause
from domain.proposals import DecisionKind, ModelUpdates, UserDecision
from domain.status import CaseStatus
from domain.turn_events import TurnEvent, events_between, new_milestones
from domain.turn_history import TurnOutcome, TurnProgress
from domain.values import first_problem, normalise_text
from domain.verification import select_strategy
from domain.working import working_conclusion

SYSTEM = "system"
NO_UPDATES = ModelUpdates()
MAX_FILES = 500
MAX_EVIDENCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInput:
    """What one turn brings. ``new_id("hyp")`` gives a fresh id with that prefix; "sol" and "eneed" are used too."""

    user_text: str
    reply_text: str
    at: datetime
    by: str
    new_id: Callable[[str], str]
    files: tuple[UploadedFile, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    updates: ModelUpdates = NO_UPDATES
    decisions: tuple[UserDecision, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnResult:
    """The case after the turn, the record of the turn, the claims that do not count, and what happened."""

    case: Case
    progress: TurnProgress
    refused: tuple[Refusal, ...]
    events: tuple[TurnEvent, ...]


def apply_turn(case: Case, turn: TurnInput) -> TurnResult:
    """``case`` after one more turn.

    What the model proposes is accepted or refused claim by claim. What the user decides and hands in is accepted, or
    the whole turn is refused and nothing changes. A case whose solution was verified resolves itself.

    Raises:
        TerminalCase: the case is resolved or closed.
        IllegalTransition, MissingPrerequisite, BadClosureReason, UnknownReference, InvalidInput: a decision or a
            piece of evidence is not legal now.
    """
    case.require_open()
    at = max(turn.at, case.updated_at, *(entry.triggered_at for entry in case.status_history))
    changed = case
    for decision in turn.decisions:
        changed = decide(changed, decision, at, turn.by)
    changed = _add_material(changed, turn, at)
    claims = Claims(changed, at, turn.new_id)
    claims.describe_problem(turn.updates)
    claims.weigh_hypotheses(turn.updates)
    claims.case = _weigh(case, claims.case, turn, at)
    claims.draw_conclusions(turn.updates)
    changed = _conclude(case, claims.case, turn, at)
    changed = _close(changed, turn, at)
    changed = _record(case, changed, turn, at)
    return TurnResult(
        case=changed,
        progress=changed.turn_history[-1],
        refused=tuple(claims.refused),
        events=events_between(case, changed),
    )


def _add_material(case: Case, turn: TurnInput, at: datetime) -> Case:
    """``case`` with the files and evidence of the turn; evidence on a solution verified in it is linked to that."""
    if not turn.files and not turn.evidence:
        return case
    if turn.evidence and case.status is CaseStatus.CONSULTING:
        raise MissingPrerequisite("Collecting evidence", ("an investigation",))
    if len(case.uploaded_files) + len(turn.files) > MAX_FILES or len(case.evidence) + len(turn.evidence) > MAX_EVIDENCE:
        raise InvalidInput(f"a case holds at most {MAX_FILES} files and {MAX_EVIDENCE} pieces of evidence")
    try:
        case = case.touched(
            at, uploaded_files=(*case.uploaded_files, *turn.files), evidence=(*case.evidence, *turn.evidence)
        )
    except ValidationError as error:
        raise InvalidInput(first_problem(error)) from error
    proof = next((item for item in turn.evidence if fits(case, Milestone.SOLUTION_VERIFIED, item)), None)
    verified = {item.solution_id for item in turn.decisions if item.kind is DecisionKind.VERIFY_SOLUTION}
    return _prove(case, proof.evidence_id, verified) if proof and verified else case


def _prove(case: Case, evidence_id: str, verified: set[str | None]) -> Case:
    def proven(record: MilestoneRecord) -> MilestoneRecord:
        new = record.milestone is Milestone.SOLUTION_VERIFIED and not record.evidence_ids
        return record.replace(evidence_ids=(evidence_id,)) if new else record

    return case.replace(
        progress=case.progress.replace(completed=tuple(map(proven, case.progress.completed))),
        solutions=tuple(
            item.replace(verification_evidence_id=evidence_id)
            if item.solution_id in verified and item.has_worked
            else item
            for item in case.solutions
        ),
    )


def _weigh(before: Case, case: Case, turn: TurnInput, at: datetime) -> Case:
    """``case`` with its hypotheses aged and judged, and alternatives demanded if it clings to one kind of cause."""
    if case.status is not CaseStatus.INVESTIGATING:
        return case
    needs = meet_needs(case, _ids(turn.evidence))
    hypotheses = judge(age(before.hypotheses, case.hypotheses), needs, select_strategy(case.problem_verification), at)
    demand = case.forced_alternatives
    if demand and is_satisfied(demand, hypotheses):
        demand = None
    elif demand is None and (demand := detect_anchoring(hypotheses, case.current_turn + 1)):
        hypotheses = give_up_stale(hypotheses, demand, at)
    return case.replace(evidence_needs=needs, hypotheses=promote_next(hypotheses, at), forced_alternatives=demand)


def _conclude(before: Case, case: Case, turn: TurnInput, at: datetime) -> Case:
    """``case`` with the root cause that follows from a hypothesis validated in this turn, and with settled requests."""
    if case.status is not CaseStatus.INVESTIGATING:
        return case
    known = {item.hypothesis_id for item in before.validated_hypotheses}
    fresh = [item for item in case.validated_hypotheses if item.hypothesis_id not in known]
    best = max(fresh, key=lambda item: item.likelihood, default=None)
    if best and not case.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED):
        conclusion = RootCauseConclusion(
            root_cause=best.statement,
            confidence_level=ConfidenceLevel.of(best.likelihood),
            confidence_score=best.likelihood,
            mechanism=best.rationale,
            evidence_basis=best.supporting_evidence,
            validated_hypothesis_id=best.hypothesis_id,
            determined_at=at,
            determined_by=SYSTEM,
        )
        case = identify_root_cause(case, conclusion, RootCauseMethod.HYPOTHESIS_VALIDATION, best.supporting_evidence)
    case = case.replace(evidence_needs=meet_needs(case, _ids(turn.evidence)))
    return case.replace(evidence_needs=withdraw_needs(case))


def _close(case: Case, turn: TurnInput, at: datetime) -> Case:
    closing = [decision for decision in turn.decisions if closes(decision)]
    for decision in closing:
        case = close(case, decision, at, turn.by)
    solved = case.status is CaseStatus.INVESTIGATING and case.progress.has(Milestone.SOLUTION_VERIFIED)
    return case.resolve(at, SYSTEM) if solved else case


def _record(before: Case, case: Case, turn: TurnInput, at: datetime) -> Case:
    """``case`` with the turn counted and recorded, and with what follows from that."""
    progress = _progress(before, case, turn, at)
    investigating = CaseStatus.INVESTIGATING in (before.status, case.status)
    consulting = case.consulting
    if before.status is CaseStatus.CONSULTING:
        consulting = consulting.replace(consultation_turns=consulting.consultation_turns + 1)
    stagnant = investigating and not progress.progress_made
    case = case.touched(
        at,
        consulting=consulting,
        current_turn=progress.turn_number,
        turn_history=(*case.turn_history, progress),
        turns_without_progress=case.turns_without_progress + 1 if stagnant else 0,
    )
    if case.status is not CaseStatus.INVESTIGATING:
        return case
    case = update_degraded_mode(case, at)
    case = case.replace(working_conclusion=working_conclusion(case, at))
    confidence = case.working_conclusion.confidence if case.working_conclusion else None
    return case.replace(turn_history=(*case.turn_history[:-1], progress.replace(working_confidence=confidence)))


def _progress(before: Case, case: Case, turn: TurnInput, at: datetime) -> TurnProgress:
    statuses = {item.hypothesis_id: item.status for item in before.hypotheses}
    concluded = [item for item in case.hypotheses if item.status is not statuses.get(item.hypothesis_id)]
    validated = [item.hypothesis_id for item in concluded if item.status is HypothesisStatus.VALIDATED]
    refuted = [item.hypothesis_id for item in concluded if item.status is HypothesisStatus.REFUTED]
    milestones = new_milestones(before, case)
    agreed = case.consulting.problem_statement_confirmed and not before.consulting.problem_statement_confirmed
    consulted = before.status is CaseStatus.CONSULTING and (agreed or bool(turn.files))
    outcome = _outcome(before, case, turn, tested=bool(validated or refuted), milestones=milestones)
    return TurnProgress(
        turn_number=case.current_turn + 1,
        timestamp=at,
        milestones_completed=milestones,
        evidence_added=_ids(turn.evidence),
        hypotheses_generated=tuple(item.hypothesis_id for item in case.hypotheses[len(before.hypotheses) :]),
        hypotheses_validated=tuple(validated),
        solutions_proposed=tuple(item.solution_id for item in case.solutions[len(before.solutions) :]),
        progress_made=bool(milestones or turn.evidence or validated or consulted or case.status is not before.status),
        actions_taken=tuple(f"the user decided: {decision.kind}" for decision in turn.decisions[:5]),
        outcome=outcome,
        user_message_summary=_summary(turn.user_text, 200),
        agent_response_summary=_summary(turn.reply_text, 500),
    )


def _outcome(
    before: Case, case: Case, turn: TurnInput, *, tested: bool, milestones: tuple[Milestone, ...]
) -> TurnOutcome:
    if case.status is CaseStatus.RESOLVED:
        return TurnOutcome.CASE_RESOLVED
    if milestones:
        return TurnOutcome.MILESTONE_COMPLETED
    if tested:
        return TurnOutcome.HYPOTHESIS_TESTED
    if turn.evidence or turn.files:
        return TurnOutcome.DATA_PROVIDED
    if is_open(before.evidence_needs):
        return TurnOutcome.DATA_NOT_PROVIDED
    if len(case.evidence_needs) > len(before.evidence_needs):
        return TurnOutcome.DATA_REQUESTED
    return TurnOutcome.CONVERSATION if turn.user_text.strip() else TurnOutcome.OTHER


def _summary(text: str, size: int) -> str | None:
    # A model may emit what no store accepts; a summary drops it.
    legal = text.encode("utf-8", "ignore").decode().replace("\0", "")
    short = " ".join(normalise_text(legal).split())
    if not short:
        return None
    return short if len(short) <= size else f"{short[: size - 3]}..."


def _ids(evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    return tuple(item.evidence_id for item in evidence)
