"""The starter runbooks keep the form that their readers rely on, and the retrieval queries fit them."""

import json
import re
import shutil
import subprocess
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "bootstrap" / "knowledge"
QUERIES = ROOT / "benchmarks" / "retrieval"
SECTIONS = ["Symptoms", "Likely causes", "Diagnose", "Mitigate", "Fix", "Verify"]

# What changes a system has its place under Mitigate and Fix; an engineer pastes Diagnose without thinking twice.
CHANGES = re.compile(
    r"""(^|[;&|(]\s*)(sudo\s+)?(
        rm|mv|kill|pkill|reboot|truncate|dd|mkfs|fsck|tee
        |kubectl\s.*\b(delete|apply|scale|patch|edit|drain|cordon|taint|set|annotate|label|create|replace)\b
        |systemctl\s+(-\S+\s+)*(start|stop|restart|reload|enable|disable)\b
        |sysctl\s+-w
        |redis-cli\s.*\b(set|del|unlink|flushall|flushdb|kill)\b
        |etcdctl\s+(put|del|defrag|compact|alarm\s+disarm|move-leader)\b
        |mdadm\s.*--(add|remove|fail)\b
        |(psql|mysql)\s.*\b(insert|update|delete|drop|alter|vacuum|pg_terminate_backend|pg_cancel_backend)\b
        |curl\s.*-X\s*(POST|PUT|DELETE|PATCH)
    )(\s|$)""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Runbook:
    stem: str
    front: dict[str, Any]
    body: str

    @property
    def sections(self) -> dict[str, str]:
        parts = re.split(r"^## (.+)$", self.body, flags=re.MULTILINE)
        return {name.strip(): text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    @property
    def commands(self) -> list[str]:
        return _shell_blocks(self.sections["Diagnose"])


def _shell_blocks(text: str) -> list[str]:
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in blocks]


def _read(path: Path) -> Runbook:
    opening, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert opening == "", f"{path.name} does not begin with its front matter"
    return Runbook(path.stem, yaml.safe_load(front), body.strip())


def _queries(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((QUERIES / name).read_text(encoding="utf-8"))
    return rows


ALL = [_read(path) for path in sorted(RUNBOOKS.glob("*.md"))]
BY_STEM = {runbook.stem: runbook for runbook in ALL}
each_runbook = pytest.mark.parametrize("runbook", ALL, ids=lambda runbook: runbook.stem)


def test_there_are_at_least_sixty_runbooks_with_titles_of_their_own() -> None:
    titles = Counter(str(runbook.front["title"]).casefold() for runbook in ALL)

    assert len(ALL) >= 60
    assert [title for title, times in titles.items() if times > 1] == []


@each_runbook
def test_the_front_matter_is_complete(runbook: Runbook) -> None:
    front = runbook.front

    assert set(front) == {"title", "document_type", "tags", "version", "alerts"}
    assert isinstance(front["title"], str)
    assert front["title"].strip()
    assert front["document_type"] == "playbook"
    assert type(front["version"]) is int
    assert front["version"] >= 1
    assert 3 <= len(front["tags"]) <= 6
    assert front["alerts"]
    for word in [*front["tags"], *front["alerts"]]:
        assert isinstance(word, str)
        assert word.strip()
    assert len(set(front["tags"])) == len(front["tags"])


@each_runbook
def test_the_file_name_is_kebab_case(runbook: Runbook) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", runbook.stem)


@each_runbook
def test_the_six_sections_are_there_in_order_and_filled(runbook: Runbook) -> None:
    headings = re.findall(r"^## (.+)$", runbook.body, flags=re.MULTILINE)

    assert headings == SECTIONS
    assert all(len(text) >= 40 for text in runbook.sections.values())
    assert 25 <= len(runbook.body.splitlines()) <= 60


@each_runbook
def test_every_cause_has_a_short_bold_name_and_says_how_it_shows(runbook: Runbook) -> None:
    bullets = re.findall(r"^- (.+(?:\n  .+)*)", runbook.sections["Likely causes"], flags=re.MULTILINE)
    causes = [re.fullmatch(r"\*\*([^*]{3,60})\*\*: (.{10,})", bullet, flags=re.DOTALL) for bullet in bullets]

    assert len(causes) >= 2
    assert [bullet for bullet, cause in zip(bullets, causes, strict=True) if cause is None] == []


@each_runbook
def test_the_diagnosis_is_numbered_and_has_commands(runbook: Runbook) -> None:
    numbers = [int(n) for n in re.findall(r"^(\d+)\. \S", runbook.sections["Diagnose"], flags=re.MULTILINE)]

    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 2
    assert len(runbook.commands) >= 2
    assert all(block.strip() for block in runbook.commands)


@each_runbook
def test_the_diagnosis_changes_nothing(runbook: Runbook) -> None:
    lines = [line for block in runbook.commands for line in block.splitlines()]

    assert [line for line in lines if CHANGES.search(line)] == []


@pytest.mark.parametrize(
    "command", ["kubectl -n NS delete pod X", "sysctl -w a=1", "cd / && rm -rf x", "psql -c 'drop table t'"]
)
def test_a_changing_command_would_be_noticed(command: str) -> None:
    assert CHANGES.search(command)


@each_runbook
def test_the_commands_are_valid_shell(runbook: Runbook) -> None:
    bash = shutil.which("bash")
    assert bash, "bash is needed to parse the commands of the runbooks"

    done = subprocess.run([bash, "-n"], input="\n".join(runbook.commands), text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr


@each_runbook
def test_every_fence_is_closed(runbook: Runbook) -> None:
    assert len(re.findall(r"^ *```", runbook.body, flags=re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize("name", ["alerts.json", "paraphrased.json"])
def test_a_query_set_covers_at_least_sixty_runbooks_that_exist(name: str) -> None:
    rows = _queries(name)
    expected = [stem for row in rows for stem in row["expected"]]

    assert len(rows) >= 66
    assert all(set(row) == {"query", "expected"} and row["query"].strip() and row["expected"] for row in rows)
    assert len({row["query"] for row in rows}) == len(rows)
    assert sorted(set(expected) - set(BY_STEM)) == []
    assert len(set(expected)) >= 60


def test_the_off_topic_set_is_large_enough() -> None:
    rows = _queries("off_topic.json")

    assert len({row["query"] for row in rows}) == len(rows) >= 40
    assert all(set(row) == {"query"} and row["query"].strip() for row in rows)


def test_a_paraphrase_shares_no_long_word_with_the_head_of_its_runbook() -> None:
    shared = {
        row["query"]: common
        for row in _queries("paraphrased.json")
        for stem in row["expected"]
        if (common := _long_words(row["query"]) & _head_words(BY_STEM[stem]))
    }

    assert shared == {}


def _head_words(runbook: Runbook) -> set[str]:
    front = runbook.front
    return _long_words(" ".join([front["title"], *front["tags"], *front["alerts"]]))


def _long_words(text: str) -> set[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    return set(re.findall(r"[a-z0-9]{4,}", spaced.lower()))
