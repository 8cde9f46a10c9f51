"""Values that are hostile to some engine: those that every adapter keeps, and those that the domain refuses before."""

from datetime import UTC, datetime
from math import inf, nan, nextafter, pi

LEGAL_TEXTS: dict[str, str] = {
    "percent": "100% of the disk",
    "underscore": "a_b",
    "quote": "it's down",
    "double-quote": 'the "main" node',
    "backslash": "C:\\temp\\new",
    "star": "prod-*",
    "parenthesis": "f(x",
    "boolean-words": "up AND NOT down OR NEAR(a b)",
    "tsquery": "a:b & !c | <d>",
    "sql": "'; DROP TABLE cases; --",
    "json": '{"$where": "1", "a": [null]}',
    "path": "../../etc/passwd",
    "format": "{0} %s ${jndi:x} \\u0000 %00",
    "accent": "é É",
    "sharp-s": "ß ẞ",
    "dotted-i": "İstanbul",
    "right-to-left": "شبكة معطلة \u202eabc",
    "cjk": "数据库连接失败",
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f525",
    "controls": "a\x01\x1b[31m\r\n\tb\x7fc",
    "line-separators": "a\u2028b\u2029c\x85d",
    "noncharacters": "a\uffff\ufeff\U0010ffffb",
    "null-word": "null",
    "number": "007",
}
"""Texts in NFC that have a meaning to some engine; to us they are text."""

DECOMPOSED = "e\u0301"
"""An é in two code points (NFD), which the domain composes."""
COMPOSED = "\u00e9"

REFUSED_TEXTS: dict[str, str] = {
    "nul": "a\0b",
    "lone-high-surrogate": "a\ud800b",
    "lone-low-surrogate": "\udfff",
    "megabyte": "x" * 1_000_000,
}
"""Texts that no title, description or message may have."""

UNSTORABLE_TEXTS = {name: REFUSED_TEXTS[name] for name in ("nul", "lone-high-surrogate", "lone-low-surrogate")}
"""Texts that not every engine can hold, so that nothing has such an id or name."""

LEGAL_NUMBERS: dict[str, float] = {
    "zero": 0,
    "int64-max": 2**63 - 1,
    "int64-min": -(2**63),
    "beyond-double": 2**53 + 1,
    "pi": pi,
    "smallest": nextafter(0, 1),
    "largest": nextafter(inf, 0),
    "negative": -1.5e-7,
    # Found when vectors were moved out of Chroma.
    "all-digits": -999999.9999999999,
}

REFUSED_NUMBERS: dict[str, float] = {
    "nan": nan,
    "inf": inf,
    "minus-inf": -inf,
    "2^63": 2**63,
    "below-int64": -(2**63) - 1,
}

INSTANTS: dict[str, datetime] = {
    "first": datetime(1, 1, 1, tzinfo=UTC),
    "before-1970": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "microsecond": datetime(2025, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
    "leap-day": datetime(2024, 2, 29, tzinfo=UTC),
    "after-2038": datetime(2040, 1, 1, tzinfo=UTC),
    "last": datetime.max.replace(tzinfo=UTC),
}
