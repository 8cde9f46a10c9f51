"""The stores that the settings choose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from dependency_injector import containers, providers

from bootstrap.settings import Settings
from bootstrap.stores import BLOBS, CASES, KNOWLEDGE, SESSIONS, USERS, VECTORS, Opening, StoreKind, open_store
from bootstrap.stores import from_settings as chosen
from bootstrap.stores.configurations import StoreConfiguration
from bootstrap.stores.shared import SharedDatabases
from ports.clock import Clock
from ports.vectors import EmbeddingSpace

S = TypeVar("S")


async def _opened(kind: StoreKind[S], configuration: StoreConfiguration, opening: Opening) -> AsyncIterator[S]:
    async with open_store(kind, configuration, opening) as store:
        yield store


def _prefix_of_vectors(settings: Settings) -> str:
    return "VECTORS_DB" if settings.has_vectors_db else "CASES_DB"


class StoresContainer(containers.DeclarativeContainer):
    """Each store is opened by the first who asks for it. Stores on one database share it."""

    settings: providers.Provider[Settings] = providers.Dependency()
    clock: providers.Provider[Clock] = providers.Dependency()
    space: providers.Provider[EmbeddingSpace] = providers.Dependency()

    databases = providers.Singleton(SharedDatabases)
    opening = providers.Factory(Opening, clock=clock, databases=databases)

    cases = providers.Resource(_opened, CASES, providers.Callable(chosen.cases, settings), opening)
    documents = providers.Resource(_opened, KNOWLEDGE, providers.Callable(chosen.cases, settings), opening)
    users = providers.Resource(_opened, USERS, providers.Callable(chosen.users, settings), opening)
    sessions = providers.Resource(_opened, SESSIONS, providers.Callable(chosen.sessions, settings), opening)
    blobs = providers.Resource(_opened, BLOBS, providers.Callable(chosen.blobs, settings), opening)
    vectors = providers.Resource(
        _opened,
        VECTORS,
        providers.Callable(chosen.vectors, settings, space),
        providers.Factory(
            Opening,
            clock=clock,
            databases=databases,
            settings_prefix=providers.Callable(_prefix_of_vectors, settings),
        ),
    )
