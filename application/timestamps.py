"""Times as they stand in logs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_ISO = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)\b)?"
_ACCESS = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_SYSLOG = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
# A bare time of day may as well be a duration, unless the line begins with it.
_CLOCK = r"(?<!.)\W{0,2}\d\d:\d\d:\d\d(?:[.,]\d{1,6})?"
_TIMESTAMP = re.compile(rf"{_ISO}|{_ACCESS}|\b{_SYSLOG}|{_CLOCK}")
_SEARCHED = 200
"""A line carries its time near its beginning."""


def find_timestamp(text: str) -> str | None:
    """The first time in the line as it is written there, without fractions of a second."""
    found = _TIMESTAMP.search(text[:_SEARCHED])
    return re.sub(r"[.,]\d+", "", found[0]).strip(" [(") if found else None


def parse_timestamp(text: str) -> datetime | None:
    """The instant that a text of `find_timestamp` names; None unless it says the year and the time zone."""
    plain = re.sub(r"[.,]\d+", "", text)
    zoned = re.sub(r" ?(?:Z|UTC|GMT)$", "+0000", plain).replace("/", "-")
    zoned = re.sub(r" ?([+-]\d\d):?(\d\d)$", r"\1\2", zoned)
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S%z", "%d-%b-%Y:%H:%M:%S%z"):
        try:
            return datetime.strptime(zoned, form).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None
