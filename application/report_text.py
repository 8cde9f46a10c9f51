"""Reports of a case in Markdown. Every statement of fact names the evidence, the turn or the time that it rests on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from application.markdown import code, escape, fenced
from domain.case import Case
from domain.documentation import DocumentType
from domain.evidence import EvidenceNeedStatus
from domain.hypothesis import Hypothesis, HypothesisStatus
from domain.likelihood import DECAY, evidence_likelihood
from domain.milestones import Milestone
from domain.solution import Solution
from domain.status import CaseStatus

TITLES = {
    DocumentType.INCIDENT_REPORT: "Incident report",
    DocumentType.POST_MORTEM: "Post-mortem",
    DocumentType.TIMELINE: "Timeline",
}


def report_title(case: Case, kind: DocumentType) -> str:
    """The title of the report, at most 200 characters."""
    title = f"{TITLES[kind]}: {case.title}"
    return title if len(title) <= 200 else f"{title[:199]}…"


def render(case: Case, kind: DocumentType, at: datetime) -> str:
    """The report as it stands at the instant ``at``."""
    parts = [f"# {escape(report_title(case, kind))}", _facts(case, at)]
    if kind is DocumentType.TIMELINE:
        parts += [_section("Timeline", _timeline(case)), _section("Evidence", _evidence(case))]
    else:
        parts += [
            _section("Summary", _summary(case)),
            _section("Impact", _impact(case)),
            _section("Timeline", _timeline(case)),
            _section("Root cause", _root_cause(case)),
            _section("Hypotheses considered", _hypotheses(case)),
            _section("Solution and verification", _solutions(case)),
        ]
        if kind is DocumentType.POST_MORTEM:
            parts += [_section("What went well", _went_well(case)), _section("What did not", _went_badly(case))]
        parts += [_section("Follow-ups", _follow_ups(case)), _section("Evidence", _evidence(case))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, rows: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(rows or ["Nothing is recorded."])])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return [*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)]


def _cell(text: str) -> str:
    """A bar would end the cell, in code as well."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else "unknown"


def _span(span: timedelta | None) -> str:
    if span is None:
        return "unknown"
    minutes = int(span.total_seconds()) // 60
    days, hours = minutes // 1440, minutes % 1440 // 60
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes % 60} min"]
    return " ".join(parts)


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(code(item) for item in ids) or "no evidence"


def _facts(case: Case, at: datetime) -> str:
    problem = case.problem_verification
    rows = [
        ["Case", code(case.case_id)],
        ["Status", f"{case.status} ({case.closure_reason})" if case.status is CaseStatus.CLOSED else case.status],
        ["Severity", problem.severity if problem else "unknown"],
        ["Opened", _time(case.created_at)],
        ["Ended", _time(case.closed_at) if case.closed_at else "still open"],
        ["Duration", _span(case.time_to_resolution)],
        ["Turns", str(case.current_turn)],
        ["Written", _time(at)],
    ]
    if case.follows_case_id:
        rows.append(["Follows", code(case.follows_case_id)])
    return "\n".join(_table(["Field", "Value"], rows))


def _summary(case: Case) -> list[str]:
    rows = [escape(case.description or case.consulting.proposed_problem_statement or case.title)]
    if cause := case.root_cause_conclusion:
        rows += ["", f"The root cause was: {escape(cause.root_cause)} ({_ids(cause.evidence_basis)})."]
    elif case.working_conclusion and case.working_conclusion.confidence > 0:
        held = case.working_conclusion
        rows += [
            "",
            f"The cause is not established. Best explanation: {escape(held.statement)} ({held.confidence:.0%}).",
        ]
    else:
        rows += ["", "The cause is not established."]
    worked = [item for item in case.solutions if item.has_worked]
    rows += [f"It was solved by: {escape(item.title)}." for item in worked if not item.is_mitigation]
    return rows


def _impact(case: Case) -> list[str]:
    problem = case.problem_verification
    if problem is None:
        return []
    named = (
        ("Affected services", ", ".join(map(escape, problem.affected_services))),
        ("Affected users", escape(problem.affected_users or "")),
        ("Affected regions", ", ".join(map(escape, problem.affected_regions))),
        ("Impact", escape(problem.user_impact or "")),
        ("Began", _time(problem.started_at) if problem.started_at else ""),
        ("Noticed", _time(problem.noticed_at) if problem.noticed_at else ""),
        ("Time to detection", _span(problem.time_to_detection) if problem.time_to_detection else ""),
    )
    rows = [f"- {name}: {value}" for name, value in named if value]
    scope = case.progress.record(Milestone.SCOPE_ASSESSED)
    return [*rows, f"- Scope established by {_ids(scope.evidence_ids)}"] if scope else rows


