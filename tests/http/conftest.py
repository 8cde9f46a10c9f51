"""An application for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.http.world import Person, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.aclose()


@pytest.fixture
async def ada(world: World) -> Person:
    return await world.person("ada")


@pytest.fixture
async def bob(world: World) -> Person:
    return await world.person("bob")


@pytest.fixture
async def admin(world: World) -> Person:
    return await world.person("root", admin=True)
