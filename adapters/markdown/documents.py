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

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"^#\s+(.+?)\s*#*$", re.MULTILINE)
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
    text = text.replace("\r\n", "\n")
    match = _FRONT_MATTER.match(text)
    head = _front_matter(match[1]) if match else {}
    body = text[match.end() :].strip() if match else text.strip()
    if not body:
        raise UnreadableDocument("the file has no text")
    heading = _HEADING.search(body)
    title = str(head.get("title") or (heading[1] if heading else Path(source_key).stem))
    kind = str(head.get("document_type", KnowledgeType.PLAYBOOK))
    if kind not in set(KnowledgeType):
        raise UnreadableDocument(f"document_type {kind!r} is unknown; accepted: {', '.join(KnowledgeType)}")
    return SourceDocument(
        source_key=source_key,
        title=title,
        content=body,
        document_type=KnowledgeType(kind),
        tags=_texts(head, "tags"),
        version=str(head["version"]) if "version" in head else None,
        metadata={"alerts": ", ".join(alerts)} if (alerts := _texts(head, "alerts")) else {},
    )


def _front_matter(text: str) -> Mapping[str, Any]:
    try:
        head = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UnreadableDocument(f"the front matter is no valid YAML: {' '.join(str(error).split())}") from None
    if head is None:
        return {}
    if not isinstance(head, dict):
        raise UnreadableDocument("the front matter is no mapping of names to values")
    return head


def _texts(head: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = head.get(name) or ()
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise UnreadableDocument(f"{name} in the front matter is neither a list nor a text")
    return tuple(text for text in (str(item).strip() for item in value) if text)
