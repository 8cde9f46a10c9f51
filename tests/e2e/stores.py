"""The stores of Appendix B of the storage architecture, with servers started for those that are services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from tests.servers.chroma import ChromaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer

S = TypeVar("S", bound=ServerProcess)

CHOICES: Mapping[str, Mapping[str, str]] = {
    "development": {
        "CASE_STORAGE_TYPE": "inmemory",
        "SESSION_STORAGE_TYPE": "inmemory",
        "VECTOR_STORAGE_TYPE": "inmemory",
    },
    "production": {
        "CASE_STORAGE_TYPE": "postgres",
        "SESSION_STORAGE_TYPE": "redis",
        "VECTOR_STORAGE_TYPE": "chromadb",
    },
    "hybrid": {
        "CASE_STORAGE_TYPE": "postgres",
        "SESSION_STORAGE_TYPE": "inmemory",
        "VECTOR_STORAGE_TYPE": "chromadb",
    },
}
"""As the appendix gives them: three lines, on top of the defaults."""


@contextmanager
def appendix_b(name: str) -> Iterator[dict[str, str]]:
    """The settings of this choice, and where its servers are until the end of the block."""
    settings = dict(CHOICES[name])
    with ExitStack() as stack:
        if settings["CASE_STORAGE_TYPE"] == "postgres":
            settings["CASES_DB_URL"] = _started(stack, PostgresServer()).dsn()
        if settings["SESSION_STORAGE_TYPE"] == "redis":
            settings["REDIS_URL"] = _started(stack, RedisServer()).url
        if settings["VECTOR_STORAGE_TYPE"] == "chromadb":
            settings["CHROMADB_URL"] = _started(stack, ChromaServer()).url
        yield settings


def _started(stack: ExitStack, server: S) -> S:
    stack.callback(server.remove)
    server.start()
    return server
