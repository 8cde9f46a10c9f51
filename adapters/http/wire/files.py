"""Files of a case."""

from __future__ import annotations

from datetime import datetime

from adapters.http.wire.base import Answer
from domain.case import Case
from domain.evidence import Evidence, UploadedFile

KIB = 1024


class FileRow(Answer):
    """One file of a case in a list."""

    file_id: str
    filename: str
    size_bytes: int
    size_display: str
    uploaded_at_turn: int
    uploaded_at: datetime
    source_type: str
    analysis_status: str = "completed"
    summary: str | None
    evidence_count: int

    @classmethod
    def of(cls, file: UploadedFile, case: Case) -> FileRow:
        """``file`` of ``case`` for a client."""
        return cls(
            file_id=file.file_id,
            filename=file.filename,
            size_bytes=file.size_bytes,
            size_display=display_size(file.size_bytes),
            uploaded_at_turn=file.uploaded_at_turn,
            uploaded_at=file.uploaded_at,
            source_type=file.source_type,
            summary=file.preprocessing_summary,
            evidence_count=len(_evidence_of(file, case)),
        )


class FileList(Answer):
    """A page of files."""

    files: list[FileRow]
    total_count: int
    limit: int
    offset: int


class DerivedEvidence(Answer):
    """Evidence that came from a file."""

    evidence_id: str
    summary: str
    category: str
    primary_purpose: str
    collected_at_turn: int
    related_hypothesis_ids: list[str]
    source_type: str


class FileDetails(Answer):
    """One file of a case with the evidence that came from it."""

    file_id: str
    filename: str
    size_bytes: int
    size_display: str
    uploaded_at_turn: int
    uploaded_at: datetime
    upload_source: str
    summary: str | None
    evidence_count: int
    derived_evidence: list[DerivedEvidence]

    @classmethod
    def of(cls, file: UploadedFile, case: Case) -> FileDetails:
        """``file`` of ``case`` for a client."""
        evidence = _evidence_of(file, case)
        return cls(
            file_id=file.file_id,
            filename=file.filename,
            size_bytes=file.size_bytes,
            size_display=display_size(file.size_bytes),
            uploaded_at_turn=file.uploaded_at_turn,
            uploaded_at=file.uploaded_at,
            upload_source=file.source_type,
            summary=file.preprocessing_summary,
            evidence_count=len(evidence),
            derived_evidence=[
                DerivedEvidence(
                    evidence_id=item.evidence_id,
                    summary=item.summary,
                    category=item.category.removesuffix("_evidence"),
                    primary_purpose=item.advances[0] if item.advances else item.category,
                    collected_at_turn=item.collected_at_turn,
                    related_hypothesis_ids=[
                        hypothesis.hypothesis_id
                        for hypothesis in case.hypotheses
                        if hypothesis.link(item.evidence_id) is not None
                    ],
                    source_type=item.source_type,
                )
                for item in evidence
            ],
        )


def display_size(size: int) -> str:
    """``size`` in bytes for people, e.g. ``320 B`` or ``1.5 MB``."""
    if size < KIB:
        return f"{size} B"
    return f"{size / KIB:.1f} KB" if size < KIB * KIB else f"{size / KIB / KIB:.1f} MB"


def _evidence_of(file: UploadedFile, case: Case) -> list[Evidence]:
    return [item for item in case.evidence if item.file_id == file.file_id]
