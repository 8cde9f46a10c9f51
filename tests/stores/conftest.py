"""Databases for the stores of the tests."""

from collections.abc import Callable

import pytest

from tests.adapters.postgres import conftest as postgres

new_database = postgres.new_database


@pytest.fixture
def database(new_database: Callable[..., str]) -> str:
    """The address of an empty database."""
    return new_database()
