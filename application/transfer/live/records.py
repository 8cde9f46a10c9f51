"""Cases, users and documents whose store can be exchanged while it is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from application.transfer.items import Kind
from application.transfer.live.layer import Layer
from domain.analytics import CaseAnalytics
from domain.case import Case
from domain.knowledge import Chunk, KnowledgeDocument, KnowledgeType, Scope
from domain.message import Message
from domain.user import User
from ports.cases import ALL_CASES, CaseFilter, CaseRepository
from ports.knowledge import KnowledgeRepository, TextHit
from ports.paging import Page
from ports.users import UserRepository


class LiveCases(Layer[CaseRepository], CaseRepository):
    """Cases. What a transaction writes is noted when it ends."""

    kind = Kind.CASES

    async def save(self, case: Case) -> Case:
        async with self._writing(case.case_id):
            return await self.store.save(case)

    async def get(self, case_id: str) -> Case | None:
        case = await self.store.get(case_id)
        if self.shadow is not None and self.traffic.transaction is None:
            self.shadow.saw(case_id, lambda store: store.get(case_id), f"get {case_id}")
        return case

    async def list(self, filter: CaseFilter = ALL_CASES, *, limit: int = 50, offset: int = 0) -> Page[Case]:  # noqa: A002
        page = await self.store.list(filter, limit=limit, offset=offset)
        if self.shadow is not None and self.traffic.transaction is None:
            self.shadow.saw(None, lambda store: store.list(filter, limit=limit, offset=offset), f"list {filter}")
        return page

    async def delete(self, case_id: str) -> bool:
        async with self._writing(case_id, deletes=True):
            return await self.store.delete(case_id)

    async def search(
        self,
        query: str,
        filter: CaseFilter = ALL_CASES,  # noqa: A002
        *,
        limit: int = 20,
        offset: int = 0,
    ) -> Page[Case]:
        return await self.store.search(query, filter, limit=limit, offset=offset)

    async def add_message(self, message: Message) -> bool:
        async with self._writing(message.case_id):
            return await self.store.add_message(message)

    async def get_messages(self, case_id: str, *, limit: int = 50, offset: int = 0) -> Page[Message]:
        page = await self.store.get_messages(case_id, limit=limit, offset=offset)
        if self.shadow is not None and self.traffic.transaction is None:
            self.shadow.saw(
                case_id,
                lambda store: store.get_messages(case_id, limit=limit, offset=offset),
                f"messages {offset} to {offset + limit} of {case_id}",
            )
        return page

    async def update_activity_timestamp(self, case_id: str, at: datetime) -> bool:
        async with self._writing(case_id):
            return await self.store.update_activity_timestamp(case_id, at)

    async def get_analytics(self, case_id: str) -> CaseAnalytics | None:
        return await self.store.get_analytics(case_id)

    async def cleanup_expired(self, closed_before: datetime, *, batch_size: int = 100) -> tuple[str, ...]:
        async with self._writing() as write:
            deleted = await self.store.cleanup_expired(closed_before, batch_size=batch_size)
            write.keys = dict.fromkeys(deleted, True)
            return deleted

    async def find_by_session(self, session_id: str, *, limit: int = 50, offset: int = 0) -> Page[Case]:
        return await self.store.find_by_session(session_id, limit=limit, offset=offset)

    @asynccontextmanager
    async def begin_transaction(self) -> AsyncIterator[None]:
        if self.traffic.transaction is not None:
            async with self.store.begin_transaction():
                yield
            return
        async with self._writing() as write:
            noted = self.traffic.begin_transaction()
            try:
                async with self.store.begin_transaction():
                    yield
            finally:
                self.traffic.end_transaction()
                write.keys = noted

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[Case, ...]:
        return await self.store.scan(after=after, limit=limit)

    def note(self, keys: Mapping[str, bool], error: BaseException | None) -> None:
        noted = self.traffic.transaction
        if noted is None:
            super().note(keys, error)
            return
        for key, deleted in keys.items():
            noted[key] = deleted or noted.get(key, False)


class LiveUsers(Layer[UserRepository], UserRepository):
    """Users."""

    kind = Kind.USERS

    async def save(self, user: User) -> User:
        async with self._writing(user.user_id):
            return await self.store.save(user)

    async def get(self, user_id: str) -> User | None:
        user = await self.store.get(user_id)
        if self.shadow is not None:
            self.shadow.saw(user_id, lambda store: store.get(user_id), f"get {user_id}")
        return user

    async def get_by_username(self, username: str) -> User | None:
        user = await self.store.get_by_username(username)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.get_by_username(username), "get by user name")
        return user

    async def get_by_email(self, email: str) -> User | None:
        user = await self.store.get_by_email(email)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.get_by_email(email), "get by address")
        return user

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        page = await self.store.list(limit=limit, offset=offset)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.list(limit=limit, offset=offset), f"list from {offset}")
        return page

    async def delete(self, user_id: str) -> bool:
        async with self._writing(user_id, deletes=True):
            return await self.store.delete(user_id)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        return await self.store.scan(after=after, limit=limit)


class LiveDocuments(Layer[KnowledgeRepository], KnowledgeRepository):
    """Knowledge documents with their chunks."""

    kind = Kind.DOCUMENTS

    async def save(self, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> KnowledgeDocument:
        async with self._writing(document.document_id):
            return await self.store.save(document, chunks)

    async def get(self, document_id: str) -> KnowledgeDocument | None:
        document = await self.store.get(document_id)
        if self.shadow is not None:
            self.shadow.saw(document_id, lambda store: store.get(document_id), f"get {document_id}")
        return document

    async def get_by_source(self, scope: Scope, source_key: str) -> KnowledgeDocument | None:
        document = await self.store.get_by_source(scope, source_key)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.get_by_source(scope, source_key), f"get by source {source_key}")
        return document

    async def get_chunks(self, chunk_ids: Sequence[str]) -> tuple[Chunk, ...]:
        chunks = await self.store.get_chunks(chunk_ids)
        if self.shadow is not None:
            self.shadow.saw(None, lambda store: store.get_chunks(chunk_ids), f"get {len(chunk_ids)} chunks")
        return chunks

    async def chunks_of(self, document_id: str) -> tuple[Chunk, ...]:
        chunks = await self.store.chunks_of(document_id)
        if self.shadow is not None:
            self.shadow.saw(document_id, lambda store: store.chunks_of(document_id), f"chunks of {document_id}")
        return chunks

    async def list(
        self, scopes: Sequence[Scope], *, document_type: KnowledgeType | None = None, limit: int = 50, offset: int = 0
    ) -> Page[KnowledgeDocument]:
        async def ask(store: Any) -> object:
            return await store.list(scopes, document_type=document_type, limit=limit, offset=offset)

        page = await self.store.list(scopes, document_type=document_type, limit=limit, offset=offset)
        if self.shadow is not None:
            self.shadow.saw(None, ask, f"list from {offset}")
        return page

    async def delete(self, document_id: str) -> bool:
        async with self._writing(document_id, deletes=True):
            return await self.store.delete(document_id)

    async def search(
        self,
        terms: Sequence[str],
        scopes: Sequence[Scope],
        *,
        document_types: Sequence[KnowledgeType] = (),
        limit: int = 20,
    ) -> tuple[TextHit, ...]:
        return await self.store.search(terms, scopes, document_types=document_types, limit=limit)

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[KnowledgeDocument, ...]:
        return await self.store.scan(after=after, limit=limit)
