"""What a piece of evidence says about a cause that a runbook names.

From the strongest sign to the weakest: a figure that the runbook predicts, the share that one value has in a listing,
an error text that belongs to this cause alone, the words of the cause in one line, the symptom that all causes share.
Each judgement quotes the line on which it rests.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from adapters.playbook.observation import Observation, ObservedLine
from adapters.playbook.runbook import Point, Runbook
from domain.hypothesis import EvidenceStance
from domain.terms import terms

_FIGURE = re.compile(
    r"`([A-Za-z][\w.:-]*)`\s+(?:\w+\s+){0,2}?(is|above|over|exceeds|below|under|at least|at most)\s+(-?\d+(?:\.\d+)?)"
)
_SETTING = re.compile(r"([A-Za-z][\w.-]+)[ =:](\d+(?:\.\d+)?)")
_EXIT_CODES = re.compile(r"exit codes? ((?:\d+(?:, | or |, or )?)+)", re.IGNORECASE)
_MOSTLY = re.compile(r"\b(?:mostly|most|many|nearly all|all|thousands|hundreds)\b[^.;:`]{0,30}`([^`]+)`", re.IGNORECASE)
_READING = re.compile(r"\s*[\w.%-]+\s*[:=]\s*-?[\d.]+\s*\w*\s*")
"""A name with its figure. That it was measured says nothing; what it should be is for the prediction to say."""
_HEALTHY = re.compile(r"\b(?:normal|healthy|unchanged|stable|constant|ruled out|0 rows)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:no|not|none|never|without|isn't|aren't|wasn't)\b", re.IGNORECASE)
_ABSENCE = re.compile(r"\b(?:missing|without|no|not|never|lacks?|absent|nobody|nothing)\b", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "is": operator.eq,
    "above": operator.gt,
    "over": operator.gt,
    "exceeds": operator.gt,
    "below": operator.lt,
    "under": operator.lt,
    "at least": operator.ge,
    "at most": operator.le,
}
_GENERIC = frozenset(
    terms(
        "same many most mostly one two more less all each other new old high low long short after before during while"
        " began begin start count number limit time times value show shows seen see set nearly within minute minutes"
        " hour hours day second last first only few several still ever again against usual typical system process"
    )
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A stance with the reason for it; ``completeness`` is how fully the evidence tests the cause, 0 to 1."""

    stance: EvidenceStance
    reasoning: str
    completeness: float = 1.0


def judge(cause: Point, runbook: Runbook, observation: Observation) -> Judgement:
    """What the observation says about the cause. Irrelevant is what shows neither the cause nor the symptom."""
    for sign in (_figures, _shares, _error_texts, _words):
        if judgement := sign(cause, runbook, observation):
            return judgement
    if line := symptom_line(runbook, observation):
        return Judgement(
            EvidenceStance.NEUTRAL, f"Shows the symptom, which this cause shares with others ({line.quote()}).", 0.5
        )
    return Judgement(EvidenceStance.IRRELEVANT, "Nothing in it bears on this cause.")


def symptom_line(runbook: Runbook, observation: Observation) -> ObservedLine | None:
    """The first line that shows what the runbook gives as its symptom.

    Names and numbers of a quoted line differ from place to place; so it is enough that most of its words are there, or
    three of them in a row.
    """
    wanted = [words for words in map(_letters, runbook.signatures) if len(words) >= 2]
    phrases = {phrase for signature in runbook.signatures for phrase in _phrases(signature)}
    for line in observation.lines:
        if any(len(words & line.words) >= max(2, 0.7 * len(words)) for words in wanted):
            return line
        if any(phrase in phrases for phrase in _phrases(line.text)):
            return line
    if wanted:
        return None
    described = _letters(f"{runbook.title} {runbook.symptoms}") - _GENERIC
    return next((line for line in observation.errors if len(described & line.words) >= 3), None)


def _phrases(text: str) -> Iterator[tuple[str, str, str]]:
    """Every three words in a row of which at least two carry a meaning; a figure or a sign ends the row."""
    for run in re.split(r"[^A-Za-z\s]+", text.lower()):
        words = run.split()
        for phrase in zip(words, words[1:], words[2:], strict=False):
            if len(_letters(" ".join(phrase)) - _GENERIC) >= 2:
                yield phrase


def _figures(cause: Point, runbook: Runbook, observation: Observation) -> Judgement | None:
    del runbook
    for name, comparison, expected in _expectations(cause):
        value = re.compile(rf"(?<![\w.]){re.escape(name)}[\"'`]?\s*[:=|]?\s*[\"']?(-?\d+(?:\.\d+)?)", re.IGNORECASE)
        for line in observation.lines:
            if found := value.search(line.text):
                fits = any(_COMPARE[comparison](float(found[1]), number) for number in expected)
                stance = EvidenceStance.STRONGLY_SUPPORTS if fits else EvidenceStance.STRONGLY_CONTRADICTS
                wanted = f"{name} {comparison} {' or '.join(f'{number:g}' for number in expected)}"
                return Judgement(stance, f"This cause predicts {wanted}; found is {found[1]} ({line.quote()}).")
    return None


