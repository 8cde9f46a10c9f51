"""Sentences about a case, in Markdown. What others wrote is escaped or stands in code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from adapters.playbook.plan import Finding, Plan, Verdict
from adapters.playbook.remedies import commands_of
from adapters.playbook.runbook import Point
from adapters.playbook.sources import Source
from application.markdown import code, escape, fenced
from domain.case import Case
from domain.evidence import Evidence
from domain.hypothesis import EvidenceStance, Hypothesis, HypothesisStatus
from domain.milestones import Milestone
from domain.solution import Solution
from domain.values import search_text

MILESTONES = {
    Milestone.SYMPTOM_VERIFIED: "The symptom is verified",
    Milestone.SCOPE_ASSESSED: "The scope is assessed",
    Milestone.TIMELINE_ESTABLISHED: "The timeline is established",
    Milestone.CHANGES_IDENTIFIED: "Changes are identified",
}
STANCES = {
    EvidenceStance.STRONGLY_SUPPORTS: "strongly supports",
    EvidenceStance.SUPPORTS: "supports",
    EvidenceStance.NEUTRAL: "neutral",
    EvidenceStance.CONTRADICTS: "contradicts",
    EvidenceStance.STRONGLY_CONTRADICTS: "strongly contradicts",
    EvidenceStance.IRRELEVANT: "irrelevant",
}
_UNDECIDED = (EvidenceStance.NEUTRAL, EvidenceStance.IRRELEVANT)
MAX_ROWS = 8


def evidence_section(evidence: Sequence[Evidence]) -> str:
    """What was handed in."""
    rows = [f"- `{item.evidence_id}`: {escape(item.summary)}" for item in evidence]
    return section("New evidence", rows)


def findings_section(findings: Sequence[Finding], case: Case) -> str:
    """The milestones that were accepted, each with its facts and its evidence."""
    rows = []
    for finding in findings:
        record = case.progress.record(finding.milestone)
        if record is None:
            continue
        ids = ", ".join(f"`{item}`" for item in record.evidence_ids)
        if finding.milestone is Milestone.SYMPTOM_VERIFIED:
            said = code(finding.facts[0].line.quote())
        else:
            said = ", ".join(code(fact.text) for fact in finding.facts[:4])
        rows.append(f"- {MILESTONES[finding.milestone]} ({ids}): {said}")
    return section("Established", rows)


def hypotheses_section(before: Case, plan: Plan, after: Case) -> str:
    """Every hypothesis that is open or was judged now, with how its likelihood moved and why."""
    verdicts = _by_hypothesis(plan, after)
    earlier = {item.hypothesis_id: item for item in before.hypotheses}
    shown = [
        item
        for item in after.hypotheses
        if item.hypothesis_id in verdicts or item.status in (HypothesisStatus.ACTIVE, HypothesisStatus.CAPTURED)
    ]
    if not shown or not (verdicts or plan.hypotheses):
        return ""
    rows = ["| Hypothesis | Likelihood | Judgement |", "| --- | --- | --- |"]
    for item in sorted(shown, key=lambda entry: -entry.likelihood)[:MAX_ROWS]:
        known = earlier.get(item.hypothesis_id)
        start = known.likelihood if known else item.initial_likelihood
        moved = f"{start:.0%} → {item.likelihood:.0%}" if f"{start:.2f}" != f"{item.likelihood:.2f}" else f"{start:.0%}"
        state = "" if item.status is HypothesisStatus.ACTIVE else f", **{item.status}**"
        judged = "<br>".join(_verdict(verdict) for verdict in verdicts.get(item.hypothesis_id, ())) or "not judged now"
        rows.append(f"| {escape(item.statement)} | {moved}{state} | {judged} |")
    neutral = [item.judgement.reasoning for item in plan.verdicts if item.judgement.stance is EvidenceStance.NEUTRAL]
    rows += ["", f"Neutral: {escape(neutral[0])}"] if neutral else []
    return section("Hypotheses", rows)


def _by_hypothesis(plan: Plan, after: Case) -> dict[str, list[Verdict]]:
    refs = {item.ref: search_text(item.statement) for item in plan.hypotheses}
    ids = {search_text(item.statement): item.hypothesis_id for item in after.hypotheses}
    found: dict[str, list[Verdict]] = {}
    for verdict in plan.verdicts:
        name = ids.get(refs[verdict.hypothesis], "") if verdict.hypothesis in refs else verdict.hypothesis
        found.setdefault(name, []).append(verdict)
    return found


def _verdict(verdict: Verdict) -> str:
    stance = verdict.judgement.stance
    said = f"`{verdict.evidence_id}` {STANCES[stance]}"
    # What decides nothing is named, but explained only once, below the table.
    return said if stance in _UNDECIDED else f"{said}: {escape(verdict.judgement.reasoning)}"


def cause_section(case: Case, newly: bool) -> str:
    """The root cause, when it was found in this turn."""
    cause = case.root_cause_conclusion
    if not newly or cause is None:
        return ""
    ids = ", ".join(f"`{item}`" for item in cause.evidence_basis)
    return section(
        "Root cause",
        [f"**{escape(cause.root_cause)}** at {cause.confidence_score:.0%}, by the evidence {ids}. {cause.mechanism}"],
    )


def solutions_section(solutions: Sequence[Solution]) -> str:
    """What is proposed now: steps, commands, risks."""
    blocks = []
    for item in solutions:
        blocks.append(f"**{escape(item.title)}**{' (mitigation)' if item.is_mitigation else ''}")
        first = item.immediate_action or item.longterm_fix
        blocks += [f"- {step}" for step in (first, *item.implementation_steps) if step]
        blocks += [f"- Risk: {risk}" for risk in item.risks]
        blocks.append("")
    return section("Proposed", blocks)


def step_section(step: Point | None) -> str:
    """The next diagnostic step with its commands."""
    if step is None:
        return ""
    rows = [step.text, *(fenced(command, "sh") for command in commands_of(step))]
    if step.notes:
        rows.append(f"How to read it: {step.notes}")
    return section("Next step", rows)


def sources_section(sources: Iterable[Source]) -> str:
    """The documents that were used, and why they were found."""
    return section("Sources", [f"- {source.cite()}: {escape(source.passage.why)}" for source in sources])


def likely_causes(source: Source) -> str:
    """The names of the causes in one line."""
    names = [escape(cause.name or cause.text[:100]) for cause in source.runbook.causes[:4]]
    return f" Usual causes: {'; '.join(names)}." if names else ""


def standing(hypotheses: Sequence[Hypothesis]) -> str:
    """Where the open hypotheses stand, in a sentence."""
    ranked = sorted(hypotheses, key=lambda item: -item.likelihood)
    return "; ".join(f"{escape(item.statement)} ({item.likelihood:.0%})" for item in ranked[:3])


def section(title: str, rows: Sequence[str]) -> str:
    """A titled block; nothing if there are no rows."""
    return "\n".join([f"### {title}", "", *rows]).rstrip() if rows else ""


def compose(parts: Iterable[str]) -> str:
    """The parts that are there, one after the other."""
    return "\n\n".join(part for part in parts if part)
