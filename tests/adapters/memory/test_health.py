"""A store in memory is well until it is closed."""

from collections.abc import Callable

import pytest

from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.users import InMemoryUserRepository
from ports.errors import StorageUnavailable

Repository = InMemoryCaseRepository | InMemoryUserRepository | InMemoryKnowledgeRepository


@pytest.mark.parametrize(
    "build",
    [InMemoryCaseRepository, InMemoryUserRepository, InMemoryKnowledgeRepository],
    ids=lambda build: build.__name__,
)
async def test_check_health(build: Callable[[], Repository]) -> None:
    """An open store is well, a closed one says that it cannot be reached."""
    repository = build()
    await repository.check_health()
    await repository.aclose()
    with pytest.raises(StorageUnavailable):
        await repository.check_health()
