"""What stands in a piece of evidence, line by line, and the facts about place, time and change that it states."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from application.log_scan import Level, level_of
from application.timestamps import find_timestamp, parse_timestamp
from domain.evidence import Evidence, EvidenceSourceType
from domain.terms import terms

_NUMBERED = re.compile(r"(\d+): (.*)")
_PLACES = (
    re.compile(
        r"\b(?:pod|container|deployment|deploy|service|svc|node|instance|host|hostname|server|job|namespace)"
        r"[/=: ]\"?((?=[\w.:-]*[\w])(?=[\w.:-]*[-.\d/])[\w.:-]+\w)",
        re.IGNORECASE,
    ),
    re.compile(r"\b(?:database|role|user|application_name|db|topic|group)[ =]\"?([a-z][\w.-]+)\"?(?=[\s,;)\"]|$)"),
    re.compile(r"\b([a-z][\w-]*@[a-z][\w-]*)\b"),
    re.compile(r"upstream: \"([^\"]+)\""),
    re.compile(r"\b((?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?)\b"),
)
_SCOPE_WORDS = re.compile(
    r"\b(?:all|every|only|some|half|\d+ ?%|one in \w+) (?:of )?(?:the |our )?"
    r"(?:users?|customers?|requests?|pods?|nodes?|hosts?|regions?|services?|clients?|tenants?|replicas?|workers?)\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b(?:deploy(?:ed|ing|ment)|roll(?:ed|ing)[ -]?out|rollout|rolled back|releas(?:ed|e of)|upgrad(?:ed|e|ing)"
    r"|migrat(?:ed|ion|ing)|scaled (?:up|down|out|in|from|to)|scale-?out|config(?:uration)? (?:change|changed|reload)"
    r"|reloading configuration|parameter \"[\w.]+\" changed|changed to|restarted|failover|failed over|feature flag"
    r"|new version|version bump|image updated)\b",
    re.IGNORECASE,
)
_NO_CHANGES = re.compile(
    r"\b(?:no|without)(?: recent| other| known)? (?:changes?|deploys?|deployments?|releases?)\b"
    r"|\bnothing (?:was |has )?changed\b",
    re.IGNORECASE,
)
_SPOKEN_TIME = re.compile(
    r"\b(?:since|from|at|around|about|after|began|started|starting)\b[^.\n]{0,30}?"
    r"\b(?:\d{1,2}:\d{2}|\d{1,2} ?(?:am|pm)|noon|midnight"
    r"|yesterday|this morning|last night|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_ONLY_WORDS = re.compile(r"\d+")


@dataclass(frozen=True)
class ObservedLine:
    """A line of evidence; ``number`` is None where the source has none."""

    number: int | None
    text: str

    @cached_property
    def words(self) -> frozenset[str]:
        """Its distinct terms."""
        return frozenset(terms(self.text))

    @cached_property
    def is_error(self) -> bool:
        """True if it reports an error."""
        return level_of(self.text) >= Level.ERROR

    def quote(self) -> str:
        """The line for a sentence, with its number."""
        text = " ".join(self.text.split())
        short = text if len(text) <= 160 else f"{text[:159]}…"
        place = f"line {self.number}: " if self.number is not None else ""
        return f"{place}{short}"


@dataclass(frozen=True)
class Observation:
    """A piece of evidence, read."""

    evidence: Evidence
    lines: tuple[ObservedLine, ...]

    @classmethod
    def of(cls, evidence: Evidence) -> Observation:
        """The lines of the extract; headings and fold marks, which begin with two dashes, are left out."""
        lines = []
        for row in evidence.extract.splitlines():
            numbered = _NUMBERED.match(row)
            if numbered:
                lines.append(ObservedLine(int(numbered[1]), numbered[2]))
            elif row.strip() and not row.startswith("-- "):
                lines.append(ObservedLine(None, row))
        return cls(evidence, tuple(lines))

    @property
    def is_report(self) -> bool:
        """True for what a person said, as opposed to what a machine wrote."""
        return self.evidence.source_type is EvidenceSourceType.USER_REPORT

    @cached_property
    def errors(self) -> tuple[ObservedLine, ...]:
        """The lines that report errors."""
        return tuple(line for line in self.lines if line.is_error)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that evidence states, with the line that states it."""

    text: str
    evidence_id: str
    line: ObservedLine


def places(observations: Sequence[Observation]) -> list[Fact]:
    """Who or what is affected: names in error lines, and what people say about the extent; each name once."""
    facts: dict[str, Fact] = {}
    for observation in observations:
        for line in observation.lines if observation.is_report else observation.errors:
            for pattern in (*_PLACES, *([_SCOPE_WORDS] if observation.is_report else [])):
                for found in pattern.finditer(line.text):
                    name = found[found.lastindex or 0].rstrip(".:,")
                    if not _ONLY_WORDS.fullmatch(name):
                        facts.setdefault(name, Fact(name, observation.evidence.evidence_id, line))
    return list(facts.values())


def first_error(observations: Sequence[Observation]) -> tuple[Fact, datetime | None] | None:
    """The earliest time at which an error was logged, as it is written, and as an instant if it names its zone."""
    found = [
        (Fact(time, observation.evidence.evidence_id, line), parse_timestamp(time))
        for observation in observations
        for line in observation.errors
        if (time := find_timestamp(line.text))
    ]
    zoned = [(fact, at) for fact, at in found if at is not None]
    if zoned:
        return min(zoned, key=lambda item: item[1])
    return found[0] if found else None


def spoken_times(observations: Sequence[Observation]) -> list[Fact]:
    """What people say about when it began."""
    return list(_said(observations, _SPOKEN_TIME))


def changes(observations: Sequence[Observation]) -> list[Fact]:
    """What changed, from any line, and the statement of a person that nothing did."""
    facts = [
        Fact(" ".join(line.text.split())[:200], observation.evidence.evidence_id, line)
        for observation in observations
        for line in observation.lines
        if _CHANGES.search(line.text) and not _NO_CHANGES.search(line.text)
    ]
    return facts or list(_said(observations, _NO_CHANGES))


def _said(observations: Sequence[Observation], pattern: re.Pattern[str]) -> Iterable[Fact]:
    for observation in observations:
        if observation.is_report:
            for line in observation.lines:
                if found := pattern.search(line.text):
                    yield Fact(found[0], observation.evidence.evidence_id, line)
