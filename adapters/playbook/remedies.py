"""Solutions from the Mitigate and Fix sections of a runbook, with their commands and what can go wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from adapters.playbook.runbook import Point, Runbook
from adapters.playbook.sources import Source
from domain.proposals import SolutionProposal
from domain.solution import SolutionType
from domain.terms import terms

MAX_STEPS = 6

_TYPES = (
    (SolutionType.ROLLBACK, r"roll(?:ed)? ?back|rollout undo|revert|undo|former (?:configmap|revision|version)"),
    (SolutionType.SCALING, r"scale|replicas?|more (?:nodes|members|partitions)|grow"),
    (SolutionType.CONFIG_CHANGE, r"config|setting|set |alter|limit|timeout|pool|parameter|policy|raise|lower"),
    (SolutionType.RESTART, r"restart|reload|terminate|kill"),
    (SolutionType.INFRASTRUCTURE, r"node|disk|volume|cluster|instance|network"),
)
_RISKS = (
    (r"pg_terminate_backend|client kill|terminate", "Ended sessions lose their open transactions."),
    (r"\b(?:restart|rollout restart|delete pod)\b", "A restart interrupts what is running."),
    (
        r"rollout undo|roll back (?:the|to)|roll the \w+ back",
        "A rollback takes back whatever else the release brought.",
    ),
    (r"\b(?:rm|delete|drop|truncate|prune|unlink|vacuum-size)\b", "What is deleted cannot be brought back."),
    (r"maxmemory|max_connections|limits?=|maxclients|raise", "A higher limit needs the memory behind it."),
    (r"timeout", "A timeout that is too short ends healthy work as well."),
    (r"\b(?:drain|cordon|failover)\b", "The load moves to other nodes, which must have room for it."),
)
_COMMAND = re.compile(
    r"(?:sudo |\$ )?(?:[a-z][\w.-]* +-{1,2}\w|kubectl|psql|redis-cli|systemctl|journalctl|nginx|docker|helm|certbot"
    r"|alter |select |analyze |config set|client kill|truncate |create index|vacuum )",
    re.IGNORECASE,
)


def mitigation(source: Source, ref: str, hypothesis: str | None, cause: Point | None) -> SolutionProposal | None:
    """Quick relief by the runbook; None if it knows of none."""
    points = _ranked(source.runbook.mitigations, cause, source.runbook)
    return _solution(points, ref, hypothesis, is_mitigation=True) if points else None


def permanent_fix(source: Source, ref: str, hypothesis: str | None, cause: Point | None) -> SolutionProposal | None:
    """The permanent fix by the runbook, or its mitigation if it has nothing else; None if it has neither."""
    points = _ranked(source.runbook.fixes or source.runbook.mitigations, cause, source.runbook)
    return _solution(points, ref, hypothesis, is_mitigation=False) if points else None


def _solution(points: Sequence[Point], ref: str, hypothesis: str | None, *, is_mitigation: bool) -> SolutionProposal:
    text = " ".join(point.text for point in points)
    first = points[0].text[:1900]
    kind = "Relief" if is_mitigation else "Fix"
    return SolutionProposal(
        ref=ref,
        solution_type=_type_of(points[0].text) or _type_of(text) or SolutionType.OTHER,
        title=f"{kind}: {_title(points[0])}"[:200],
        is_mitigation=is_mitigation,
        hypothesis=hypothesis,
        immediate_action=first if is_mitigation else None,
        longterm_fix=None if is_mitigation else first,
        implementation_steps=tuple(point.text[:1000] for point in points[1:]),
        commands=tuple(command[:1000] for point in points for command in commands_of(point)),
        risks=risks_of(text),
    )


def commands_of(point: Point) -> tuple[str, ...]:
    """What can be run: the fenced blocks of the point and its inline code that is a command."""
    inline = (literal for literal in point.literals if _COMMAND.match(literal))
    return tuple(dict.fromkeys((*point.commands, *inline)))


def risks_of(text: str) -> tuple[str, ...]:
    """What can go wrong with the actions in ``text``."""
    return tuple(risk for pattern, risk in _RISKS if re.search(pattern, text, re.IGNORECASE))


def _type_of(text: str) -> SolutionType | None:
    return next((kind for kind, words in _TYPES if re.search(rf"\b(?:{words})", text, re.IGNORECASE)), None)


def _title(point: Point) -> str:
    plain = re.sub(r"[`*]", "", point.name or re.split(r"[;:.](?:\s|$)", point.text)[0])
    return " ".join(plain.split())[:150]


def _ranked(points: Sequence[Point], cause: Point | None, runbook: Runbook) -> list[Point]:
    """The points that speak of the cause first, otherwise in the order of the runbook; without mere references."""
    common = set(terms(f"{runbook.title} {runbook.symptoms}"))
    wanted = set(terms(cause.text)) - common if cause else set()
    useful = [point for point in points if point.text and not re.match(r"(?:see )?\[", point.text, re.IGNORECASE)]
    return sorted(useful, key=lambda point: -len(wanted & set(terms(point.text))))[:MAX_STEPS]
