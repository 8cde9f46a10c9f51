"""Reading runbooks: ours, those of alert catalogues, and whatever else is called Markdown."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.playbook.remedies import commands_of, mitigation, permanent_fix, risks_of
from adapters.playbook.runbook import MAX_CAUSES, Point, parse_runbook
from adapters.playbook.sources import MAX_SOURCES, origin_of, rationale_of, sources_of, statement_of
from domain.knowledge import GLOBAL, KnowledgeDocument, KnowledgeType, Origin
from domain.solution import SolutionType
from ports.language_model import Passage
from tests.builders import AT, a_hypothesis

KNOWLEDGE = Path(__file__).parents[3] / "bootstrap" / "knowledge"

CATALOGUE = """---
title: Kube Pod Crash Looping
weight: 20
---

# KubePodCrashLooping

## Meaning

Pod is in CrashLoop which means the app dies or is unresponsive.

## Impact

Service degradation or `Back-off restarting failed container`.

## Diagnosis

- Check pod events via `kubectl -n $NAMESPACE describe pod $POD`.

Other things to check:

- misconfiguration causing app crash on start
- see https://example.org
- is it slow?
- short
- read only filesystem
  - mounted by hand

### Slow disk issue

The disk could be slow, inspect `Disk Sync Duration`.

```shell
iostat -x 1
```

## Mitigation

