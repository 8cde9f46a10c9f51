"""Keys, values and patterns that are hostile to some engine, and those that no adapter takes."""

from datetime import timedelta

from ports.sessions import MAX_KEY_LENGTH

HOSTILE_KEYS = [
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "C:\\a",
    "-rf",
    "~",
    "*",
    "user:*",
    "[a-c]",
    "user:[1]",
    "?",
    "^",
    "%",
    "_",
    "'; DROP TABLE sessions; --",
    '"',
    "{tag}",
    "$HOME",
    "line\nbreak\r\n\ttab",
    "\x7f\x1b[2J",
    "Key",
    "key",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "\N{ARABIC LETTER ALEF}\N{RIGHT-TO-LEFT OVERRIDE}x",
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    "\N{PILE OF POO}",
    "x" * MAX_KEY_LENGTH,
    "\N{PILE OF POO}" * MAX_KEY_LENGTH,
]

REFUSED_KEYS = ["", "\0", "a\0b", "\ud800", "x" * (MAX_KEY_LENGTH + 1), "\u0958" * MAX_KEY_LENGTH]

HOSTILE_VALUES = [
    "",
    " \n\t ",
    "line\r\nend\r",
    "u\N{COMBINING DIAERESIS}",
    "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\ufeff\uffff",
    "\N{PILE OF POO}" * 1000,
    '{"a": "\\u0000"}',
    "NaN",
    "1" * 1_000_000,
    "\N{SNOWMAN}" * 400_000,
]

REFUSED_VALUES = ["\0", "a\0b", "\udfff", "a\ud800", "x" * (16 * 1024 * 1024 + 1), "\N{SNOWMAN}" * (6 * 1024 * 1024)]

REFUSED_TTLS = [timedelta(0), timedelta(milliseconds=-1), timedelta(days=-1), timedelta(days=3651)]

PATTERNS = [
    "*",
    "",
    "user:*",
    "*:1",
    "user:?",
    "user:[12]",
    "user:[^1]",
    "user:[1-",
    "user\\:1",
    "\\*",
    "*\\**",
    "[[]*",
    "*\N{PILE OF POO}",
    "?",
    "a*a*a*a*b",
    "USER:*",
    "user:1",
    "u%",
]

PATTERN_KEYS = [
    "user:1",
    "user:2",
    "user:10",
    "user:",
    "User:1",
    "xuser:1",
    "*",
    "a*b",
    "[x]",
    "[",
    "\\*",
    "\N{PILE OF POO}",
    "x\N{PILE OF POO}",
    "aaaab",
    "aaaa",
    "u%",
    "u_",
]
