"""Knowledge documents: runbooks, past solutions and evidence that can be found by their words and by their meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from domain.evidence import Sha256
from domain.values import (
    NO_ATTRIBUTES,
    Attributes,
    Count,
    Instant,
    Label100,
    Label255,
    Label500,
    Text,
    Text2000,
    Value,
)

MAX_DOCUMENT = 2_000_000
"""Characters of one document."""

KnowledgeId = Annotated[str, StringConstraints(pattern=r"^kb_[0-9a-f]{16}$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=50, strip_whitespace=True)]


class ScopeKind(StrEnum):
    """Who may read a document: everybody, its owner, or who may read its case.

    ``WITHDRAWN`` documents are read by nobody: a starter document that an administrator has deleted is kept there, so
    that the next release does not bring it back.
    """

    GLOBAL = "global"
    USER = "user"
    CASE = "case"
    WITHDRAWN = "withdrawn"


class Scope(Value):
    """Where a document belongs. ``owner_id`` is the user or the case; a global document has none."""

    kind: ScopeKind
    owner_id: Label255 | None = None

    @model_validator(mode="after")
    def _owner_fits_the_kind(self) -> Self:
        if (self.kind in (ScopeKind.USER, ScopeKind.CASE)) != (self.owner_id is not None):
            raise ValueError("a user or case scope names its owner, another scope has none")
        return self

    @classmethod
    def for_user(cls, user_id: str) -> Scope:
        """The private knowledge of one user."""
        return cls(kind=ScopeKind.USER, owner_id=user_id)

    @classmethod
    def for_case(cls, case_id: str) -> Scope:
        """What belongs to one case."""
        return cls(kind=ScopeKind.CASE, owner_id=case_id)

    @property
    def key(self) -> str:
        """One text for the scope, e.g. ``global`` or ``user:user_0123456789ab``; the filter field in the indexes."""
        return self.kind if self.owner_id is None else f"{self.kind}:{self.owner_id}"


GLOBAL = Scope(kind=ScopeKind.GLOBAL)
WITHDRAWN = Scope(kind=ScopeKind.WITHDRAWN)


class KnowledgeType(StrEnum):
    """What kind of document it is."""

    PLAYBOOK = "playbook"
    TROUBLESHOOTING_GUIDE = "troubleshooting_guide"
    REFERENCE = "reference"
    HOW_TO = "how_to"
    GUIDE = "guide"
    ARTICLE = "article"
    TROUBLESHOOTING = "troubleshooting"
    FAQ = "faq"
    OTHER = "other"
    EVIDENCE = "evidence"
    SOLUTION_PATTERN = "solution_pattern"


class Origin(StrEnum):
    """How the document came in. A starter document is replaced by a newer release unless somebody has edited it."""

    STARTER = "starter"
    IMPORT = "import"
    UPLOAD = "upload"
    CASE = "case"


class KnowledgeDocument(Value):
    """A document with its place, its text and where it came from."""

    document_id: KnowledgeId
    version: Count = 0
    scope: Scope
    title: Label500
    content: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_DOCUMENT)]
    content_sha256: Sha256
    document_type: KnowledgeType
    tags: Annotated[tuple[Tag, ...], Field(max_length=50)] = ()
    description: Text2000 | None = None
    source_url: Text2000 | None = None
    origin: Origin
    source_key: Label255 | None = None
    """The stable name under which an import finds this document again, e.g. a path; unique in its scope."""
    source_version: Label100 | None = None
    source_sha256: Sha256 | None = None
    """Hash over everything that was imported, so that a later import sees whether the source has changed."""
    edited: bool = False
    """Somebody changed the document here; an import leaves it alone from then on."""
    created_by: Label255
    created_at: Instant
    updated_at: Instant
    metadata: Attributes = NO_ATTRIBUTES


class Chunk(Value):
    """A part of a document that is indexed and found as one piece. ``position`` counts from 0."""

    chunk_id: Annotated[str, StringConstraints(pattern=r"^kb_[0-9a-f]{16}:\d{1,6}$")]
    document_id: KnowledgeId
    position: Count
    heading: Text2000 = ""
    text: Text
