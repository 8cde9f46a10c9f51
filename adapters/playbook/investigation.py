"""What the rules propose in a turn of an investigation.

They propose in two rounds: the domain tells what the first one (milestones, hypotheses, stances) amounts to; then
remedies and requests follow from that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from adapters.playbook.judgement import judge, symptom_line
from adapters.playbook.observation import Observation
from adapters.playbook.plan import Plan, Verdict
from adapters.playbook.problem import find_milestones, read_problem
from adapters.playbook.remedies import commands_of, mitigation, permanent_fix
from adapters.playbook.runbook import Point, Runbook
from adapters.playbook.sources import Source, origin_of, rationale_of, sources_of, statement_of
from domain.case import Case
from domain.hypothesis import EvidenceStance, Hypothesis, HypothesisCategory, HypothesisStatus
from domain.milestones import Milestone
from domain.path import InvestigationPath
from domain.proposals import (
    EvidenceRequest,
    HypothesisProposal,
)
from domain.turn import TurnInput, apply_turn
from domain.values import search_text
from ports.language_model import TurnContext

MAX_NEW_HYPOTHESES = 5
ENOUGH = 2
"""Hypotheses from which on a turn looks into no further document."""
NEAR = 0.5
"""Relevance from which a document is worked with although its symptom does not stand in the evidence."""

_CATEGORIES = (
    (
        HypothesisCategory.NETWORK,
        r"dns|network|packet|connection (?:reset|refused)|firewall|route|upstream|latency between",
    ),
    (HypothesisCategory.HARDWARE, r"disk (?:fail|error)|hardware|smart |raid|memory module|slow disk|iops"),
    (
        HypothesisCategory.CONFIG,
        r"config|setting|limit|pool|policy|ttl|probe|parameter|timeout|secret|permission|quota|wrong",
    ),
    (
        HypothesisCategory.CODE,
        r"leak|bug|code|application error|exception|query|queries|statement|plan|index|per request",
    ),
    (HypothesisCategory.DATA, r"data|poison|record|skew|key|bloat|corrupt"),
    (HypothesisCategory.EXTERNAL, r"provider|third[- ]party|registry|external|issuer|certificate authority"),
    (HypothesisCategory.HUMAN, r"manual|by hand|operator|someone|mistake"),
    (HypothesisCategory.ENVIRONMENT, r"node|cpu|memory|host|growth|burst|traffic|load|storm|scale|cluster|replica"),
)
_OPEN = (HypothesisStatus.CAPTURED, HypothesisStatus.ACTIVE, HypothesisStatus.INCONCLUSIVE)


def plan_turn(context: TurnContext) -> tuple[Plan, Case]:
    """The proposals for an investigating case, and the case that they lead to, in which new ids are placeholders."""
    case = context.case
    observations = [Observation.of(item) for item in case.evidence]
    sources = sources_of(context.passages)
    plan = Plan(sources)
    plan.fitting = tuple(
        source for source in sources if any(symptom_line(source.runbook, item) for item in observations)
    )
    plan.reading = read_problem(context, observations)
    plan.findings = find_milestones(case, observations, plan.fitting)
    origins = {item.hypothesis_id: origin_of(item, sources) for item in case.hypotheses}
    new_ids = {item.evidence_id for item in context.new_evidence}
    fresh = [item for item in observations if item.evidence.evidence_id in new_ids]
    for hypothesis in case.hypotheses:
        if hypothesis.status in _OPEN:
            cause, runbook = _cause_of(hypothesis, case, origins)
            plan.verdicts += _verdicts(hypothesis.hypothesis_id, cause, runbook, fresh)
    _propose_causes(case, observations, plan)
    weighed = _simulate(context, plan)
    _propose_remedies(weighed, plan)
    _request_evidence(weighed, plan)
    return plan, _simulate(context, plan)


def _simulate(context: TurnContext, plan: Plan) -> Case:
    """What the domain makes of the proposals."""
    numbers = count(1)
    result = apply_turn(
        context.case,
        TurnInput(
            user_text=context.message,
            reply_text="",
            at=context.case.updated_at,
            by=context.case.user_id,
            new_id=lambda prefix: f"{prefix}_{next(numbers):012x}",
            updates=plan.updates(),
        ),
    )
    return result.case


# -------------------------------------------------------------------- hypotheses


def _cause_of(
    hypothesis: Hypothesis, case: Case, origins: dict[str, tuple[Source, Point] | None]
) -> tuple[Point, Runbook]:
    """The cause in its runbook; for a hypothesis from elsewhere, its own words beside those of the others."""
    origin = origins[hypothesis.hypothesis_id]
    if origin:
        return origin[1], origin[0].runbook
    causes = {item.hypothesis_id: _as_cause(item) for item in case.hypotheses}
    return causes[hypothesis.hypothesis_id], Runbook(title="", causes=tuple(causes.values()))


def _as_cause(hypothesis: Hypothesis) -> Point:
    literals = tuple(re.findall(r"`([^`]+)`", hypothesis.rationale))
    return Point(f"**{hypothesis.statement}**: {hypothesis.rationale}", hypothesis.statement, literals)


def _verdicts(name: str, cause: Point, runbook: Runbook, observations: Sequence[Observation]) -> list[Verdict]:
    return [Verdict(name, item.evidence.evidence_id, judge(cause, runbook, item)) for item in observations]


def _propose_causes(case: Case, observations: Sequence[Observation], plan: Plan) -> None:
    """The causes of the documents that fit, if nothing is under test, if other causes are wanted, or if they are new.

    A document fits if its symptom stands in the evidence. While none does, one that the search found to be near has to
    do, if it is a solved case or the evidence says anything about its causes. A document that fits is worked with also
    beside the hypotheses from others.
    """
    demand = case.forced_alternatives
    alive = [item for item in case.hypotheses if item.status in (*_OPEN, HypothesisStatus.VALIDATED)]
    if not observations or case.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED):
        return
    wanted = not alive or demand is not None
    used = {origin[0].document_id for item in case.hypotheses if (origin := origin_of(item, plan.sources))}
    known = {search_text(item.statement) for item in case.hypotheses}
    for source in ranked_sources(plan):
        if not wanted and (source not in plan.fitting or source.document_id in used):
            continue
        verdicts = {cause: _verdicts("", cause, source.runbook, observations) for cause in source.runbook.causes}
        trusted = source in plan.fitting or source.is_past_case or demand
        if not trusted and all(_is_irrelevant(item) for each in verdicts.values() for item in each):
            continue
        for cause, judged in verdicts.items():
            category = category_of(cause)
            if search_text(statement_of(cause)) in known or (demand and category is demand.excluded_category):
                continue
            if len(plan.hypotheses) >= MAX_NEW_HYPOTHESES:
                return
            known.add(search_text(statement_of(cause)))
            ref = f"h{len(plan.hypotheses) + 1}"
            first = not plan.hypotheses
            plan.hypotheses.append(
                HypothesisProposal(
                    ref=ref,
                    statement=statement_of(cause),
                    category=category,
                    initial_likelihood=0.45 if source.is_past_case else 0.4 if first else 0.35,
                    rationale=rationale_of(cause, source),
                )
            )
            plan.verdicts += [replace(item, hypothesis=ref) for item in judged]
        if len(plan.hypotheses) >= ENOUGH:
            return


def _is_irrelevant(verdict: Verdict) -> bool:
    return verdict.judgement.stance is EvidenceStance.IRRELEVANT


def ranked_sources(plan: Plan) -> list[Source]:
    """The sources with causes: those whose symptom stands in the evidence; without any, those that are near."""
    usable = [source for source in plan.sources if source.runbook.causes]
    fitting = [source for source in usable if source in plan.fitting]
    near = [source for source in usable if source.passage.relevance >= NEAR]
    others = [source for source in near if source not in fitting]
    return [*fitting, *others]


def category_of(cause: Point) -> HypothesisCategory:
    """Where the cause would lie, by its words."""
    for text in (cause.name, cause.text):
        for category, words in _CATEGORIES:
            if text and re.search(rf"\b(?:{words})", text, re.IGNORECASE):
                return category
    return HypothesisCategory.OTHER


# -------------------------------------------------------------------- remedies and requests


def _propose_remedies(case: Case, plan: Plan) -> None:
    """The fix once the cause is known; relief at once where the path is to mitigate first."""
    pending = [item for item in case.solutions if not item.has_failed]
    validated = max(case.validated_hypotheses, key=lambda item: item.likelihood, default=None)
    if case.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED) and validated:
        origin = origin_of(validated, plan.sources)
        if origin:
            source, cause = origin
            name = _name_of(validated, plan)
            relief = mitigation(source, "relief", name, cause)
            fix = permanent_fix(source, "fix", name, cause)
            if relief and source.runbook.fixes and not any(item.is_mitigation for item in pending):
                plan.solutions.append(relief)
            if fix and not any(not item.is_mitigation for item in pending):
                plan.solutions.append(fix)
        return
    selected = case.path_selection
    first = selected is not None and selected.path is InvestigationPath.MITIGATION_FIRST
    if first and case.progress.has(Milestone.SYMPTOM_VERIFIED) and not pending:
        source_of_relief = next((item for item in ranked_sources(plan) if item in plan.fitting), None)
        relief = mitigation(source_of_relief, "relief", None, None) if source_of_relief else None
        if relief:
            plan.solutions.append(relief)


def _name_of(hypothesis: Hypothesis, plan: Plan) -> str:
    """How the proposals call it: by its reference if it is new in this turn, else by its id."""
    statement = search_text(hypothesis.statement)
    new = (item.ref for item in plan.hypotheses if search_text(item.statement) == statement)
    return next(new, hypothesis.hypothesis_id)


_QUESTIONS = {
    Milestone.SYMPTOM_VERIFIED: "The log or the output that shows the error, with its time",
    Milestone.SCOPE_ASSESSED: "Who and what is affected: users, hosts, services, regions",
    Milestone.TIMELINE_ESTABLISHED: "When it began, and whether it is still there",
    Milestone.CHANGES_IDENTIFIED: "What changed shortly before: releases, configuration, scaling, traffic, or nothing",
}


def _request_evidence(case: Case, plan: Plan) -> None:
    """The next diagnostic step that was not asked for yet, and the next fact that the verification lacks."""
    asked = {search_text(need.description) for need in case.evidence_needs}
    pending = next((item for item in case.progress.pending_milestones if item in _QUESTIONS), None)
    if pending and search_text(_QUESTIONS[pending]) not in asked:
        critical = pending is Milestone.SYMPTOM_VERIFIED
        plan.requests.append(EvidenceRequest(description=_QUESTIONS[pending], milestone=pending, critical=critical))
    if case.progress.has(Milestone.ROOT_CAUSE_IDENTIFIED):
        return
    step = next_step(case, plan)
    if step:
        commands = commands_of(step)
        plan.requests.append(
            EvidenceRequest(
                description=describe(step),
                command=commands[0][:1000] if commands else None,
                data_type="command_output" if commands else None,
            )
        )


def next_step(case: Case, plan: Plan) -> Point | None:
    """The first diagnostic step of the document behind the best hypothesis that was not asked for yet."""
    asked = {search_text(need.description) for need in case.evidence_needs}
    candidates = sorted(case.hypotheses, key=lambda item: -item.likelihood)
    origins = [origin_of(item, plan.sources) for item in candidates if item.status in _OPEN]
    sources = [origin[0] for origin in origins if origin] or list(plan.fitting) or ranked_sources(plan)[:1]
    for source in {item.document_id: item for item in sources}.values():
        for step in source.runbook.steps:
            if (step.text or step.commands) and search_text(describe(step)) not in asked:
                return step
    return None


def describe(step: Point) -> str:
    """The step as the description of a request."""
    return " ".join((step.text or "Run the command").split())[:500]
