"""What to ask the knowledge base in a turn: short questions of one subject each; a long one is about nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from domain.case import Case
from domain.evidence import Evidence
from domain.terms import terms

MAX_QUESTIONS = 6
OF_THE_MESSAGE = 2
"""So many of them are about what was said last, whatever the problem and its errors would ask."""
MIN_TERMS = 3
"""Distinct terms that a question has to have: shorter ones fit anything."""

_PARTS = re.compile(r"(?<=[.!?])\s+|\n+|:\s+")
_ERRORS = re.compile(
    r"First error in line \d+: (.*?)\.(?= Most frequent|$)|Most frequent, [\d,]+ times: (?!it\.)(.*?)\.?$"
)
_PREFIX = re.compile(
    r"^.{0,120}?(?:\b(?:FATAL|ERROR|PANIC|CRITICAL|SEVERE|EMERG)\b|\[(?:error|crit|alert|emerg)\]|level=(?:error|fatal))"
    r"[\]:|,\s]*"
)
_NOISE = re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\S+(?: UTC| Z)?|\[[\d:.#*]+\]|\b\d{1,2}:\d\d(?::\d\d)?\S*")


def questions(case: Case, message: str, new_evidence: Sequence[Evidence]) -> tuple[str, ...]:
    """The questions, each once: errors first, then what the problem is said to be, then what was said last.

    The problem and its errors are asked in every turn, so that what was found for them stays at hand.
    """
    stated = case.description or case.consulting.proposed_problem_statement or ""
    files = [] if case.evidence else [file.preprocessing_summary or "" for file in case.uploaded_files[-3:]]
    summaries = [item.summary for item in (*new_evidence[-3:], *case.evidence[:3])]
    errors = [text for summary in (*summaries, *files) for text in error_texts(summary)]
    errors += [text for item in new_evidence[-3:] for text in _listed(item.extract)]
    said = stated if message.strip() in stated else f"{stated}\n{message}"
    asked = dict.fromkeys(question for question in (*errors, *_parts(said)) if _says_something(question))
    latest = [question for question in dict.fromkeys(_sentences(message)) if question in asked][:OF_THE_MESSAGE]
    others = [question for question in asked if question not in latest]
    kept = {*others[: MAX_QUESTIONS - len(latest)], *latest}
    return tuple(question for question in asked if question in kept)


def error_texts(summary: str) -> list[str]:
    """The error messages that a summary of a log quotes, without time, process and level."""
    quoted = (found[1] or found[2] for found in _ERRORS.finditer(summary))
    return [" ".join(_NOISE.sub(" ", _PREFIX.sub("", text)).split()) for text in quoted]


def _listed(extract: str) -> list[str]:
    """What the rows of a listing count, where that is more than a word, e.g. ``idle in transaction (aborted)``."""
    cells = (row.partition(": ")[2].split("|")[0].strip() for row in extract.splitlines()[:20] if "|" in row)
    return [cell for cell in cells if len(cell.split()) > 1][:2]


def _parts(text: str) -> Iterable[str]:
    """The whole text if it is short, and its sentences."""
    flat = " ".join(text.split())
    return (*([flat] if len(flat) <= 300 else []), *_sentences(text))


def _sentences(text: str) -> list[str]:
    return [part.strip()[:300] for part in _PARTS.split(text)]


def _says_something(question: str) -> bool:
    return len(set(terms(question))) >= MIN_TERMS
