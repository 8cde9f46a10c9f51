"""The use cases over the chosen ports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from dependency_injector import containers, providers

from application.cases import CaseService
from application.health import HealthService
from application.idempotency import Idempotency
from application.jobs import JobService
from application.knowledge import KnowledgeService
from application.operations import Operations
from application.passwords import Passwords
from application.rate_limit import DEFAULT_LIMITS, REQUESTS, RateLimit, RateLimiter
from application.reports import ReportService
from application.sessions import SessionPolicy, SessionService
from application.troubleshooting import TroubleshootingService
from application.users import SignInPolicy, UserService
from bootstrap.settings import Settings
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.embeddings import EmbeddingGenerator
from ports.ids import IdSource
from ports.knowledge import KnowledgeRepository
from ports.language_model import LanguageModel
from ports.sessions import CacheStore
from ports.users import UserRepository
from ports.vectors import VectorStore


def _sign_in_policy(settings: Settings) -> SignInPolicy:
    return SignInPolicy(
        access_ttl=timedelta(seconds=settings.auth_access_token_ttl),
        refresh_ttl=timedelta(seconds=settings.auth_refresh_token_ttl),
        dev_login=settings.auth_dev_login,
        registration=settings.auth_registration,
    )


def _session_policy(settings: Settings) -> SessionPolicy:
    lifetime = timedelta(seconds=settings.redis_ttl_sessions)
    return SessionPolicy(idle_timeout=lifetime, lifetime=lifetime)


def _seconds(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


def _limits(settings: Settings) -> Mapping[str, RateLimit]:
    return {**DEFAULT_LIMITS, REQUESTS: RateLimit(settings.rate_limit_per_minute, timedelta(minutes=1))}


def _question_cache(sessions: CacheStore, counters: CacheStore) -> CacheStore | None:
    """What would be lost with the process and hurt nobody is not written to files."""
    return sessions if counters is sessions else None


class ServicesContainer(containers.DeclarativeContainer):
    """Every service once. The ports are given as finished objects, so nothing here is resolved in a request."""

    settings: providers.Provider[Settings] = providers.Dependency()
    clock: providers.Provider[Clock] = providers.Dependency()
    ids: providers.Provider[IdSource] = providers.Dependency()
    cases: providers.Provider[CaseRepository] = providers.Dependency()
    users: providers.Provider[UserRepository] = providers.Dependency()
    documents: providers.Provider[KnowledgeRepository] = providers.Dependency()
    sessions: providers.Provider[CacheStore] = providers.Dependency()
    counters: providers.Provider[CacheStore] = providers.Dependency()
    vectors: providers.Provider[VectorStore] = providers.Dependency()
    blobs: providers.Provider[BlobStore] = providers.Dependency()
    embeddings: providers.Provider[EmbeddingGenerator] = providers.Dependency()
    language_model: providers.Provider[LanguageModel] = providers.Dependency()
    components: providers.Provider[Mapping[str, object]] = providers.Dependency()

    passwords = providers.Singleton(Passwords)
    user_service = providers.Singleton(
        UserService,
        users=users,
        cache=sessions,
        passwords=passwords,
        clock=clock,
        ids=ids,
        policy=providers.Callable(_sign_in_policy, settings),
    )
    session_service = providers.Singleton(
        SessionService, cache=sessions, clock=clock, ids=ids, policy=providers.Callable(_session_policy, settings)
    )
    knowledge_service = providers.Singleton(
        KnowledgeService,
        documents=documents,
        vectors=vectors,
        embeddings=embeddings,
        clock=clock,
        ids=ids,
        cache=providers.Callable(_question_cache, sessions, counters),
        cache_ttl=providers.Callable(_seconds, settings.provided.redis_ttl_cache),
        unrelated=settings.provided.unrelated,
    )
    case_service = providers.Singleton(
        CaseService, cases=cases, blobs=blobs, knowledge=knowledge_service, clock=clock, ids=ids
    )
    troubleshooting_service = providers.Singleton(
        TroubleshootingService,
        cases=cases,
        blobs=blobs,
        knowledge=knowledge_service,
        model=language_model,
        clock=clock,
        ids=ids,
        max_file_bytes=settings.provided.max_file_bytes,
    )
    report_service = providers.Singleton(ReportService, cases=cases, blobs=blobs, clock=clock, ids=ids)
    operations = providers.Singleton(Operations, cases=cases, users=users)
    idempotency = providers.Singleton(Idempotency, cache=sessions, ids=ids)
    rate_limiter = providers.Singleton(
        RateLimiter, cache=counters, clock=clock, limits=providers.Callable(_limits, settings)
    )
    jobs = providers.Singleton(
        JobService,
        cache=sessions,
        ids=ids,
        keep=providers.Callable(_seconds, settings.provided.redis_ttl_investigation),
    )
    health_service = providers.Singleton(HealthService, components=components, clock=clock)
