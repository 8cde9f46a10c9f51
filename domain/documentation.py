"""Reports and other documents that a case produced, and the lessons drawn from it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from domain.values import Count, Instant, Label200, Label255, Text500, Text1000, Text5000, Value

DocumentId = Annotated[str, StringConstraints(pattern=r"^doc_[0-9a-f]{12}$")]


class DocumentType(StrEnum):
    """What kind of document it is."""

    INCIDENT_REPORT = "incident_report"
    POST_MORTEM = "post_mortem"
    RUNBOOK = "runbook"
    CHAT_SUMMARY = "chat_summary"
    TIMELINE = "timeline"
    EVIDENCE_BUNDLE = "evidence_bundle"
    OTHER = "other"


class DocumentFormat(StrEnum):
    """How it is written."""

    MARKDOWN = "markdown"
    PDF = "pdf"
    HTML = "html"
    JSON = "json"
    TXT = "txt"
    OTHER = "other"


class GeneratedDocument(Value):
    """A document made from the case; its bytes are in the blob store under ``content_ref``."""

    document_id: DocumentId
    document_type: DocumentType
    title: Label200
    content_ref: Text1000
    generated_at: Instant
    format: DocumentFormat
    size_bytes: Count


class DocumentationData(Value):
    """Everything that was written down about the case."""

    documents_generated: tuple[GeneratedDocument, ...] = ()
    runbook_entry: Text5000 | None = None
    lessons_learned: tuple[Text500, ...] = ()
    what_went_well: tuple[Text500, ...] = ()
    what_could_improve: tuple[Text500, ...] = ()
    preventive_measures: tuple[Text500, ...] = ()
    monitoring_recommendations: tuple[Text500, ...] = ()
    generated_at: Instant | None = None
    generated_by: Label255 | None = None
