"""Markdown and text files as knowledge documents. A YAML front matter gives title, type, tags and version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from application.knowledge import SourceDocument
from domain.knowledge import MAX_DOCUMENT, KnowledgeType

SUFFIXES = (".md", ".markdown", ".txt")

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)(?<=\n)---[ \t]*(?:\n|\Z)", re.DOTALL)
_MAX_FRONT_MATTER = 20_000
_MAX_BYTES = 4 * MAX_DOCUMENT


class UnreadableDocument(Exception):
    """The file cannot be a document; the message says why."""


def read_folder(folder: Path) -> tuple[list[SourceDocument], list[tuple[str, str]]]:
    """The documents of all Markdown and text files below ``folder``, by path, and the files that failed with why.

    Hidden files and folders are passed over, and links that lead out of the folder are not followed.
    """
    documents: list[SourceDocument] = []
    failed: list[tuple[str, str]] = []
    root = folder.resolve()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if (
            hidden
            or path.suffix.lower() not in SUFFIXES
            or not path.is_file()
            or not path.resolve().is_relative_to(root)
        ):
            continue
        try:
            documents.append(read_document(path, name))
        except UnreadableDocument as error:
            failed.append((name, str(error)))
    return documents, failed


def read_document(path: Path, source_key: str) -> SourceDocument:
    """The document in one file.

    Raises:
        UnreadableDocument: the file is too large, no UTF-8 text, empty, or its front matter is malformed.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UnreadableDocument(f"the file is larger than {_MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableDocument("the file is not UTF-8 text") from None
    except OSError as error:
        raise UnreadableDocument(f"the file cannot be read: {error.strerror}") from error
    return parse_document(text, source_key)


def parse_document(text: str, source_key: str) -> SourceDocument:
    """The document that ``text`` is, titled by its front matter, else its first heading, else the file's name.

    Raises:
        UnreadableDocument: there is no text, or the front matter is malformed.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    match = _FRONT_MATTER.match(text)
    head = _front_matter(match[1]) if match else {}
    body = text[match.end() :].strip() if match else text.strip()
    if not body:
        raise UnreadableDocument("the file has no text")
    kind = _text(head, "document_type") or KnowledgeType.PLAYBOOK
    if kind not in set(KnowledgeType):
        raise UnreadableDocument(f"document_type {kind!r} is unknown; accepted: {', '.join(KnowledgeType)}")
    return SourceDocument(
        source_key=source_key,
        title=_text(head, "title") or _first_heading(body) or Path(source_key).stem,
        content=body,
        document_type=KnowledgeType(kind),
        tags=_texts(head, "tags"),
        version=_text(head, "version") or None,
        metadata={"alerts": ", ".join(alerts)} if (alerts := _texts(head, "alerts")) else {},
    )


def _first_heading(body: str) -> str:
    for line in body.split("\n"):
        if line.startswith("# "):
            return line[2:].strip().rstrip("#").strip()
        if line.startswith(("```", "~~~")):
            # What looks like a heading in a code block is a comment.
            return ""
    return ""


def _front_matter(text: str) -> Mapping[str, Any]:
    if len(text) > _MAX_FRONT_MATTER:
        raise UnreadableDocument(f"the front matter has more than {_MAX_FRONT_MATTER} characters")
    try:
        head = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableDocument(f"the front matter is no valid YAML: {' '.join(str(error).split())}") from None
    if head is None:
        return {}
    if not isinstance(head, dict):
        raise UnreadableDocument("the front matter is no mapping of names to values")
    return head


def _text(head: Mapping[str, Any], name: str) -> str:
    value = head.get(name)
    if isinstance(value, list | dict | set):
        # A text of nested aliases could be longer than the memory.
        raise UnreadableDocument(f"{name} in the front matter is no single value")
    return "" if value is None else str(value).strip()


def _texts(head: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = head.get(name)
    if value is None:
        return ()
    items = value if isinstance(value, list) else _text(head, name).split(",")
    return tuple(filter(None, (_text({name: item}, name) for item in items)))
