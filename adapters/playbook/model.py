"""The `playbook` language model: no model at all, but rules over the case, its evidence and the retrieved knowledge.

It says what the evidence shows, with the line; it proposes what a runbook proposes, with the document; and where
nothing fits it says so. The same context always gives the same reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.playbook import wording
from adapters.playbook.investigation import describe, plan_turn
from adapters.playbook.plan import Plan
from adapters.playbook.remedies import commands_of
from adapters.playbook.runbook import Point
from adapters.playbook.signals import Signals, read_signals
from adapters.playbook.sources import Source, origin_of, sources_of
from application.markdown import escape
from domain.case import Case
from domain.hypothesis import HypothesisStatus
from domain.milestones import Milestone
from domain.problem import Severity, UrgencyLevel
from domain.proposals import DecisionKind, ModelUpdates, ProblemReading
from domain.solution import Solution
from domain.status import CaseStatus
from ports.language_model import ActionType, LanguageModel, ModelReply, SuggestedAction, TurnContext

MAX_SHOWN = 3
NOTHING_FITS = "No document in the knowledge base fits this well enough to be used, so I do not guess at a cause."
_CLOSING = (DecisionKind.CLOSE, DecisionKind.RESOLVE)


class PlaybookLanguageModel(LanguageModel):
    """Works offline, answers at once, and never claims what the evidence does not show."""

    @property
    def name(self) -> str:
        return "playbook"

    async def reply(self, context: TurnContext) -> ModelReply:
        """See `LanguageModel`; the rules run in a thread, because long evidence takes them a while."""
        return await asyncio.to_thread(reply_to, context)


def reply_to(context: TurnContext) -> ModelReply:
    """The answer to the turn."""
    if context.case.status.is_terminal or any(item.kind in _CLOSING for item in context.decisions):
        return _look_back(context)
    if context.case.status is CaseStatus.CONSULTING:
        return _consult(context)
    return _investigate(context)


# -------------------------------------------------------------------- consulting


def _consult(context: TurnContext) -> ModelReply:
    case, sources = context.case, sources_of(context.passages)
    confirmed = case.consulting.problem_statement_confirmed
    known = case.consulting.proposed_problem_statement
    # The description was read when the first statement was made of it.
    said = context.message if known else f"{case.description}\n{context.message}"
    signals = read_signals(said)
    statement = None if confirmed else _statement(case, signals)
    parts = [_understood(statement, known, signals, confirmed=confirmed), _files(case)]
    first_check = next((step for source in sources for step in source.runbook.steps if step.text), None)
    if sources:
        rows = [
            f"- {'Solved before: ' if source.is_past_case else ''}{source.cite()}, {escape(source.passage.why)}."
            f"{wording.likely_causes(source)}"
            for source in sources[:MAX_SHOWN]
        ]
        parts += [wording.section("What may fit", rows), wording.step_section(first_check)]
    else:
        parts.append(
            f"{NOTHING_FITS} What helps: the exact error text, the log around it, the command or request that fails."
        )
    parts.append(_way_on(statement or known, confirmed=confirmed))
    return ModelReply(
        text=wording.compose(parts),
        updates=ModelUpdates(
            problem_statement=statement,
            problem_reading=_first_reading(signals, sources) if statement or signals.statement else None,
        ),
        actions=_step_actions(first_check),
        cited_documents=tuple(source.document_id for source in sources[:MAX_SHOWN]),
    )


def _statement(case: Case, signals: Signals) -> str | None:
    """A statement to propose: the sentence that names the problem, else what an uploaded file shows first."""
    known = case.consulting.proposed_problem_statement
    if signals.statement and signals.statement != known:
        # A later remark adds to what was proposed; it replaces nothing that the user did not reject.
        joined = f"{known} {signals.statement}" if known else signals.statement
        return None if known and len(joined) > 900 else joined
    if known:
        return None
    errors = (
        item for item in case.uploaded_files if item.preprocessing_summary and " error" in item.preprocessing_summary
    )
    shown = next((item for item in errors if "no errors" not in (item.preprocessing_summary or "")), None)
    return f"{shown.filename} shows errors. {shown.preprocessing_summary}"[:900] if shown else None


def _understood(statement: str | None, agreed: str | None, signals: Signals, *, confirmed: bool) -> str:
    if statement or agreed:
        word = "Agreed problem" if confirmed else "What I understand"
        rows = [f"> {escape(statement or agreed or '')}"]
        if statement and signals.severity is not Severity.UNKNOWN:
            rows += ["", f"By the words of the report: {signals.problem_type}, severity {signals.severity}."]
        return wording.section(word, rows)
    return "I do not see yet what the problem is. Tell me what fails, where, and since when, or attach a log."


def _files(case: Case) -> str:
    rows = [
        f"- {escape(item.preprocessing_summary)}" for item in case.uploaded_files[-5:] if item.preprocessing_summary
    ]
    return wording.section("Files so far", rows)


def _way_on(statement: str | None, *, confirmed: bool) -> str:
    if confirmed:
        return "The statement is confirmed. Start the investigation, and the files become evidence."
    if statement:
        return "If this is the problem, confirm it and start the investigation. If not, say what is wrong with it."
    return ""


def _first_reading(signals: Signals, sources: Sequence[Source]) -> ProblemReading:
    guidance = "Nothing in the knowledge base fits yet."
    if sources:
        first = sources[0]
        step = f" First check: {first.runbook.steps[0].text}" if first.runbook.steps else ""
        guidance = f"{first.passage.document.title} ({first.document_id}) may fit.{step}"
    return ProblemReading(
        problem_type=signals.problem_type,
        severity=signals.severity,
        urgency_level=None if signals.urgency is UrgencyLevel.UNKNOWN else signals.urgency,
        temporal_state=signals.temporal_state,
        guidance=guidance[:2000],
    )


# -------------------------------------------------------------------- investigating


def _investigate(context: TurnContext) -> ModelReply:
    plan, after = plan_turn(context)
    before = context.case
    found_cause = before.root_cause_conclusion is None and after.root_cause_conclusion is not None
    step = _asked_step(plan)
    used = _used(plan, after)
    parts = [
        wording.evidence_section(context.new_evidence),
        wording.findings_section(plan.findings, after),
        wording.hypotheses_section(before, plan, after),
        wording.cause_section(after, found_cause),
        wording.solutions_section(after.solutions[len(before.solutions) :]),
        _after_decisions(context, plan, after),
        wording.step_section(step),
        _open_questions(plan, after),
        _no_source(plan, after),
        wording.sources_section(used),
    ]
    text = wording.compose(parts)
    cited = tuple(item.evidence_id for item in after.evidence if item.evidence_id in text)
    return ModelReply(
        text=text or _standstill(after),
        updates=plan.updates(),
        actions=(*_step_actions(step), *_question_actions(plan)),
        cited_documents=tuple(source.document_id for source in used),
        cited_evidence=cited,
    )


def _asked_step(plan: Plan) -> Point | None:
    """The diagnostic step among the requests of this turn."""
    described = {request.description for request in plan.requests}
    steps = (step for source in plan.sources for step in source.runbook.steps)
    return next((step for step in steps if describe(step) in described), None)


def _used(plan: Plan, after: Case) -> list[Source]:
    """The documents behind the hypotheses, the remedies and the step."""
    origins = [origin_of(item, plan.sources) for item in after.hypotheses]
    wanted = {origin[0].document_id for origin in origins if origin} | {item.document_id for item in plan.fitting}
    step = _asked_step(plan)
    return [item for item in plan.sources if item.document_id in wanted or (step and step in item.runbook.steps)]


def _after_decisions(context: TurnContext, plan: Plan, after: Case) -> str:
    """What to do after something was applied, verified, or did not help."""
    rows = []
    for decision in context.decisions:
        solution = after.solution(decision.solution_id or "")
        if solution is None:
            continue
        title = escape(solution.title)
        if decision.kind is DecisionKind.APPLY_SOLUTION:
            rows.append(f"**{title}** is noted as applied. Tell me whether it helped.")
            rows += [f"- Check: {check.text}" for check in _checks(solution, plan, after)]
        elif decision.kind is DecisionKind.SOLUTION_FAILED:
            rows.append(f"**{title}** did not help. That is kept, and the investigation goes on.")
        elif decision.kind is DecisionKind.VERIFY_SOLUTION:
            end = " The case is resolved." if after.status is CaseStatus.RESOLVED else ""
            rows.append(f"**{title}** is verified.{end}")
    return wording.section("Remedy", rows)


def _checks(solution: Solution, plan: Plan, after: Case) -> Sequence[Point]:
    hypothesis = after.hypothesis(solution.hypothesis_id) if solution.hypothesis_id else None
    origin = origin_of(hypothesis, plan.sources) if hypothesis else None
    source = origin[0] if origin else next(iter(plan.fitting), None)
    return source.runbook.checks if source else ()


def _open_questions(plan: Plan, after: Case) -> str:
    if after.status is not CaseStatus.INVESTIGATING:
        return ""
    rows = [f"- {request.description}" for request in plan.requests if request.milestone]
    if degraded := after.degraded_mode:
        rows.append(f"- The investigation does not get on: {degraded.reason}. {degraded.fallback_offered or ''}")
    return wording.section("Still needed", rows)


def _no_source(plan: Plan, after: Case) -> str:
    if plan.sources or after.status is not CaseStatus.INVESTIGATING:
        return ""
    return f"{NOTHING_FITS} Hand in logs, metrics or configuration of the affected part, or add a runbook for it."


def _standstill(case: Case) -> str:
    open_ones = [item for item in case.hypotheses if item.status is HypothesisStatus.ACTIVE]
    stands = wording.standing(open_ones)
    asked = [need for need in case.evidence_needs if need.status == "open"]
    parts = [
        f"Nothing new to judge. Under test: {stands}." if stands else "Nothing new to judge.",
        f"Open request: {escape(asked[-1].description)}." if asked else "",
        "The proposed solution waits to be applied." if _waiting(case) else "",
    ]
    return " ".join(part for part in parts if part)


def _waiting(case: Case) -> bool:
    return case.progress.has(Milestone.SOLUTION_PROPOSED) and not case.progress.has(Milestone.SOLUTION_APPLIED)


def _step_actions(step: Point | None) -> tuple[SuggestedAction, ...]:
    if step is None:
        return ()
    label = describe(step)
    runs = (SuggestedAction(ActionType.RUN, label[:100], payload=command) for command in commands_of(step)[:2])
    return (*runs, SuggestedAction(ActionType.EVIDENCE, label, body=step.notes or None))


def _question_actions(plan: Plan) -> tuple[SuggestedAction, ...]:
    return tuple(
        SuggestedAction(ActionType.FREE_SPEECH, request.description[:80])
        for request in plan.requests
        if request.milestone
    )


# -------------------------------------------------------------------- finished


def _look_back(context: TurnContext) -> ModelReply:
    """An answer from what the case holds; nothing changes any more."""
    case, sources = context.case, sources_of(context.passages)
    rows = [f"- Problem: {escape(case.description or case.title)}"]
    if cause := case.root_cause_conclusion:
        ids = ", ".join(f"`{item}`" for item in cause.evidence_basis)
        rows.append(f"- Root cause: {escape(cause.root_cause)} ({cause.confidence_score:.0%}; {ids})")
    rows += [f"- Applied: {escape(item.title)}" for item in case.solutions if item.applied_at]
    rows += [
        f"- Ruled out: {escape(item.statement)}"
        for item in case.hypotheses
        if item.refuting_evidence and item.concluded_at
    ]
    finished = f"This case is {case.status}." if case.status.is_terminal else "The case ends here."
    parts = [wording.section("What the case holds", rows), f"{finished} To take it up again, open a follow-up case."]
    if context.message.strip() and case.status.is_terminal:
        parts.append(wording.sources_section(sources[:MAX_SHOWN]) or NOTHING_FITS)
    text = wording.compose(parts)
    return ModelReply(
        text=text,
        cited_documents=tuple(source.document_id for source in sources[:MAX_SHOWN] if source.document_id in text),
        cited_evidence=tuple(item.evidence_id for item in case.evidence if item.evidence_id in text),
    )