def _timeline(case: Case) -> list[str]:
    """Everything that has a time, in its order; at one instant, causes come before what followed from them."""
    events: list[tuple[datetime, int, str]] = [(case.created_at, 0, "The case was opened.")]
    problem = case.problem_verification
    if problem and problem.started_at:
        events.append((problem.started_at, 0, "The problem began."))
    for file in case.uploaded_files:
        text = f"File {code(file.filename)} ({code(file.file_id)}) was handed in."
        events.append((file.uploaded_at, 1, text))
    events += [
        (item.collected_at, 2, f"Evidence {code(item.evidence_id)}: {escape(item.summary)}") for item in case.evidence
    ]
    events += [
        (
            record.completed_at,
            3,
            f"Milestone {record.milestone} in turn {record.completed_at_turn} ({_ids(record.evidence_ids)}).",
        )
        for record in case.progress.completed
    ]
    events += [
        (item.retracted_at, 3, f"Milestone {item.milestone} was taken back: {escape(item.reason)}")
        for item in case.progress.retracted
    ]
    events += [
        (item.concluded_at, 3, f"Hypothesis {code(item.hypothesis_id)} became {item.status}: {escape(item.statement)}")
        for item in case.hypotheses
        if item.concluded_at
    ]
    for solution in case.solutions:
        title = f"{code(solution.solution_id)} {escape(solution.title)}"
        events.append((solution.proposed_at, 4, f"Proposed: {title}"))
        if solution.applied_at:
            events.append((solution.applied_at, 4, f"Applied: {title}"))
        if solution.verified_at:
            events.append((solution.verified_at, 4, f"{'Failed' if solution.has_failed else 'Verified'}: {title}"))
    events += [
        (item.triggered_at, 5, f"Status {item.from_status} → {item.to_status}: {escape(item.reason)}")
        for item in case.status_history
    ]
    events += [
        (
            turn.timestamp,
            6,
            f"Turn {turn.turn_number} ({turn.outcome}): {escape(turn.user_message_summary or 'no text')}",
        )
        for turn in case.turn_history
    ]
    ordered = sorted(events, key=lambda event: (event[0], event[1]))
    return _table(["Time", "Event"], [[_time(at), text] for at, _, text in ordered])


def _root_cause(case: Case) -> list[str]:
    cause = case.root_cause_conclusion
    if cause is None:
        return ["The root cause is not established."]
    rows = [
        f"**{escape(cause.root_cause)}**: {escape(cause.mechanism)}",
        "",
        f"Confidence {cause.confidence_score:.2f} ({cause.confidence_level}), by {_ids(cause.evidence_basis)}.",
    ]
    rows += [f"- Contributed: {escape(factor)}" for factor in cause.contributing_factors]
    hypothesis = case.hypothesis(cause.validated_hypothesis_id) if cause.validated_hypothesis_id else None
    return [*rows, "", *_arithmetic(hypothesis)] if hypothesis else rows


def _arithmetic(hypothesis: Hypothesis) -> list[str]:
    """How the likelihood came about, step by step."""
    rows = [["Initial", "", f"{hypothesis.initial_likelihood:.2f}"]]
    for link in hypothesis.links:
        # One link moves a likelihood of one half by its whole weight: no step is large enough to be cut at 0 or 1.
        shift = evidence_likelihood(0.5, (link,)) - 0.5
        why = f"{link.stance}, completeness {link.completeness:.2f}: {escape(link.reasoning)}"
        rows.append([code(link.evidence_id), why, f"{shift:+.2f}"])
    by_evidence = evidence_likelihood(hypothesis.initial_likelihood, hypothesis.links)
    rows.append(["By the evidence", "the sum, kept within 0 and 1", f"{by_evidence:.2f}"])
    decay = DECAY ** max(0, hypothesis.stale_turns - 1)
    rows.append(["Decay", f"{hypothesis.stale_turns} turns without movement", f"x {decay:.2f}"])
    rows.append(["Likelihood", str(hypothesis.status), f"{hypothesis.likelihood:.2f}"])
    return _table(["Step", "Reason", "Value"], rows)


def _hypotheses(case: Case) -> list[str]:
    rows: list[str] = []
    for item in sorted(case.hypotheses, key=lambda entry: -entry.likelihood):
        reason = f": {escape(item.conclusion_reason)}" if item.conclusion_reason else ""
        rows += [
            f"### {escape(item.statement)}",
            "",
            f"{code(item.hypothesis_id)}, {item.category}, **{item.status}**{reason}. {escape(item.rationale)}",
            "",
            *_arithmetic(item),
            "",
        ]
    return rows[:-1]


