"""Files become documents, or are refused with a reason; none stops the others."""

import os
from pathlib import Path

import pytest

from adapters.markdown.documents import UnreadableDocument, parse_document, read_document, read_folder
from domain.knowledge import MAX_DOCUMENT, KnowledgeType

FULL = """---
title: Disk is full
document_type: how_to
tags: [storage, linux]
version: 3
alerts:
  - NodeFilesystemSpaceFillingUp
  - DiskFull
---

## Symptoms

No space left on device
"""


class TestFrontMatter:
    def test_everything_it_says_is_kept(self) -> None:
        document = parse_document(FULL, "disk.md")
        assert document.title == "Disk is full"
        assert document.document_type is KnowledgeType.HOW_TO
        assert document.tags == ("storage", "linux")
        assert document.version == "3"
        assert document.metadata == {"alerts": "NodeFilesystemSpaceFillingUp, DiskFull"}
        assert document.content == "## Symptoms\n\nNo space left on device"

    @pytest.mark.parametrize("newline", ["\r\n", "\r"])
    def test_line_ends_and_a_byte_order_mark_do_not_matter(self, newline: str) -> None:
        assert parse_document("\ufeff" + FULL.replace("\n", newline), "disk.md") == parse_document(FULL, "disk.md")

    def test_without_one_the_first_heading_is_the_title(self) -> None:
        document = parse_document("Intro\n\n# Restart the broker #\n\nText", "broker.md")
        assert (document.title, document.document_type) == ("Restart the broker", KnowledgeType.PLAYBOOK)
        assert document.content.startswith("Intro")

    @pytest.mark.parametrize("body", ["## Only a section\n", "```sh\n# a comment\n```\n", "text"])
    def test_without_a_heading_the_name_of_the_file_is_the_title(self, body: str) -> None:
        assert parse_document(body, "queues/dead-letter.md").title == "dead-letter"

    @pytest.mark.parametrize("head", ["", "# a comment", "title:\ntags:\nversion:\ndocument_type:\nalerts:"])
    def test_what_is_left_empty_takes_its_default(self, head: str) -> None:
        document = parse_document(f"---\n{head}\n---\n# Heading\n", "name.md")
        assert document.title == "Heading"
        assert document.document_type is KnowledgeType.PLAYBOOK
        assert (document.tags, document.version, dict(document.metadata)) == ((), None, {})

    def test_an_empty_front_matter_needs_no_line_between(self) -> None:
        assert parse_document("---\n---\ntext", "name.md").content == "text"

    def test_tags_may_be_one_text(self) -> None:
        assert parse_document("---\ntags: storage, linux ,\n---\ntext", "name.md").tags == ("storage", "linux")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "has no text"),
            ("---\ntitle: x\n---\n \n", "has no text"),
            ("---\ntitle: [\n---\ntext", "no valid YAML"),
            ("---\nversion: 2024-13-45\n---\ntext", "no valid YAML"),
            ("---\ntags: " + "[" * 5000 + "\n---\ntext", "no valid YAML"),
            ("---\n- a\n- b\n---\ntext", "no mapping"),
            ("---\ntitle: [a, b]\n---\ntext", "title in the front matter is no single value"),
            ("---\ntags: {a: b}\n---\ntext", "tags in the front matter is no single value"),
            ("---\ntags: [[a], b]\n---\ntext", "tags in the front matter is no single value"),
            ("---\ndocument_type: novel\n---\ntext", "document_type 'novel' is unknown; accepted: playbook, "),
            ("---\ntitle: " + "x" * 20_000 + "\n---\ntext", "more than 20000 characters"),
        ],
    )
    def test_a_malformed_one_is_refused_with_the_reason(self, text: str, reason: str) -> None:
        with pytest.raises(UnreadableDocument, match=reason.replace("[", r"\[")):
            parse_document(text, "name.md")

    def test_aliases_do_not_multiply(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        with pytest.raises(UnreadableDocument, match="tags"):
            parse_document("---\n" + "\n".join([*lines, "tags: *a11"]) + "\n---\ntext", "name.md")


class TestFolder:
    def test_documents_come_in_the_order_of_their_paths_and_are_named_by_them(self, tmp_path: Path) -> None:
        for name in ("b.md", "a/z.MARKDOWN", "a/notes.txt", "a/picture.png", "README"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("text", encoding="utf-8")
        documents, failed = read_folder(tmp_path)
        assert [document.source_key for document in documents] == ["a/notes.txt", "a/z.MARKDOWN", "b.md"]
        assert failed == []

    def test_hidden_files_and_folders_are_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "a.md").write_text("text", encoding="utf-8")
        (tmp_path / ".draft.md").write_text("text", encoding="utf-8")
        assert read_folder(tmp_path) == ([], [])

    def test_links_that_lead_out_are_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "secret.md").write_text("secret", encoding="utf-8")
        inside = tmp_path / "inside"
        inside.mkdir()
        (inside / "real.md").write_text("text", encoding="utf-8")
        (inside / "out.md").symlink_to(tmp_path / "secret.md")
        (inside / "alias.md").symlink_to(inside / "real.md")
        (inside / "loop.md").symlink_to(inside / "loop.md")
        (inside / "up").symlink_to(tmp_path)
        documents, failed = read_folder(inside)
        assert [document.source_key for document in documents] == ["alias.md", "real.md"]
        assert failed == []

    def test_special_files_and_folders_with_a_suffix_are_passed_over(self, tmp_path: Path) -> None:
        (tmp_path / "folder.md").mkdir()
        os.mkfifo(tmp_path / "pipe.md")
        assert read_folder(tmp_path) == ([], [])

    def test_a_file_that_fails_does_not_stop_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "bad.md").write_bytes("Grüße".encode("latin-1"))
        (tmp_path / "empty.md").write_text("\n", encoding="utf-8")
        (tmp_path / "good.md").write_text("text", encoding="utf-8")
        with (tmp_path / "huge.md").open("wb") as file:
            file.truncate(4 * MAX_DOCUMENT + 1)
        (tmp_path / "wide.md").write_bytes("text".encode("utf-16"))
        documents, failed = read_folder(tmp_path)
        assert [document.source_key for document in documents] == ["good.md"]
        assert [name for name, _ in failed] == ["bad.md", "empty.md", "huge.md", "wide.md"]
        assert dict(failed)["bad.md"] == "the file is not UTF-8 text"
        assert "larger than 8000000 bytes" in dict(failed)["huge.md"]

    def test_a_file_that_is_gone_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableDocument, match="cannot be read: No such file"):
            read_document(tmp_path / "gone.md", "gone.md")
