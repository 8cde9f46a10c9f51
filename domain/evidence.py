"""Uploaded files, the evidence extracted from them or typed by the user, and what is still asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints

from domain.milestones import Milestone
from domain.values import (
    Count,
    Fraction,
    Instant,
    Label50,
    Label255,
    Label500,
    Text,
    Text50,
    Text500,
    Text1000,
    Text2000,
    Value,
)

MAX_EXTRACT = 65_536
"""Characters of extracted evidence that a case keeps; the raw file stays in the blob store."""

FileId = Annotated[str, StringConstraints(pattern=r"^(file|data)_[0-9a-f]{12,16}$")]
EvidenceId = Annotated[str, StringConstraints(pattern=r"^ev_[0-9a-f]{12}$")]
EvidenceNeedId = Annotated[str, StringConstraints(pattern=r"^eneed_[0-9a-f]{12}$")]
HypothesisId = Annotated[str, StringConstraints(pattern=r"^hyp_[0-9a-f]{12}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EvidenceCategory(StrEnum):
    """What the evidence is good for. It decides which milestones the evidence can earn."""

    SYMPTOM = "symptom_evidence"
    CAUSAL = "causal_evidence"
    RESOLUTION = "resolution_evidence"
    OTHER = "other"


class EvidenceSourceType(StrEnum):
    """Where the evidence comes from."""

    LOG_FILE = "log_file"
    METRICS_DATA = "metrics_data"
    CONFIG_FILE = "config_file"
    CODE_REVIEW = "code_review"
    SCREENSHOT = "screenshot"
    COMMAND_OUTPUT = "command_output"
    DATABASE_QUERY = "database_query"
    TRACE_DATA = "trace_data"
    API_RESPONSE = "api_response"
    USER_REPORT = "user_report"
    MONITORING_ALERT = "monitoring_alert"
    OTHER = "other"


class EvidenceForm(StrEnum):
    """How the evidence came in."""

    DOCUMENT = "document"
    USER_INPUT = "user_input"


class UploadSource(StrEnum):
    """How a file reached the case."""

    FILE_UPLOAD = "file_upload"
    PASTE = "paste"
    SCREENSHOT = "screenshot"
    PAGE_INJECTION = "page_injection"
    AGENT_GENERATED = "agent_generated"


class UploadedFile(Value):
    """A raw file of the case. The bytes are in the blob store under ``content_ref``; legal in any status."""

    file_id: FileId
    filename: Label255
    size_bytes: Count
    sha256: Sha256
    data_type: Label50
    uploaded_at_turn: Count
    uploaded_at: Instant
    source_type: UploadSource = UploadSource.FILE_UPLOAD
    source_url: Text2000 | None = None
    preprocessing_summary: Text500 | None = None
    content_ref: Text1000


class Evidence(Value):
    """Something observed, and where it came from. ``extract`` is the part worth reading, with line numbers if known."""

    evidence_id: EvidenceId
    category: EvidenceCategory
    summary: Label500
    extract: Annotated[Text, StringConstraints(max_length=MAX_EXTRACT)]
    extraction_method: Label50
    source_type: EvidenceSourceType
    form: EvidenceForm
    file_id: FileId | None = None
    content_size_bytes: Count
    compression_ratio: Fraction | None = None
    analysis: Text2000 | None = None
    hypothesis_id: HypothesisId | None = None
    need_id: EvidenceNeedId | None = None
    """The request that it answers."""
    advances: tuple[Milestone, ...] = ()
    collected_at: Instant
    collected_by: Label255
    collected_at_turn: Count


class EvidenceNeedStatus(StrEnum):
    """What became of a request for evidence."""

    OPEN = "open"
    MET = "met"
    BLOCKED = "blocked"
    WITHDRAWN = "withdrawn"
    """What it was for has been settled without it."""


class EvidenceNeed(Value):
    """Evidence that the investigation has asked for: for a milestone, or to test a hypothesis."""

    need_id: EvidenceNeedId
    description: Label500
    milestone: Milestone | None = None
    hypothesis_id: HypothesisId | None = None
    critical: bool = False
    requested_at_turn: Count
    status: EvidenceNeedStatus = EvidenceNeedStatus.OPEN
    evidence_id: EvidenceId | None = None
    blocked_reason: Text500 | None = None
    command: Text1000 | None = None
    data_type: Text50 | None = None
