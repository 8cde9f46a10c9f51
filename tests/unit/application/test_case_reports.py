"""Reports: complete, true to the case, safe against what users write, and kept with the case."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from application.markdown import code, escape, fenced
from application.report_text import render, report_title
from domain.case import Case
from domain.documentation import DocumentationData, DocumentType, GeneratedDocument
from domain.episodes import DegradedEpisode, DegradedModeType
from domain.errors import InvalidInput, MissingPrerequisite
from domain.evidence import EvidenceNeedStatus
from domain.hypothesis import EvidenceStance
from domain.proposals import DecisionKind
from ports.errors import Conflict, NotFound
from tests.builders import (
    a_case,
    a_closed_case,
    a_file,
    a_full_case,
    a_hypothesis,
    a_link,
    a_need,
    a_resolved_case,
    a_solution,
    an_evidence,
    an_investigating_case,
    later,
)
from tests.unit.application.world import ADA, BOB, LOG, PROBLEM, World, decide, upload

KINDS = (DocumentType.INCIDENT_REPORT, DocumentType.POST_MORTEM, DocumentType.TIMELINE)
SECTIONS = (
    "Summary",
    "Impact",
    "Timeline",
    "Root cause",
    "Hypotheses considered",
    "Solution and verification",
    "Follow-ups",
    "Evidence",
)


def sections(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def section(text: str, name: str) -> str:
    return text.split(f"## {name}\n")[1].split("\n## ", maxsplit=1)[0]


class TestText:
    def test_each_kind_has_its_sections(self) -> None:
        case = a_full_case()
        assert sections(render(case, DocumentType.INCIDENT_REPORT, later(60))) == list(SECTIONS)
        assert sections(render(case, DocumentType.TIMELINE, later(60))) == ["Timeline", "Evidence"]
        assert sections(render(case, DocumentType.POST_MORTEM, later(60))) == [
            *SECTIONS[:6],
            "What went well",
            "What did not",
            *SECTIONS[6:],
        ]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "case", [a_full_case(), a_resolved_case(), a_closed_case(), an_investigating_case(), a_case()]
    )
    def test_every_id_that_is_cited_exists(self, case: Case, kind: DocumentType) -> None:
        text = render(case, kind, later(60))

        assert set(re.findall(r"\bev_[0-9a-f]{12}\b", text)) <= {item.evidence_id for item in case.evidence}
        assert set(re.findall(r"\bhyp_[0-9a-f]{12}\b", text)) <= {item.hypothesis_id for item in case.hypotheses}
        assert set(re.findall(r"\bsol_[0-9a-f]{12}\b", text)) <= {item.solution_id for item in case.solutions}
        assert text.endswith("\n")
        assert "None" not in text

    def test_all_evidence_stands_in_the_table_with_its_file_and_hash(self) -> None:
        case = a_full_case(
            uploaded_files=tuple(a_file(number, filename=f"node|{number}.log") for number in range(1, 8))
        )
        table = section(render(case, DocumentType.INCIDENT_REPORT, later(60)), "Evidence")

        for item in case.evidence:
            assert f"`{item.evidence_id}`" in table
        for file in case.uploaded_files:
            assert file.sha256 in table
        assert table.count("not used") == 1
        assert "`node\\|7.log`" in table

    def test_the_confidence_is_shown_as_a_sum(self) -> None:
        links = (
            a_link(1, EvidenceStance.STRONGLY_SUPPORTS),
            a_link(2, EvidenceStance.CONTRADICTS, completeness=0.5),
        )
        hypothesis = a_hypothesis(1, initial_likelihood=0.4, likelihood=0.51, links=links, stale_turns=2)
        case = an_investigating_case(evidence=(an_evidence(1), an_evidence(2)), hypotheses=(hypothesis,))

        text = section(render(case, DocumentType.INCIDENT_REPORT, later(60)), "Hypotheses considered")

        rows = [
            [cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("| ")
        ]
        assert [(row[0], row[2]) for row in rows[2:]] == [
            ("Initial", "0.40"),
            ("`ev_000000000001`", "+0.30"),
            ("`ev_000000000002`", "-0.10"),
            ("By the evidence", "0.60"),
            ("Decay", "x 0.85"),
            ("Likelihood", "0.51"),
        ]

    def test_the_timeline_is_in_order_and_complete(self) -> None:
        case = a_full_case()
        rows = re.findall(
            r"^\| (\d{4}-\S+ \S+ UTC) \| (.*) \|$", render(case, DocumentType.TIMELINE, later(60)), re.MULTILINE
        )

        assert [time for time, _ in rows] == sorted(time for time, _ in rows)
        told = "\n".join(text for _, text in rows)
        for turn in case.turn_history:
            assert f"Turn {turn.turn_number} (" in told
        for record in case.progress.completed:
            assert f"Milestone {record.milestone} in turn" in told
        assert "was taken back: a second region was affected" in told
        assert "consulting → investigating" in told

    def test_an_unsolved_case_says_what_is_left(self) -> None:
        case = an_investigating_case(
            hypotheses=(a_hypothesis(1),),
            solutions=(
                a_solution(1),
                a_solution(2, title="Restart", applied_at=later(5), applied_by="x"),
                a_solution(
                    3,
                    title="Add memory",
                    applied_at=later(5),
                    applied_by="x",
                    verified_at=later(6),
                    effectiveness=0.1,
                ),
            ),
            evidence_needs=(a_need(1), a_need(2, status=EvidenceNeedStatus.BLOCKED)),
            degraded_episodes=(
                DegradedEpisode(
                    mode_type=DegradedModeType.NO_PROGRESS, entered_at=later(3), reason="3 turns in a row brought none"
                ),
            ),
        )
        text = render(case, DocumentType.POST_MORTEM, later(60))

        follow_ups = section(text, "Follow-ups")
        assert "Apply the permanent fix: Raise the pool size (1)" in follow_ups
        assert "Verify: Restart" in follow_ups
        assert "Decide: The connection pool is exhausted (1)" in follow_ups
        assert "Get: The access log of node 1" in follow_ups
        assert "node 2" not in follow_ups
        badly = section(text, "What did not")
        assert "Add memory did not help" in badly
        assert "3 turns in a row" in badly
        assert "access log of node 2" in badly
        assert "The cause is not established." in section(text, "Summary")

    def test_the_likeliest_explanation_is_not_sold_as_the_cause(self) -> None:
        full = a_full_case()
        case = an_investigating_case(
            evidence=tuple(item.replace(hypothesis_id=None, need_id=None) for item in full.evidence[:2]),
            uploaded_files=full.uploaded_files,
            hypotheses=(a_hypothesis(1), a_hypothesis(4)),
            working_conclusion=full.working_conclusion,
        )
        assert "Best explanation: The connection pool" in section(render(case, KINDS[0], later(60)), "Summary")

    def test_a_long_title_is_cut(self) -> None:
        assert len(report_title(a_case(title="x" * 200), DocumentType.INCIDENT_REPORT)) == 200


class TestMarkdown:
    @pytest.mark.parametrize(
        "hostile",
        [
            "# heading",
            "<script>alert(1)</script>",
            "[a](javascript:x)",
            "| a | b |",
            "1. list",
            "- list",
            "```\ncode",
            "*bold* _it_ **x**",
            "a_b_c",
            "back\\slash",
            "---",
            "&lt; ~~x~~",
        ],
    )
    def test_what_users_write_shows_as_it_is(self, hostile: str) -> None:
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(escape(hostile))

        assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
        shown = "".join(child.content for child in tokens[1].children or ())
        assert {child.type for child in tokens[1].children or ()} <= {"text", "text_special"}
        assert shown == " ".join(hostile.split())

    def test_inline_code_stays_code(self) -> None:
        assert escape("set `a|b_c` *now*") == "set `a|b_c` \\*now\\*"

    @given(st.text(alphabet="`ab |", min_size=1).filter(str.strip))
    def test_code_holds_any_back_ticks(self, text: str) -> None:
        tokens = MarkdownIt("commonmark").parseInline(code(text))
        (child,) = tokens[0].children or ()
        assert child.type == "code_inline"
        assert child.content == " ".join(text.split())

    @given(st.text(alphabet="`a\n", min_size=1))
    def test_a_block_holds_any_back_ticks(self, text: str) -> None:
        tokens = MarkdownIt("commonmark").parse(fenced(text))
        assert [token.type for token in tokens] == ["fence"]
        assert tokens[0].content == f"{text}\n"


class TestService:
    @pytest.fixture
    def world(self) -> World:
        return World()

    async def test_a_report_is_kept_with_the_case(self, world: World) -> None:
        case = await world.open()
        await world.turn(case, PROBLEM, files=[upload("ä|`.log", LOG)])

        first = await world.reports.generate(ADA, case.case_id, DocumentType.INCIDENT_REPORT)
        world.clock.advance(timedelta(minutes=1))
        second = await world.reports.generate(ADA, case.case_id, DocumentType.TIMELINE)

        assert await world.reports.list_reports(ADA, case.case_id) == (second.document, first.document)
        assert await world.reports.read(ADA, case.case_id, first.document.document_id) == first
        assert first.document.size_bytes == len(first.text.encode())
        assert first.document.title == "Incident report: Checkout in production answers 500 since 11:58"

    async def test_a_finished_case_gets_a_post_mortem_an_open_one_does_not(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(MissingPrerequisite):
            await world.reports.generate(ADA, case.case_id, DocumentType.POST_MORTEM)
        await world.turn(case, "", decide(DecisionKind.CLOSE))

        report = await world.reports.generate(ADA, case.case_id, DocumentType.POST_MORTEM)

        assert "closed (consulting_only)" in report.text

    async def test_other_types_are_refused_with_those_accepted(self, world: World) -> None:
        case = await world.open()
        with pytest.raises(InvalidInput, match="incident_report, post_mortem, timeline"):
            await world.reports.generate(ADA, case.case_id, DocumentType.RUNBOOK)

    async def test_reports_of_others_and_missing_ones_do_not_exist(self, world: World) -> None:
        case = await world.open()
        report = await world.reports.generate(ADA, case.case_id, DocumentType.TIMELINE)
        for refused in (
            world.reports.generate(BOB, case.case_id, DocumentType.TIMELINE),
            world.reports.list_reports(BOB, case.case_id),
            world.reports.read(BOB, case.case_id, report.document.document_id),
            world.reports.read(ADA, case.case_id, "doc_00000000dead"),
            world.reports.read(ADA, "case_00000000dead", report.document.document_id),
        ):
            with pytest.raises(NotFound):
                await refused

    async def test_a_case_keeps_a_bounded_number(self, world: World) -> None:
        case = await world.open()
        documents = tuple(
            GeneratedDocument(
                document_id=f"doc_{number:012x}",
                document_type=DocumentType.TIMELINE,
                title="x",
                content_ref="x",
                generated_at=later(1),
                format="markdown",
                size_bytes=1,
            )
            for number in range(100)
        )
        await world.cases.save(case.replace(documentation=DocumentationData(documents_generated=documents)))
        with pytest.raises(InvalidInput, match="100"):
            await world.reports.generate(ADA, case.case_id, DocumentType.TIMELINE)

    async def test_a_lost_race_is_repeated_and_a_hopeless_one_leaves_no_blob(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = await world.open()
        save, losses = world.cases.save, [2]

        async def contested(changed: Case) -> Case:
            if losses[0]:
                losses[0] -= 1
                raise Conflict("case", changed.case_id, changed.version, changed.version + 1)
            return await save(changed)

        monkeypatch.setattr(world.cases, "save", contested)
        await world.reports.generate(ADA, case.case_id, DocumentType.TIMELINE)
        losses[0] = 99
        with pytest.raises(Conflict):
            await world.reports.generate(ADA, case.case_id, DocumentType.TIMELINE)

        assert len(await world.blob_keys()) == 1
