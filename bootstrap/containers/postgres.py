"""Cases, knowledge documents and users in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dependency_injector import containers, providers

from adapters.postgres.cases import PostgresCaseRepository
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.knowledge import PostgresKnowledgeRepository
from adapters.postgres.options import PostgresOptions
from adapters.postgres.users import PostgresUserRepository
from bootstrap.settings import Settings
from ports.cases import CaseRepository
from ports.knowledge import KnowledgeRepository
from ports.users import UserRepository


def postgres_options(settings: Settings, dsn: str, prefix: str) -> PostgresOptions:
    """What all databases have in common, for the one at ``dsn``; ``prefix`` is that of its settings."""
    return PostgresOptions(
        dsn=dsn,
        settings_prefix=prefix,
        pool_size=settings.db_pool_size,
        max_overflow=settings.db_max_overflow,
        statement_timeout=settings.db_statement_timeout,
        pgbouncer=settings.db_pgbouncer,
    )


async def _database(options: PostgresOptions) -> AsyncIterator[PostgresDatabase]:
    database = await PostgresDatabase.open(options)
    yield database
    await database.aclose()


def _whose(settings: Settings) -> str:
    shared = settings.case_storage_type == "postgres" and settings.users_dsn == settings.cases_dsn
    return "cases" if shared else "users"


class PostgresContainer(containers.DeclarativeContainer):
    """One database for cases and documents, one for users; one pool if they are the same."""

    settings: providers.Provider[Settings] = providers.Dependency()
    cases_database = providers.Resource(
        _database,
        providers.Callable(postgres_options, settings, dsn=settings.provided.cases_dsn, prefix="CASES_DB"),
    )
    users_database = providers.Selector(
        providers.Callable(_whose, settings),
        cases=cases_database,
        users=providers.Resource(
            _database,
            providers.Callable(postgres_options, settings, dsn=settings.provided.users_dsn, prefix="USERS_DB"),
        ),
    )
    cases: providers.Provider[CaseRepository] = providers.Singleton(PostgresCaseRepository, cases_database)
    documents: providers.Provider[KnowledgeRepository] = providers.Singleton(
        PostgresKnowledgeRepository, cases_database
    )
    users: providers.Provider[UserRepository] = providers.Singleton(PostgresUserRepository, users_database)
