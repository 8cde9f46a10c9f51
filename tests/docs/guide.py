"""Takes the files and the edits out of a page that shows them, and makes them in a copy of the repository.

A block of code belongs to the file that the line before it names: `` `path/of/the/file.py`: ``. A block ``python`` is
a whole new file, a block ``diff`` an edit of a file that is there: pieces of text, divided by ``@@``, each of which has
to occur there exactly once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
COPIED = ("domain", "ports", "application", "adapters", "bootstrap", "tests", "docs", "pyproject.toml")

_BLOCK = re.compile(r"^`([\w./-]+)`:\n\n```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PYTHON = re.compile(r"^```(?:python|diff)$", re.MULTILINE)


@dataclass(frozen=True)
class Guide:
    """What a page shows."""

    files: dict[str, str]
    edits: dict[str, list[tuple[str, str]]]
    """By file, the pieces of text with those that take their place."""

    @classmethod
    def of(cls, page: str) -> Guide:
        """The files and edits of the page."""
        guide = cls({}, {})
        blocks = _BLOCK.findall(page)
        assert len(blocks) == len(_PYTHON.findall(page)), "a block of code stands without the line that names its file"
        for path, kind, text in blocks:
            if kind == "python":
                guide.files[path] = text
            else:
                guide.edits.setdefault(path, []).extend(
                    map(_replacement, re.split(r"^@@.*\n", text, flags=re.MULTILINE))
                )
        return guide

    def carry_out(self, root: Path) -> None:
        """Do all that in a copy of the repository, which ``root`` becomes."""
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, root / name)
        for path, text in self.files.items():
            assert not (root / path).exists(), f"{path} is there already"
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        for path, replacements in self.edits.items():
            text = (root / path).read_text(encoding="utf-8")
            for before, after in replacements:
                assert text.count(before) == 1, f"{path} does not hold, or not once, what the page shows:\n{before}"
                text = text.replace(before, after)
            (root / path).write_text(text, encoding="utf-8")


def _replacement(hunk: str) -> tuple[str, str]:
    """The text without the lines that are added, and without those that are removed."""
    lines = hunk.splitlines(keepends=True)
    assert all(line[0] in " +-\n" for line in lines), hunk
    return tuple("".join(line[1:] or line for line in lines if line[0] != sign) for sign in "+-")  # type: ignore[return-value]


def run(root: Path, *command: str) -> tuple[int, str]:
    """Exit code and output of Python in ``root``, with the libraries of this environment.

    The run that this one is part of has no say in it: neither its options nor its measuring of coverage.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "COVERAGE_"))
    }
    result = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env={**inherited, "HYPOTHESIS_PROFILE": "default", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr
