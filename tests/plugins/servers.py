"""Fixtures for the servers of a test session. An address in the environment replaces a server of its own."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.chroma import ChromaServer
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisCluster, RedisServer

POSTGRES = "TEST_POSTGRES_DSN"
REDIS = "TEST_REDIS_URL"
REDIS_CLUSTER = "TEST_REDIS_CLUSTER_URL"
VALKEY = "TEST_VALKEY_URL"
CHROMA = "TEST_CHROMA_URL"


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """The address of a database whose user may create others."""
    if given := os.environ.get(POSTGRES):
        yield given
        return
    server = PostgresServer()
    try:
        server.start()
        yield server.dsn()
    finally:
        server.remove()


def _redis(variable: str, server_of: type[RedisCluster] | type[RedisServer], *arguments: str) -> Iterator[str]:
    if given := os.environ.get(variable):
        yield given
        return
    server = server_of(*arguments)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis server."""
    yield from _redis(REDIS, RedisServer)


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """The address of a Valkey server."""
    yield from _redis(VALKEY, RedisServer, "valkey")


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The address of a Redis cluster."""
    yield from _redis(REDIS_CLUSTER, RedisCluster)


@pytest.fixture(scope="session")
def chroma_url() -> Iterator[str]:
    """The address of a Chroma server."""
    if given := os.environ.get(CHROMA):
        yield given
        return
    server = ChromaServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()