def _solutions(case: Case) -> list[str]:
    rows: list[str] = []
    for item in case.solutions:
        kind = "mitigation" if item.is_mitigation else "permanent fix"
        rows += [
            f"### {escape(item.title)}",
            "",
            f"{code(item.solution_id)}, {item.solution_type}, {kind}. {_state(item)}",
            "",
        ]
        rows += [f"- {escape(text)}" for text in (item.immediate_action, item.longterm_fix) if text]
        rows += [f"- Step: {escape(step)}" for step in item.implementation_steps]
        rows += [f"- Risk: {escape(risk)}" for risk in item.risks]
        rows += [line for command in item.commands for line in ("", fenced(command, "sh"))]
        rows.append("")
    return rows[:-1]


def _state(item: Solution) -> str:
    if item.applied_at is None:
        return "It was not applied."
    applied = f"Applied {_time(item.applied_at)}"
    if item.verified_at is None:
        return f"{applied}; its effect was not verified."
    method = escape(item.verification_method or "the word of the user")
    proof = f", {code(item.verification_evidence_id)}" if item.verification_evidence_id else ""
    word = "failed" if item.has_failed else "verified"
    return f"{applied}; {word} {_time(item.verified_at)} by {method}{proof}, effectiveness {item.effectiveness:.0%}."


def _went_well(case: Case) -> list[str]:
    rows = [f"- {escape(text)}" for text in case.documentation.what_went_well]
    if (found := case.progress.record(Milestone.ROOT_CAUSE_IDENTIFIED)) and case.root_cause_conclusion:
        spent = _span(found.completed_at - case.created_at)
        rows.append(f"- The root cause was known {spent} after the case was opened, in turn {found.completed_at_turn}.")
    rows += [f"- {escape(item.title)} helped ({_state(item)})" for item in case.solutions if item.has_worked]
    return rows


def _went_badly(case: Case) -> list[str]:
    rows = [f"- {escape(text)}" for text in case.documentation.what_could_improve]
    rows += [
        f"- From {_time(episode.entered_at)} the investigation did not get on: {escape(episode.reason)}."
        for episode in case.degraded_episodes
    ]
    rows += [f"- {escape(item.title)} did not help ({_state(item)})" for item in case.solutions if item.has_failed]
    blocked = [need for need in case.evidence_needs if need.status is EvidenceNeedStatus.BLOCKED]
    return [*rows, *(f"- Evidence could not be had: {escape(need.description)}." for need in blocked)]


def _follow_ups(case: Case) -> list[str]:
    rows = [f"- [ ] {escape(text)}" for text in case.documentation.preventive_measures]
    rows += [f"- [ ] Monitor: {escape(text)}" for text in case.documentation.monitoring_recommendations]
    for item in case.solutions:
        if item.applied_at is None and not item.is_mitigation:
            rows.append(f"- [ ] Apply the permanent fix: {escape(item.title)} ({code(item.solution_id)})")
        elif item.applied_at and item.verified_at is None:
            rows.append(f"- [ ] Verify: {escape(item.title)} ({code(item.solution_id)})")
    undecided = (HypothesisStatus.ACTIVE, HypothesisStatus.CAPTURED, HypothesisStatus.INCONCLUSIVE)
    if case.root_cause_conclusion is None:
        rows += [
            f"- [ ] Decide: {escape(item.statement)} ({code(item.hypothesis_id)})"
            for item in case.hypotheses
            if item.status in undecided
        ]
    if case.status is not CaseStatus.RESOLVED:
        rows += [
            f"- [ ] Get: {escape(need.description)}"
            for need in case.evidence_needs
            if need.status is EvidenceNeedStatus.OPEN
        ]
    return rows


def _evidence(case: Case) -> list[str]:
    if not case.evidence and not case.uploaded_files:
        return []
    files = {file.file_id: file for file in case.uploaded_files}
    rows = []
    for item in case.evidence:
        file = files.pop(item.file_id, None) if item.file_id else None
        source = f"{code(file.filename)}, {file.size_bytes} bytes" if file else f"{item.source_type}, no file"
        digest = code(file.sha256) if file else ""
        rows.append([code(item.evidence_id), item.category, escape(item.summary), source, digest])
    rows += [
        [
            "not used",
            "",
            escape(file.preprocessing_summary or ""),
            f"{code(file.filename)}, {file.size_bytes} bytes",
            code(file.sha256),
        ]
        for file in files.values()
    ]
    return _table(["Evidence", "Category", "What it shows", "Source", "SHA-256"], rows)
