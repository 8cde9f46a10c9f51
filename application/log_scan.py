"""What matters in a text of many lines: where it first goes wrong, where it goes most wrong, and what keeps repeating.

One pass in the order of the lines. What is remembered does not grow with the length of the text.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

from application.timestamps import find_timestamp

BEFORE = 8
"""Lines of context kept before a scene."""
AFTER = 16
"""Lines of context kept after its first error; the lines of a stack trace do not count."""
MAX_SCENE = 120
MAX_TEMPLATES = 2000
TAIL = 60


class Level(IntEnum):
    """How bad a line is."""

    NONE = 0
    WARNING = 1
    ERROR = 2
    FATAL = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A line and its number, counted from 1."""

    number: int
    text: str


@dataclass(slots=True)
class Repeated:
    """Error lines that differ in numbers only."""

    first: Line
    level: Level
    count: int = 1
    last: int = 0


@dataclass(slots=True)
class Scan:
    """What one pass has found. Times are texts as they stand in the lines."""

    lines: int = 0
    characters: int = 0
    warnings: int = 0
    errors: int = 0
    fatals: int = 0
    first_time: str | None = None
    last_time: str | None = None
    head: list[Line] = field(default_factory=list)
    tail: deque[Line] = field(default_factory=lambda: deque(maxlen=TAIL))
    first_scene: list[Line] = field(default_factory=list)
    worst_scene: list[Line] = field(default_factory=list)
    worst_level: Level = Level.NONE
    repeated: dict[str, Repeated] = field(default_factory=dict)
    by_bare_text: dict[str, Repeated] = field(default_factory=dict)

    @property
    def troubles(self) -> int:
        """Lines that report an error, fatal ones included."""
        return self.errors + self.fatals

    @property
    def first_error(self) -> Line | None:
        """The first error line."""
        return next(iter(self.repeated.values())).first if self.repeated else None

    def most_frequent(self, limit: int) -> list[Repeated]:
        """The error lines that occur most, the more severe first among equals, then the earlier."""
        ranked = sorted(self.repeated.values(), key=lambda item: (-item.count, -item.level, item.first.number))
        return ranked[:limit]


# A cheap look before the expressions: most lines of a log hold none of these pieces.
_HINTS = (
    "err",
    "fail",
    "fatal",
    "warn",
    "exce",
    "panic",
    "crit",
    "time",
    "refus",
    "denied",
    "kill",
    "emerg",
    "severe",
    "trace",
    "unable",
    "cannot",
    "no space",
    "abort",
    "reject",
    "exhaust",
    "unreach",
    "too many",
    "segfault",
    "evict",
    "backoff",
    "out of",
    "not found",
    '" 5',
)
_FATAL = re.compile(
    r"\b(?:fatal|panic|emerg(?:ency)?|crit(?:ical)?|segfault|oom-?kill(?:ed|er|ing)?|out of memory|no space left)\b"
)
_ERROR = re.compile(
    r"\b(?:errors?|err|severe|\w*exception|traceback|fail(?:ed|ure|ures|ing|s)?|refused|denied|time[d-]? ?out|timeouts?"
    r"|unreachable|unable to|cannot|can't|abort(?:ed|ing)?|killed|rejected|exhausted|too many|backoff|not found)\b"
    r"|[a-z]error\b|\" 5\d\d\b"
)
_WARNING = re.compile(r"\b(?:warn(?:ing)?|evicted)\b")
_HARMLESS = re.compile(
    r"\b(?:no|0|zero|without) (?:\w+ )?(?:errors?|failures?|timeouts?)\b"
    r"|\b(?:errors?|failures?|failed|err|timeouts?)[\"']?\s*[=:]\s*[\"']?(?:0|none|null|false)\b"
)
_DECLARED = re.compile(
    r"\b(?:level|severity)[\"']?\s*[=:]\s*[\"']?(?:info|debug|trace|notice)\b|\[(?:info|debug|notice)\]"
    # PostgreSQL writes two spaces after the level.
    r"|\b(?:log|info|notice|debug\d?|hint|detail|statement|context):  "
)
_CONTINUED = re.compile(r"\s+\S|Caused by|Traceback|\.\.\. \d+ more|goroutine \d|[\w.]+(?:Error|Exception)\b")
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")
_NUMBERS = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d+", re.IGNORECASE)


def level_of(text: str) -> Level:
    """How bad the line is, by its words: a failure that is denied or counted as zero is none."""
    if text[:1] in {"E", "F"} and text[1:5].isdigit():
        return Level.FATAL if text[0] == "F" else Level.ERROR
    low = text.lower()
    for hint in _HINTS:
        if hint in low:
            return _level_of(low)
    return Level.NONE


@lru_cache(maxsize=2048)
def _level_of(low: str) -> Level:
    if "err" in low or "fail" in low or "timeout" in low:
        low = _HARMLESS.sub("", low)
    if _FATAL.search(low):
        return Level.FATAL
    if _ERROR.search(low):
        return Level.NONE if _DECLARED.search(low) else Level.ERROR
    return Level.WARNING if _WARNING.search(low) else Level.NONE


def template_of(text: str) -> str:
    """The line without its numbers, so that repeats of one message look alike."""
    return _NUMBERS.sub("#", text)


def scan(lines: Iterable[str], *, head: int) -> Scan:
    """One pass over the lines; the first ``head`` are kept whatever they say."""
    result = Scan()
    recent: deque[Line] = deque(maxlen=BEFORE)
    open_scenes: list[_Scene] = []
    for number, text in enumerate(lines, start=1):
        line = Line(number, text)
        result.lines = number
        result.characters += len(text) + 1
        if number <= head:
            result.head.append(line)
        result.tail.append(line)
        if result.first_time is None and number <= 2000:
            result.first_time = find_timestamp(text)
        open_scenes = [scene for scene in open_scenes if scene.take(line)]
        level = level_of(text)
        if level >= Level.ERROR:
            _count(result, line, level)
            if level > result.worst_level:
                scene = _Scene([*recent, line])
                open_scenes.append(scene)
                if result.worst_level is Level.NONE:
                    result.first_scene = scene.lines
                result.worst_scene = scene.lines
                result.worst_level = level
        elif level is Level.WARNING:
            result.warnings += 1
        recent.append(line)
    result.last_time = next(filter(None, (find_timestamp(line.text) for line in reversed(result.tail))), None)
    return result


@dataclass(slots=True)
class _Scene:
    lines: list[Line]
    left: int = AFTER

    def take(self, line: Line) -> bool:
        """Add the line; False once the scene is complete. A stack trace is kept together."""
        if len(self.lines) >= MAX_SCENE:
            return False
        continued = _CONTINUED.match(line.text) is not None
        if self.left == 0 and not continued:
            return False
        self.lines.append(line)
        self.left = max(0, self.left - (not continued))
        return True


def _count(result: Scan, line: Line, level: Level) -> None:
    if level is Level.FATAL:
        result.fatals += 1
    else:
        result.errors += 1
    # Most repeats differ in digits alone, which is cheap to see; only the others are compared by their templates.
    bare = line.text.translate(_WITHOUT_DIGITS)
    known = result.by_bare_text.get(bare) or result.repeated.get(template := template_of(line.text))
    if known:
        known.count += 1
        known.last = line.number
    elif len(result.repeated) < MAX_TEMPLATES:
        known = result.repeated[template] = Repeated(line, level, last=line.number)
    if known and len(result.by_bare_text) < MAX_TEMPLATES:
        result.by_bare_text[bare] = known
