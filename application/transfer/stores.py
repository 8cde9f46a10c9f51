"""All stores of one installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from application.transfer.collections import Cases, Collection, Documents, Files, Sessions, Users, Vectors
from application.transfer.items import Kind
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.embeddings import EmbeddingGenerator
from ports.knowledge import KnowledgeRepository
from ports.sessions import SessionStore
from ports.users import UserRepository
from ports.vectors import VectorStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The open stores of an installation. ``vectors`` and ``sessions`` are None where a running server has them to
    itself; ``embeddings`` makes the vectors that are missing.
    """

    users: UserRepository
    documents: KnowledgeRepository
    cases: CaseRepository
    files: BlobStore
    vectors: VectorStore | None = None
    sessions: SessionStore | None = None
    embeddings: EmbeddingGenerator | None = None

    def collections(self) -> Mapping[Kind, Collection]:
        """The stores by kind, in the order in which they are moved.

        Raises:
            NotSupported: one of them lacks an ability of `ports.transfer`.
        """
        made: dict[Kind, Collection] = {Kind.USERS: Users(self.users), Kind.DOCUMENTS: Documents(self.documents)}
        if self.vectors is not None:
            made[Kind.VECTORS] = Vectors(self.vectors)
        made |= {Kind.FILES: Files(self.files), Kind.CASES: Cases(self.cases)}
        if self.sessions is not None:
            made[Kind.SESSIONS] = Sessions(self.sessions)
        return made