def _expectations(cause: Point) -> Iterator[tuple[str, str, tuple[float, ...]]]:
    for found in _FIGURE.finditer(cause.detail):
        yield found[1], found[2], (float(found[3]),)
    for literal in cause.literals:
        if setting := _SETTING.fullmatch(literal):
            yield setting[1], "is", (float(setting[2]),)
    for codes in _EXIT_CODES.finditer(cause.detail):
        yield "exit code", "is", tuple(map(float, re.findall(r"\d+", codes[1])))


def _shares(cause: Point, runbook: Runbook, observation: Observation) -> Judgement | None:
    values = [found[1] for found in _MOSTLY.finditer(cause.detail)]
    rivals = {found[1].lower() for other in runbook.causes for found in _MOSTLY.finditer(other.detail)}
    groups = _groups(observation.lines)
    total = sum(count for _, count, _ in groups)
    if not values or not total or not rivals & {label for labels, _, _ in groups for label in labels}:
        return None
    value = values[0].lower()
    own = [(count, line) for labels, count, line in groups if value in labels]
    if not own and any(label.startswith(f"{value} ") for labels, _, _ in groups for label in labels):
        return None  # A kind of the value, e.g. "idle in transaction" of "idle": that decides nothing.
    share = sum(count for count, _ in own) / total
    if share >= 0.5:
        line = max(own, key=lambda item: item[0])[1]
        reason = f"{share:.0%} of {total} are {values[0]}, as this cause predicts ({line.quote()})."
        return Judgement(EvidenceStance.STRONGLY_SUPPORTS, reason)
    if share < 0.25:
        line = max(groups, key=lambda item: item[1])[2]
        reason = f"Only {share:.0%} of {total} are {values[0]}; this cause predicts most ({line.quote()})."
        return Judgement(EvidenceStance.CONTRADICTS, reason)
    return Judgement(EvidenceStance.NEUTRAL, f"{share:.0%} of {total} are {values[0]}, which decides nothing.", 0.5)


def _groups(lines: Sequence[ObservedLine]) -> list[tuple[set[str], int, ObservedLine]]:
    """The rows of listings that count something: the labels of a row, in lower case, its count, and the line."""
    groups = []
    for line in lines:
        cells = [cell.strip().lower() for cell in line.text.strip(" |").split("|")]
        if len(cells) == 1:
            counted = re.fullmatch(r"\s*(\d+)\s+([a-z][\w .=-]*)|\s*([a-z][\w .=-]*?)[\s:=]+(\d+)", line.text.lower())
            cells = [cell.strip() for cell in counted.groups() if cell] if counted else cells
        numbers = [int(cell) for cell in cells if cell.isdecimal()]
        labels = {cell for cell in cells if cell and not cell.isdecimal()}
        if numbers and labels:
            groups.append((labels, max(numbers), line))
    return groups


def _error_texts(cause: Point, runbook: Runbook, observation: Observation) -> Judgement | None:
    """An inline text of several words or of mixed case is an error text; it counts if no other cause shows it."""
    others = " ".join((runbook.symptoms, *runbook.signatures, *(item.text for item in runbook.causes if item != cause)))
    for literal in cause.literals:
        phrase = " " in literal or bool(re.search(r"[a-z][A-Z]", literal))
        if not phrase or _SETTING.fullmatch(literal) or literal.lower() in others.lower():
            continue
        for line in observation.lines:
            if literal.lower() in line.text.lower():
                reason = f"Shows `{literal}`, which points at this cause alone ({line.quote()})."
                return Judgement(EvidenceStance.STRONGLY_SUPPORTS, reason)
    return None


def _words(cause: Point, runbook: Runbook, observation: Observation) -> Judgement | None:
    own = distinctive_words(cause, runbook)
    telling = (item for item in observation.lines if not _READING.fullmatch(item.text))
    line = max(telling, key=lambda item: len(own & item.words), default=None)
    shared = own & line.words if line else frozenset()
    if line is None or len(shared) < 2:
        return None
    named = ", ".join(sorted(shared))
    if not line.is_error and _denies(line.text, own, cause):
        return Judgement(EvidenceStance.CONTRADICTS, f"Denies what this cause predicts: {named} ({line.quote()}).")
    completeness = 1.0 if len(shared) >= 3 else 0.5
    return Judgement(EvidenceStance.SUPPORTS, f"Speaks of {named}, as this cause does ({line.quote()}).", completeness)


def _denies(text: str, own: frozenset[str], cause: Point) -> bool:
    """True if the clause that speaks of the cause says no to it, or that all is well there."""
    clause = max(re.split(r"[,;.](?:\s|$)", text), key=lambda part: len(own & _letters(part)))
    if _HEALTHY.search(clause):
        return True
    # Where the cause is that something is missing, a "no" confirms it.
    return _NEGATION.search(clause) is not None and not _ABSENCE.search(cause.text)


def distinctive_words(cause: Point, runbook: Runbook) -> frozenset[str]:
    """The terms of the cause that neither the symptom nor another cause of the runbook has."""
    common = _letters(" ".join((runbook.title, runbook.symptoms, *runbook.signatures)))
    for other in runbook.causes:
        if other != cause:
            common |= _letters(other.text)
    return _letters(cause.text) - common - _GENERIC


def _letters(text: str) -> frozenset[str]:
    return frozenset(term for term in terms(text) if len(term) > 2 and not term.isdecimal())
