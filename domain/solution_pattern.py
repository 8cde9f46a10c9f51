"""What a resolved case teaches: a short document that a similar case can find."""

from __future__ import annotations

from domain.case import Case
from domain.status import CaseStatus


def solution_pattern(case: Case) -> str | None:
    """The case as Markdown: symptom, cause, what was tried and did not help, what worked. None unless it is resolved.

    Names of users and the ids of the case's parts are left out; the text of evidence is, too.
    """
    if case.status is not CaseStatus.RESOLVED:
        return None
    lines = ["## Symptoms", "", case.description or case.title]
    lines += [f"- {item.summary}" for item in case.evidence[:5]]
    if cause := case.root_cause_conclusion:
        lines += ["", "## Likely causes", "", f"- **{cause.root_cause}**: {cause.mechanism}"]
    if refuted := [item for item in case.hypotheses if item.conclusion_reason and item.refuting_evidence]:
        lines += ["", "## Ruled out", ""]
        lines += [f"- {item.statement}: {item.conclusion_reason}" for item in refuted]
    verified = [item for item in case.solutions if item.has_worked]
    lines += ["", "## Fix", ""]
    for solution in verified:
        lines.append(f"- **{solution.title}**")
        lines += [f"  - {text}" for text in (solution.immediate_action, solution.longterm_fix) if text]
        lines += [f"  - {step}" for step in solution.implementation_steps]
        lines += [f"  - `{command}`" for command in solution.commands]
    methods = [item.verification_method for item in verified if item.verification_method]
    if methods:
        lines += ["", "## Verify", "", *(f"- {method}" for method in methods)]
    return "\n".join(lines) + "\n"
