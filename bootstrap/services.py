"""The use cases over open ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bootstrap.build import Ports
from bootstrap.containers.services import ServicesContainer
from bootstrap.settings import Settings


@asynccontextmanager
async def assembled(settings: Settings, ports: Ports) -> AsyncIterator[ServicesContainer]:
    """The container of all services, over ``ports``; what they hold themselves is let go at the end of the block."""
    services = ServicesContainer(
        settings=settings,
        clock=ports.clock,
        ids=ports.ids,
        cases=ports.records.cases,
        users=ports.records.users,
        documents=ports.records.documents,
        blobs=ports.blobs,
        sessions=ports.sessions,
        counters=ports.counters,
        vectors=ports.vectors,
        embeddings=ports.embeddings,
        language_model=ports.language_model,
        components=ports.stores,
    )
    try:
        yield services
    finally:
        await services.jobs().aclose()
        services.passwords().close()
