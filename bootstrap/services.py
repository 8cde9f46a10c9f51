"""The use cases over open ports."""

from __future__ import annotations

from bootstrap.build import Ports
from bootstrap.containers.services import ServicesContainer
from bootstrap.settings import Settings


def assemble(settings: Settings, ports: Ports) -> ServicesContainer:
    """The container of all services, over ``ports``."""
    return ServicesContainer(
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
