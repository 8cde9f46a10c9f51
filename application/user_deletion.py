"""Deletes an account with everything that is kept for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from application.retries import retry_conflicts
from application.sessions import SessionService
from application.transfer.references import file_keys
from application.users import UserService
from domain.case import Case
from domain.knowledge import Scope
from domain.user import User
from ports.blobs import BlobStore
from ports.cases import CaseFilter, CaseRepository
from ports.clock import Clock
from ports.errors import NotFound
from ports.knowledge import KnowledgeRepository
from ports.users import UserRepository
from ports.vectors import VectorStore

_BATCH = 64
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DeletedUser:
    """How much of a user was deleted."""

    user: User
    cases: int
    files: int
    documents: int


class UserDeletion:
    """Deletes users.

    The account is closed first, so that nothing new comes in. Then goes what belongs to it, each thing before what
    leads to it: vectors before their document, files and knowledge before their case, all of that before the user. So
    an interruption leaves nothing that a repeat would not find.
    """

    def __init__(
        self,
        *,
        users: UserRepository,
        accounts: UserService,
        sessions: SessionService,
        cases: CaseRepository,
        documents: KnowledgeRepository,
        vectors: VectorStore,
        blobs: BlobStore,
        clock: Clock,
    ) -> None:
        """Works on these ports, and signs out by way of the services."""
        self._users = users
        self._accounts = accounts
        self._sessions = sessions
        self._cases = cases
        self._documents = documents
        self._vectors = vectors
        self._blobs = blobs
        self._clock = clock

    async def delete_user(self, username: str, *, on_progress: Callable[[str], None] = lambda _: None) -> DeletedUser:
        """Delete the account, its cases with messages, files and knowledge, its own knowledge, sessions and tokens.

        What others wrote stays, also where it names the id of the user. Values that expire within a day, such as
        repeated answers, are left to that.

        Raises:
            NotFound: there is no such user.
            PortError: a store failed; a repeat does the rest.
        """
        found_user = await self._users.get_by_username(username)
        if found_user is None:
            raise NotFound("user", username)
        user_id = found_user.user_id
        user = await retry_conflicts(lambda: self._close(user_id))
        await self._accounts.forget_tokens(user.user_id)
        await self._sessions.end_all(user.user_id)
        cases = files = documents = 0
        while found := (await self._cases.list(CaseFilter(user_id=user.user_id), limit=_BATCH)).items:
            for case in found:
                on_progress(case.title)
                documents += await self._forget(Scope.for_case(case.case_id))
                files += await self._delete_files(case)
                cases += await self._cases.delete(case.case_id)
        documents += await self._forget(Scope.for_user(user.user_id))
        await self._users.delete(user.user_id)
        return DeletedUser(user, cases, files, documents)

    async def _close(self, user_id: str) -> User:
        user = await self._users.get(user_id)
        if user is None:
            raise NotFound("user", user_id)
        now = max(self._clock.now(), user.updated_at)
        valid_from = max(now, user.tokens_valid_from) + _TICK
        return await self._users.save(user.replace(is_active=False, tokens_valid_from=valid_from, updated_at=now))

    async def _delete_files(self, case: Case) -> int:
        deleted = 0
        for key in file_keys(case):
            deleted += await self._blobs.delete(key)
        # What no case names: an upload that was interrupted.
        while found := await self._blobs.scan(prefix=case.case_id):
            for blob in found:
                deleted += await self._blobs.delete(blob.key)
        return deleted

    async def _forget(self, scope: Scope) -> int:
        deleted = 0
        while found := (await self._documents.list([scope], limit=_BATCH)).items:
            for document in found:
                ids = [chunk.chunk_id for chunk in await self._documents.chunks_of(document.document_id)]
                for start in range(0, len(ids), _BATCH):
                    await self._vectors.delete(ids[start : start + _BATCH])
                deleted += await self._documents.delete(document.document_id)
        return deleted
