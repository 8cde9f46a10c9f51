"""What a resolved case teaches: a short document that a similar case can find."""

from __future__ import annotations

from collections.abc import Iterator

from domain.case import Case
from domain.hypothesis import HypothesisStatus
from domain.solution import Solution
from domain.status import CaseStatus

SYMPTOMS = 5
"""How many pieces of evidence are told as symptoms: the first ones, which led to the case."""


def solution_pattern(case: Case) -> str | None:
    """The case as Markdown: symptoms, cause, what was ruled out, what did not help, what did and how that was seen.
    None unless the case is resolved.

    Names of users and the ids of the case's parts are left out; the text of evidence is, too.
    """
    if case.status is not CaseStatus.RESOLVED:
        return None
    cause = case.root_cause_conclusion
    worked = [item for item in case.solutions if item.has_worked]
    sections = {
        "Symptoms": [case.description or case.title, *(f"- {item.summary}" for item in case.evidence[:SYMPTOMS])],
        "Likely causes": [f"- **{cause.root_cause}**: {cause.mechanism}"] if cause else [],
        "Ruled out": [
            f"- {item.statement}{f': {item.conclusion_reason}' if item.conclusion_reason else ''}"
            for item in case.hypotheses
            if item.status is HypothesisStatus.REFUTED
        ],
        "Did not help": [f"- {item.title}" for item in case.solutions if item.has_failed],
        "Fix": [line for item in worked for line in _steps(item)],
        "Verify": [f"- {item.verification_method}" for item in worked if item.verification_method],
    }
    return "\n".join("\n".join([f"## {name}", "", *lines, ""]) for name, lines in sections.items() if lines)


def _steps(solution: Solution) -> Iterator[str]:
    yield f"- **{solution.title}**"
    yield from (f"  - {text}" for text in (solution.immediate_action, solution.longterm_fix) if text)
    yield from (f"  - {step}" for step in solution.implementation_steps)
    yield from (f"  - `{command}`" for command in solution.commands)
