"""What a solved case leaves behind for the next one."""

import re

import pytest

from domain.case import Case
from domain.conclusions import RootCauseConclusion
from domain.hypothesis import HypothesisStatus
from domain.solution_pattern import solution_pattern
from tests.builders import (
    OWNER,
    a_case,
    a_closed_case,
    a_full_case,
    a_hypothesis,
    a_resolved_case,
    a_solution,
    an_evidence,
    an_investigating_case,
    later,
)


@pytest.mark.parametrize("case", [a_case(), an_investigating_case(), a_closed_case()])
def test_an_unsolved_case_teaches_nothing(case: Case) -> None:
    assert solution_pattern(case) is None


def test_the_least_is_the_title_and_what_worked() -> None:
    assert solution_pattern(a_resolved_case(description="")) == (
        "## Symptoms\n\nCheckout fails (1)\n\n"
        "## Fix\n\n- **Raise the pool size (1)**\n  - Set the pool size to 50.\n\n"
        "## Verify\n\n- error rate\n"
    )


def test_it_tells_cause_refuted_causes_failed_and_working_remedies() -> None:
    solved = a_resolved_case()
    done = {"applied_at": later(5), "applied_by": OWNER, "verified_at": later(6)}
    refuted = {"status": HypothesisStatus.REFUTED, "concluded_at": later(4)}
    case = solved.replace(
        description="Checkout answers 502",
        evidence=tuple(an_evidence(number) for number in range(1, 8)),
        hypotheses=(
            a_hypothesis(1, statement="Still open"),
            a_hypothesis(2, statement="DNS is slow", conclusion_reason="lookups take 1 ms", **refuted),
            a_hypothesis(3, statement="The disk is full", **refuted),
        ),
        solutions=(
            *solved.solutions,
            a_solution(2, title="Restart the pods", effectiveness=0.1, **done),
            a_solution(3, title="Never tried"),
            a_solution(
                4,
                title="Return connections",
                immediate_action=None,
                longterm_fix="Close them in a finally block",
                implementation_steps=("Find the leak",),
                commands=("kubectl rollout restart deploy/checkout",),
                effectiveness=0.9,
                **done,
            ),
        ),
        root_cause_conclusion=a_full_case().root_cause_conclusion,
    )
    cause = case.root_cause_conclusion
    assert isinstance(cause, RootCauseConclusion)
    text = solution_pattern(case)
    assert text
    sections = dict(re.findall(r"## (.+)\n\n((?:.+\n)+)", text))
    assert sections == {
        "Symptoms": "Checkout answers 502\n" + "".join(f"- Observation {number}\n" for number in range(1, 6)),
        "Likely causes": f"- **{cause.root_cause}**: {cause.mechanism}\n",
        "Ruled out": "- DNS is slow: lookups take 1 ms\n- The disk is full\n",
        "Did not help": "- Restart the pods\n",
        "Fix": (
            "- **Raise the pool size (1)**\n  - Set the pool size to 50.\n"
            "- **Return connections**\n  - Close them in a finally block\n  - Find the leak\n"
            "  - `kubectl rollout restart deploy/checkout`\n"
        ),
        "Verify": "- error rate\n",
    }


def test_no_person_and_no_id_is_told() -> None:
    text = solution_pattern(a_full_case())
    assert text
    assert OWNER not in text
    assert not re.search(r"\b(case|ev|hyp|sol|file|user)_[0-9a-f]{12}\b", text)
