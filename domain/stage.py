"""The stage of an investigation: a label for people, never a gate."""

from __future__ import annotations

from enum import StrEnum

from domain.milestones import InvestigationProgress, Milestone
from domain.path import InvestigationPath


class InvestigationStage(StrEnum):
    """What the investigation is busy with: where and when, why, why really, how."""

    SYMPTOM_VERIFICATION = "symptom_verification"
    HYPOTHESIS_FORMULATION = "hypothesis_formulation"
    HYPOTHESIS_VALIDATION = "hypothesis_validation"
    SOLUTION = "solution"


def stage_of(
    progress: InvestigationProgress,
    path: InvestigationPath | None,
    *,
    has_permanent_fix: bool,
    has_tested_hypothesis: bool,
) -> InvestigationStage:
    """The stage that follows from the milestones.

    Args:
        progress: the milestones that stand.
        path: the selected path, None before the selection.
        has_permanent_fix: a solution that is not merely a mitigation was proposed.
        has_tested_hypothesis: at least one active hypothesis has evidence.
    """
    mitigate_first = path is InvestigationPath.MITIGATION_FIRST
    symptom = progress.has(Milestone.SYMPTOM_VERIFIED)
    root_cause = progress.has(Milestone.ROOT_CAUSE_IDENTIFIED)
    applied = progress.has(Milestone.SOLUTION_APPLIED)
    if mitigate_first and symptom and not progress.has(Milestone.MITIGATION_APPLIED):
        return InvestigationStage.SOLUTION
    if (has_permanent_fix or applied) and (root_cause or path is InvestigationPath.ROOT_CAUSE):
        return InvestigationStage.SOLUTION
    if root_cause:
        proposed = progress.has(Milestone.SOLUTION_PROPOSED)
        return InvestigationStage.SOLUTION if proposed else InvestigationStage.HYPOTHESIS_VALIDATION
    if symptom and has_tested_hypothesis:
        return InvestigationStage.HYPOTHESIS_VALIDATION
    return InvestigationStage.HYPOTHESIS_FORMULATION if symptom else InvestigationStage.SYMPTOM_VERIFICATION
