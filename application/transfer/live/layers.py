"""The exchangeable stores of an installation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from application.transfer.items import Kind
from application.transfer.live.layer import Layer
from application.transfer.live.records import LiveCases, LiveDocuments, LiveUsers
from application.transfer.live.traffic import Traffic
from application.transfer.live.values import LiveFiles, LiveSessions, LiveVectors
from application.transfer.stores import Stores
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.knowledge import KnowledgeRepository
from ports.sessions import CacheStore
from ports.users import UserRepository
from ports.vectors import VectorStore


class Layers:
    """One layer over each store. Services are given these, and never notice that a store is exchanged."""

    def __init__(
        self,
        *,
        cases: CaseRepository,
        users: UserRepository,
        documents: KnowledgeRepository,
        sessions: CacheStore,
        vectors: VectorStore,
        files: BlobStore,
    ) -> None:
        self.traffic = Traffic()
        self.cases = LiveCases(cases, self.traffic)
        self.users = LiveUsers(users, self.traffic)
        self.documents = LiveDocuments(documents, self.traffic)
        self.sessions = LiveSessions(sessions, self.traffic)
        self.vectors = LiveVectors(vectors, self.traffic)
        self.files = LiveFiles(files, self.traffic)

    @property
    def by_kind(self) -> Mapping[Kind, Layer[Any]]:
        """All layers."""
        layers: tuple[Layer[Any], ...] = (
            self.users,
            self.documents,
            self.vectors,
            self.files,
            self.cases,
            self.sessions,
        )
        return {layer.kind: layer for layer in layers}

    @property
    def stores(self) -> Stores:
        """The stores that answer now."""
        return Stores(
            users=self.users.store,
            documents=self.documents.store,
            cases=self.cases.store,
            files=self.files.store,
            vectors=self.vectors.store,
            sessions=self.sessions.store,
        )
