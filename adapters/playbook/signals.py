"""What a message says about a problem: whether there is one, of which kind, how bad it is, and whether it lasts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.problem import ProblemType, Severity, TemporalState, UrgencyLevel

MAX_STATEMENT = 400
MAX_SCENE = 120
MIN_SCENE_WORDS = 3

_STRONG = re.compile(
    r"\b(?:errors?|fail(?:s|ed|ing|ures?)?|down|outage|broken|crash\w*|refus\w+|reject\w*|timeouts?|timed? out"
    r"|unavailable|unreachable|exceptions?|panic|fatal|corrupt\w*|lost|stuck|full|exhausted|too many|oom\w*|killed"
    r"|cannot|can't|5\d\d)\b",
    re.IGNORECASE,
)
_MODERATE = re.compile(
    r"\b(?:slow\w*|latency|lag\w*|delay\w*|degraded|intermittent\w*|weird|strange|wrong|missing|duplicate\w*|spik\w+"
    r"|high)\b",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"\s*(?:how (?:do|can|to|should)|what (?:is|are|does)|where|which|explain|can you explain)\b", re.IGNORECASE
)
_KINDS = (
    (
        ProblemType.DATA_ISSUE,
        r"corrupt\w*|data loss|lost (?:data|rows|messages)|wrong data|missing rows|duplicate\w*",
    ),
    (ProblemType.UNAVAILABILITY, r"down|outage|unavailable|unreachable|refused|50[34]|no leader|not ready"),
    (
        ProblemType.ERROR,
        r"errors?|exceptions?|fail\w*|fatal|panic|reject\w*|crash\w*|too many|50[02]|oom\w*|killed|full|cannot",
    ),
    (ProblemType.SLOWNESS, r"slow\w*|latency|lag\w*|delay\w*|timeouts?|timed? out|degraded"),
)
_CRITICAL = re.compile(
    r"\b(?:all (?:users|customers|requests)|everyone|everything is down|complete outage|total outage|data loss"
    r"|sev-?[01]|p[01]\b"
    r"|production is down|prod is down)",
    re.IGNORECASE,
)
_MINOR = re.compile(
    r"\b(?:minor|cosmetic|no impact|staging|dev(?:elopment)? environment|sandbox|wondering)\b", re.IGNORECASE
)
_URGENT = re.compile(
    r"\b(?:urgent\w*|asap|immediately|emergency|critical|right now|production|prod|customers?)\b", re.IGNORECASE
)
_ONGOING = re.compile(
    r"\b(?:now|currently|still|ongoing|keeps?|since|right now|at the moment|continu\w+|again and again"
    r"|(?:answers?|returns?|refuses?|rejects?|fails?|crash(?:es)?) (?:with|every|all|for|on|at|\d)"
    r"|(?:is|are) (?:down|failing|slow|refused|rejected|unreachable|unavailable))\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:yesterday|last (?:night|week|month)|recovered|resolved itself|is over|went away|no longer"
    r"|post-?mortem|was down)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Signals:
    """The first reading of a message. ``statement`` is the sentence that names the problem, if one does."""

    statement: str | None
    problem_type: ProblemType
    severity: Severity
    urgency: UrgencyLevel
    temporal_state: TemporalState | None


def read_signals(text: str) -> Signals:
    """The reading of ``text``, by its words alone."""
    strong, moderate = bool(_STRONG.search(text)), bool(_MODERATE.search(text))
    past, ongoing = bool(_PAST.search(text)), bool(_ONGOING.search(text))
    return Signals(
        statement=_statement(text),
        problem_type=next(
            (kind for kind, words in _KINDS if re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)), ProblemType.OTHER
        ),
        severity=_severity(text, strong=strong, moderate=moderate),
        urgency=_urgency(text, strong=strong),
        temporal_state=TemporalState.HISTORICAL if past else TemporalState.ONGOING if ongoing else None,
    )


def _statement(text: str) -> str | None:
    """The sentences with a sign of trouble, the sentence before them setting the scene. A mere question is none."""
    sentences = [" ".join(sentence.split()) for sentence in _SENTENCE.split(text) if sentence.strip()]
    for pattern in (_STRONG, _MODERATE):
        named = [position for position, sentence in enumerate(sentences) if _names_trouble(sentence, pattern)]
        if named:
            before = sentences[named[0] - 1] if named[0] else ""
            first = named[0] - 1 if len(before.split()) >= MIN_SCENE_WORDS and len(before) < MAX_SCENE else named[0]
            kept = [sentences[position] for position in sorted({first, *named})]
            while len(kept) > 1 and len(" ".join(kept)) > MAX_STATEMENT:
                kept.pop()
            return " ".join(kept)[:MAX_STATEMENT]
    return None


def _names_trouble(sentence: str, pattern: re.Pattern[str]) -> bool:
    asks = _QUESTION.match(sentence) or sentence.endswith("?")
    return bool(pattern.search(sentence)) and not (asks and pattern is _MODERATE)


def _severity(text: str, *, strong: bool, moderate: bool) -> Severity:
    if _CRITICAL.search(text):
        return Severity.CRITICAL
    if _MINOR.search(text):
        return Severity.LOW
    if strong:
        return Severity.HIGH
    return Severity.MEDIUM if moderate else Severity.UNKNOWN


def _urgency(text: str, *, strong: bool) -> UrgencyLevel:
    if _CRITICAL.search(text):
        return UrgencyLevel.CRITICAL
    if _MINOR.search(text):
        return UrgencyLevel.LOW
    if _URGENT.search(text):
        return UrgencyLevel.HIGH
    return UrgencyLevel.MEDIUM if strong else UrgencyLevel.UNKNOWN