See [Debugging Pods](https://kubernetes.io/docs)

Talk with developers or read documentation about the app.

## Links

Nothing of interest.
"""


def passage(
    content: str,
    number: int = 1,
    relevance: float = 0.5,
    kind: KnowledgeType = KnowledgeType.PLAYBOOK,
    title: str = "T",
) -> Passage:
    document = KnowledgeDocument(
        document_id=f"kb_{number:016x}",
        scope=GLOBAL,
        title=title,
        content=content,
        content_sha256="0" * 64,
        document_type=kind,
        origin=Origin.IMPORT,
        created_by="system",
        created_at=AT,
        updated_at=AT,
    )
    return Passage(document, f"{document.document_id}:0", title, content[:50], relevance, "shares the words x")


class TestParsing:
    def test_our_own_form(self) -> None:
        runbook = parse_runbook("PG", (KNOWLEDGE / "postgresql-too-many-connections.md").read_text())

        assert "FATAL:  sorry, too many clients already" in runbook.signatures
        assert [cause.name for cause in runbook.causes][:2] == ["Pools sum up beyond the limit", "Leaked sessions"]
        assert runbook.causes[1].literals == ("idle", "state_change")
        assert runbook.causes[1].detail.startswith("many `idle` backends of one application")
        assert len(runbook.steps) == 4
        assert runbook.steps[1].commands[0].startswith("psql -U postgres -c")
        assert "Mostly `idle`" in runbook.steps[1].notes
        assert len(runbook.mitigations) == len(runbook.fixes) == 3
        assert len(runbook.checks) == 2

    @pytest.mark.parametrize("path", sorted(KNOWLEDGE.glob("*.md")), ids=lambda path: path.stem)
    def test_every_starter_runbook_can_be_worked_with(self, path: Path) -> None:
        runbook = parse_runbook(path.stem, path.read_text())

        assert 2 <= len(runbook.causes) <= MAX_CAUSES
        assert all(cause.name and cause.detail for cause in runbook.causes)
        assert runbook.steps
        assert any(step.commands for step in runbook.steps)
        assert runbook.mitigations
        assert runbook.fixes
        assert runbook.checks

    def test_the_form_of_alert_catalogues(self) -> None:
        runbook = parse_runbook("Crash looping", CATALOGUE)

        assert runbook.symptoms.startswith("Pod is in CrashLoop")
        assert runbook.signatures == ("Back-off restarting failed container",)
        assert [statement_of(cause) for cause in runbook.causes] == [
            "misconfiguration causing app crash on start",
            "read only filesystem",
        ]
        assert runbook.causes[1].notes == "mounted by hand"
        assert [commands_of(step) for step in runbook.steps if commands_of(step)] == [
            ("kubectl -n $NAMESPACE describe pod $POD",),
            ("iostat -x 1",),
        ]
        assert [point.text for point in runbook.mitigations][1].startswith("Talk with developers")

    def test_a_heading_of_its_own_names_a_cause(self) -> None:
        text = "## Causes\n\n### Slow disk\n\nThe `fsync` takes long.\n\nMore.\n\n## Other\n\nx"
        runbook = parse_runbook("T", text)
        (cause,) = runbook.causes
        assert (cause.name, cause.detail, cause.literals) == ("Slow disk", "The `fsync` takes long.", ("fsync",))

    def test_code_without_text_and_front_matter_in_between(self) -> None:
        runbook = parse_runbook(
            "T", "---\na: 1\n---\n## Symptoms\n\n```\nboom\n```\n\n## Diagnose\n\n    df -h\n\n> quote\n"
        )
        assert runbook.signatures == ("boom",)
        assert runbook.steps == (Point("", commands=("df -h",)),)

    @given(st.text(max_size=300))
    def test_any_text_is_read(self, text: str) -> None:
        parse_runbook("T", text)
        parse_runbook("T", f"## Likely causes\n\n{text}\n\n## Diagnosis\n\n- {text}")


class TestSources:
    def test_each_document_once_best_first_without_evidence_and_prose(self) -> None:
        fix = "## Fix\n\n- Restart it"
        found = sources_of(
            [
                passage(fix, 1, 0.5),
                passage(fix, 1, 0.9),
                passage(fix, 2, 0.8),
                passage("just prose", 3, 0.9),
                passage(fix, 4, 0.9, KnowledgeType.EVIDENCE),
                passage(fix, 5, 0.2),
                passage(fix, 6, 0.85, KnowledgeType.SOLUTION_PATTERN),
            ]
        )

        assert [(source.document_id[-1], source.passage.relevance) for source in found] == [
            ("1", 0.9),
            ("6", 0.85),
            ("2", 0.8),
        ]
        assert [source.is_past_case for source in found] == [False, True, False]
        assert len(sources_of([passage(fix, number, 0.5) for number in range(1, 20)])) == MAX_SOURCES
        assert sources_of([]) == ()

    def test_a_hypothesis_remembers_its_cause(self) -> None:
        first = passage("## Causes\n\n- **Leak**: memory grows\n- **Burst**: a spike", 1)
        (source,) = sources_of([first])
        cause = source.runbook.causes[1]
        mine = a_hypothesis(statement=statement_of(cause), rationale=rationale_of(cause, source))

        assert origin_of(mine, [source]) == (source, cause)
        assert origin_of(mine, []) is None
        assert origin_of(mine.replace(statement="Something else"), [source]) is None
        assert origin_of(a_hypothesis(), [source]) is None


class TestRemedies:
    def test_relief_and_fix_come_from_their_sections(self) -> None:
        (source,) = sources_of([passage((KNOWLEDGE / "postgresql-too-many-connections.md").read_text())])
        leaked = source.runbook.causes[1]

        relief, fix = mitigation(source, "a", "h1", leaked), permanent_fix(source, "b", "h1", leaked)

        assert relief
        assert fix
        assert relief.is_mitigation
        assert relief.title.startswith("Relief: End sessions idle")
        assert any("pg_terminate_backend" in command for command in relief.commands)
        assert "Ended sessions lose their open transactions." in relief.risks
        assert not fix.is_mitigation
        assert fix.longterm_fix
        assert fix.solution_type is SolutionType.CONFIG_CHANGE

    def test_without_a_fix_the_mitigation_has_to_do(self) -> None:
        (source,) = sources_of([passage("## Mitigation\n\n- Roll back the release\n- [x](y)")])
        fix = permanent_fix(source, "b", None, None)
        assert fix
        assert (fix.title, fix.solution_type) == ("Fix: Roll back the release", SolutionType.ROLLBACK)
        assert not fix.implementation_steps

    def test_what_a_runbook_does_not_know_is_not_invented(self) -> None:
        (source,) = sources_of([passage("## Diagnosis\n\n- Look at `df -h`")])
        assert mitigation(source, "a", None, None) is None
        assert permanent_fix(source, "a", None, None) is None

    @pytest.mark.parametrize(
        ("text", "words"),
        [("kubectl rollout undo", "A rollback"), ("rm -rf /tmp/x", "brought back"), ("drain the node", "other nodes")],
    )
    def test_risks(self, text: str, words: str) -> None:
        assert any(words in risk for risk in risks_of(text))
