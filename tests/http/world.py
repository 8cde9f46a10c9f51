"""An application over adapters in memory, and clients that call it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from adapters.hashing.embeddings import HashingEmbedding
from adapters.http.app import create_app
from adapters.http.options import HttpOptions
from adapters.http.services import Services
from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.sessions import InMemorySessionStore
from adapters.memory.users import InMemoryUserRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.playbook.model import PlaybookLanguageModel
from adapters.sqlite.cases import SqliteCaseRepository
from adapters.sqlite.database import SqliteDatabase
from adapters.sqlite.knowledge import SqliteKnowledgeRepository
from adapters.sqlite.users import SqliteUserRepository
from adapters.system.ids import RandomIds
from application.cases import CaseService
from application.health import HealthService
from application.idempotency import Idempotency
from application.jobs import JobService
from application.knowledge import KnowledgeService
from application.passwords import Passwords
from application.rate_limit import RateLimit, RateLimiter
from application.reports import ReportService
from application.sessions import SessionService
from application.troubleshooting import TroubleshootingService
from application.users import SignInPolicy, UserService
from domain.user import Role
from ports.clock import Clock
from ports.errors import PortError
from ports.language_model import LanguageModel, ModelReply, TurnContext
from tests.fakes import FakeClock

ORIGIN = "http://127.0.0.1:3333"
PASSWORD = "correct horse"


class GatedModel(LanguageModel):
    """The playbook behind a gate: closed, it lets a test look at the system while a turn runs."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Event()
        self.calls = 0
        self.failure: Exception | None = None
        self._playbook = PlaybookLanguageModel()

    @property
    def name(self) -> str:
        return "gated"

    async def reply(self, context: TurnContext) -> ModelReply:
        self.calls += 1
        self.entered.set()
        await self.open.wait()
        if self.failure:
            raise self.failure
        return await self._playbook.reply(context)


class FailingCases(InMemoryCaseRepository):
    """Fails on demand, as a store or a bug would."""

    failure: BaseException | None = None

    async def get(self, case_id: str) -> Any:
        if self.failure:
            raise self.failure
        return await super().get(case_id)

    async def check_health(self) -> None:
        if isinstance(self.failure, PortError):
            raise self.failure


@dataclass
class Stores:
    """Where a world keeps its data: in memory unless told otherwise."""

    cases: Any
    users: Any
    documents: Any
    cache: Any
    blobs: Any

    @classmethod
    def in_memory(cls, clock: Clock) -> Stores:
        return cls(
            FailingCases(),
            InMemoryUserRepository(),
            InMemoryKnowledgeRepository(),
            InMemorySessionStore(clock),
            InMemoryBlobStore(),
        )


@contextlib.asynccontextmanager
async def local_stores(folder: Path, clock: Clock) -> AsyncIterator[Stores]:
    """What a single node uses: SQLite and files."""
    database = await SqliteDatabase.open(folder / "faultmaven.db", synchronous="NORMAL")
    cache, blobs = FileSessionStore(folder / "sessions", clock), FileBlobStore(folder / "files")
    try:
        yield Stores(
            SqliteCaseRepository(database),
            SqliteUserRepository(database),
            SqliteKnowledgeRepository(database),
            cache,
            blobs,
        )
    finally:
        await cache.aclose()
        await blobs.aclose()
        await database.aclose()


class World:
    """The application, its parts, and who calls it."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        limits: Mapping[str, RateLimit] | None = None,
        options: HttpOptions | None = None,
        stores: Stores | None = None,
    ) -> None:
        self.fake_clock = FakeClock()
        self.clock = clock or self.fake_clock
        self.ids = RandomIds()
        kept = stores or Stores.in_memory(self.clock)
        self.cases, self.users, self.cache, self.blobs = kept.cases, kept.users, kept.cache, kept.blobs
        self.model = GatedModel()
        self.options = options or HttpOptions(version="1.2.3", dev_login=True)
        self.embeddings = HashingEmbedding()
        common: dict[str, Any] = {"clock": self.clock, "ids": self.ids}
        knowledge = KnowledgeService(
            documents=kept.documents,
            vectors=InMemoryVectorStore(self.embeddings.space),
            embeddings=self.embeddings,
            **common,
        )
        self.health = HealthService(components={"cases": self.cases, "sessions": self.cache}, clock=self.clock)
        self.services = Services(
            cases=CaseService(cases=self.cases, blobs=self.blobs, knowledge=knowledge, **common),
            troubleshooting=TroubleshootingService(
                cases=self.cases,
                blobs=self.blobs,
                knowledge=knowledge,
                model=self.model,
                max_file_bytes=self.options.max_file_bytes,
                **common,
            ),
            reports=ReportService(cases=self.cases, blobs=self.blobs, **common),
            users=UserService(
                users=self.users,
                cache=self.cache,
                passwords=Passwords(memory_kib=64),
                policy=SignInPolicy(dev_login=self.options.dev_login, registration=self.options.registration),
                **common,
            ),
            sessions=SessionService(cache=self.cache, **common),
            knowledge=knowledge,
            idempotency=Idempotency(cache=self.cache, ids=self.ids),
            rate_limiter=RateLimiter(cache=self.cache, clock=self.clock, limits=limits or {}),
            jobs=JobService(cache=self.cache, ids=self.ids),
            health=self.health,
        )
        self.app: FastAPI = create_app(self.services, self.options)

    def client(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client, signed in if it has a token."""
        authorization = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers={**authorization, **headers})

    async def person(self, username: str = "ada", *, admin: bool = False) -> Person:
        """A user who is signed in."""
        roles = (Role.USER, Role.ADMIN) if admin else (Role.USER,)
        user = await self.services.users.create_user(username=username, password=PASSWORD, roles=roles)
        tokens = (await self.services.users.sign_in(username, PASSWORD)).tokens
        return Person(user.user_id, username, tokens.access_token, self.client(tokens.access_token))

    def routes(self) -> list[tuple[str, str]]:
        """Method and path of every route of the interface, hidden ones included, the generated pages not."""
        found = [(route.methods or (), route.path) for route in iter_route_contexts(self.app.routes)]
        generated = ("/openapi.json", "/docs", "/docs/oauth2-redirect")
        return [(method, path) for methods, path in found if path not in generated for method in sorted(methods)]

    async def aclose(self) -> None:
        self.model.open.set()
        await self.services.jobs.aclose()
        self.services.users.close()


@dataclass(frozen=True)
class Person:
    """A user with a client."""

    user_id: str
    username: str
    token: str
    http: httpx.AsyncClient

    async def open_case(self, **body: Any) -> str:
        answer = await self.http.post("/api/v1/cases", json=body)
        assert answer.status_code == 201, answer.text
        case_id: str = answer.json()["case_id"]
        return case_id

    async def turn(self, case_id: str, query: str = "", **more: Any) -> httpx.Response:
        """One turn; ``files`` and ``headers`` go to httpx, the rest are fields of the form."""
        files = list(more.pop("files", []))
        headers = more.pop("headers", {})
        fields = {name: value for name, value in {"query": query, **more}.items() if value}
        parts = [(name, (None, value)) for name, value in fields.items()]
        parts += [("files", file) for file in files]
        return await self.http.post(
            f"/api/v1/cases/{case_id}/turns", files=parts or {"none": (None, "")}, headers=headers
        )


def assert_error(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The body of an error, which has the shape that every client relies on."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert isinstance(body["detail"], str)
    assert body["detail"].strip()
    assert body["request_id"] == answer.headers["x-request-id"]
    if code:
        assert body["code"] == code
    return body
