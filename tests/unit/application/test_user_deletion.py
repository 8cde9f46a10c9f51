"""A user is deleted with everything, and an interruption leaves nothing that a repeat does not find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from adapters.memory.vectors import InMemoryVectorStore
from adapters.system.clock import SystemClock
from adapters.system.ids import RandomIds
from application.errors import Unauthenticated
from application.passwords import Passwords
from application.sessions import SessionService
from application.transfer.items import Kind
from application.transfer.stores import Stores
from application.user_deletion import UserDeletion
from application.users import UserService
from application.vector_index import VectorIndex
from domain.access import Actor
from domain.chunking import chunk_document
from domain.knowledge import GLOBAL, Scope
from ports.errors import NotFound, StorageUnavailable
from tests.builders import a_case, a_file, a_message, an_id
from tests.contract.knowledge.samples import a_document
from tests.migration.archives import in_memory, pieces_of
from tests.migration.content import everything

PASSWORD = "correct-horse-battery"


class World:
    """An installation with two users who have the same things."""

    def __init__(self, passwords: Passwords) -> None:
        made = in_memory(vectors=False)
        assert made.embeddings is not None
        self.stores: Stores = replace(made, vectors=InMemoryVectorStore(made.embeddings.space))
        clock, ids = SystemClock(), RandomIds()
        cache: Any = self.stores.sessions
        self.users = UserService(users=self.stores.users, cache=cache, passwords=passwords, clock=clock, ids=ids)
        self.sessions = SessionService(cache=cache, clock=clock, ids=ids)
        assert self.stores.vectors is not None
        self.vectors = self.stores.vectors
        self.index = VectorIndex(documents=self.stores.documents, vectors=self.vectors, embeddings=made.embeddings)
        self.deletion = UserDeletion(
            users=self.stores.users,
            accounts=self.users,
            sessions=self.sessions,
            cases=self.stores.cases,
            documents=self.stores.documents,
            vectors=self.vectors,
            blobs=self.stores.files,
            clock=clock,
        )
        self.number = 0

    async def settle(self, name: str) -> tuple[str, str]:
        """A user with two cases, files, knowledge, a session and a token; id and token."""
        user = await self.users.create_user(username=name, password=PASSWORD)
        signed_in = await self.users.sign_in(name, PASSWORD)
        await self.sessions.open_session(Actor.of(user))
        for _ in range(2):
            self.number += 1
            case_id = an_id("case", self.number)
            key = f"{case_id}/{an_id('file', 1)}"
            case = a_case(self.number, user_id=user.user_id, uploaded_files=(a_file(1, content_ref=key),))
            await self.stores.cases.save(case)
            await self.stores.cases.add_message(a_message(case_id, self.number))
            await self.stores.files.put(key, pieces_of(b"a log"))
            await self.stores.files.put(f"{case_id}/unnamed", pieces_of(b"interrupted"))
            await self.learn(self.number, Scope.for_case(case_id))
        await self.learn(100 + self.number, Scope.for_user(user.user_id))
        return user.user_id, signed_in.tokens.access_token

    async def learn(self, number: int, scope: Scope) -> None:
        """One document with its vectors."""
        document = a_document(number, scope=scope, version=0)
        chunks = chunk_document(document.document_id, document.title, document.content)
        await self.index.add([(await self.stores.documents.save(document, chunks), chunks)])

    async def state(self) -> dict[Kind, set[str]]:
        """The keys of everything."""
        collections = self.stores.collections()
        return {kind: {item.key for item in await everything(each)} for kind, each in collections.items()}


@contextmanager
def worlds() -> Iterator[World]:
    with closing(Passwords()) as passwords:
        yield World(passwords)


async def test_all_that_belongs_to_the_user_goes_and_nothing_else() -> None:
    with worlds() as world:
        await world.settle("ann")
        await world.learn(500, GLOBAL)
        before = await world.state()
        _, token = await world.settle("bob")
        between = await world.state()
        done = await world.deletion.delete_user("BOB")
        assert (done.cases, done.files, done.documents) == (2, 4, 3)
        assert await world.state() == before
        assert all(between[kind] > before[kind] for kind in Kind)
        with pytest.raises(Unauthenticated):
            await world.users.authenticate(token)
        with pytest.raises(NotFound):
            await world.deletion.delete_user("bob")


@pytest.mark.parametrize("call", range(1, 18))
async def test_an_interrupted_deletion_is_finished_by_a_repeat(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever deletion fails, the one before it or it itself, the account is closed and a repeat finds the rest."""
    with worlds() as world:
        await world.learn(500, GLOBAL)
        before = await world.state()
        user_id, token = await world.settle("bob")
        calls = 0

        def failing(delete: Any) -> Any:
            async def planted(*arguments: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == call:
                    raise StorageUnavailable("planted")
                return await delete(*arguments)

            return planted

        stores = world.stores
        with monkeypatch.context() as patch:
            for store in (stores.users, stores.cases, stores.documents, stores.files, world.vectors, stores.sessions):
                patch.setattr(store, "delete", failing(store.delete))  # type: ignore[union-attr]
            try:
                await world.deletion.delete_user("bob")
            except StorageUnavailable:
                user = await stores.users.get(user_id)
                assert user is not None
                assert not user.is_active
                with pytest.raises(Unauthenticated):
                    await world.users.authenticate(token)
                await world.deletion.delete_user("bob")
        assert calls >= call, "the planted error was never met"
        assert await world.state() == before
