"""Every record becomes one line of JSON, whatever is in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
from bootstrap.configuration import load_configuration
from bootstrap.logging import configure_logging

configure_logging(load_configuration({"LOG_FORMAT": "json"}).settings)
try:
    raise ValueError("it failed")
except ValueError:
    logging.getLogger("faultmaven.test").warning("told %s", "you", exc_info=True, extra={"given": EXTRA})
"""


@pytest.mark.parametrize(
    ("extra", "written"),
    [
        ("{'status': 200, 'took': 1.5, 'actor': None}", {"status": 200, "took": 1.5, "actor": None}),
        ("'a lone \\ud800 surrogate'", "a lone \ud800 surrogate"),
        ("10**30", 10**30),
        ("{1: 'a key that is no text'}", {"1": "a key that is no text"}),
        ("{1, }", "{1}"),
        ("'two\\nlines \\u2603'", "two\nlines \N{SNOWMAN}"),
    ],
    ids=["usual", "surrogate", "long integer", "odd key", "no JSON", "unicode"],
)
def test_json(extra: str, written: object) -> None:
    """In a process of its own: the log is one for the whole process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("EXTRA", extra)], capture_output=True, check=True, timeout=60
    )
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert told["given"] == written
    assert (told["event"], told["level"], told["logger"]) == ("told you", "warning", "faultmaven.test")
    assert told["ts"].endswith("Z")
    assert "ValueError: it failed" in told["exception"]


def test_text_shows_no_values_of_variables() -> None:
    """A traceback on a terminal is for reading, and what a function was given may be a secret."""
    program = PROGRAM.replace('"json"', '"text"').replace("EXTRA", "7").replace("try:", "secret = 'hunter2'\ntry:", 1)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    told = done.stderr.decode()
    assert "told you" in told
    assert "given=7" in told
    assert "ValueError: it failed" in told
    assert "hunter2" not in told
