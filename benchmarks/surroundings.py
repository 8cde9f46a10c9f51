"""What a benchmark runs in: servers that are started when they are first wanted, folders, and how much is stored."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

from tests.servers.chroma import ChromaServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import ServerProcess
from tests.servers.redis import RedisServer

S = TypeVar("S", bound=ServerProcess)

DURABLE = {"fsync": "on", "full_page_writes": "on", "autovacuum_naptime": "1min", "shared_buffers": "256MB"}
"""As a server is run that has to keep what it has acknowledged; the tests do without."""


@dataclass
class Surroundings:
    """Servers and folders of one run. All are gone at its end.

    A server that is named in the environment as for the tests (``TEST_POSTGRES_DSN``, ...) is used instead.
    """

    cases: int = 500
    """How many cases an overhead is measured among."""
    vectors: int = 5_000
    apart: bool = False
    """Whether the servers have a processor of their own. Else it is chance whether one is woken where the one who asks
    runs, which makes a difference of half the time of a short request, for as long as a connection lives.
    """
    redis_databases: set[int] = field(default_factory=set)
    """The numbers of those that are in use."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _addresses: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the servers, remove the folders."""
        self._stack.close()

    def folder(self) -> Path:
        """A new one, where the system keeps temporary files."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="faultmaven-bench-")))

    def postgres_dsn(self) -> str:
        """The address of a PostgreSQL server whose user may make databases."""
        return self._address("TEST_POSTGRES_DSN", lambda: PostgresServer(**DURABLE), PostgresServer.dsn)

    def redis_url(self) -> str:
        """The address of a Redis server."""
        return self._address("TEST_REDIS_URL", RedisServer, lambda server: server.url)

    def chroma_url(self) -> str:
        """The address of a Chroma server."""
        return self._address("TEST_CHROMA_URL", ChromaServer, lambda server: server.url)

    def _address(self, variable: str, make: Callable[[], S], address: Callable[[S], str]) -> str:
        if given := os.environ.get(variable):
            return given
        if variable not in self._addresses:
            server = make()
            self._stack.callback(server.remove)
            server.start()
            if self.apart:
                _keep_apart(server.pid)
            self._addresses[variable] = address(server)
        return self._addresses[variable]


def _keep_apart(pid: int) -> None:
    if not hasattr(os, "sched_setaffinity"):
        return
    processors = sorted(os.sched_getaffinity(0) | os.sched_getaffinity(pid))
    if len(processors) > 1:
        os.sched_setaffinity(pid, processors[-1:])
        os.sched_setaffinity(0, processors[:-1])


def a_name(kind: str) -> str:
    """The name of something of this run alone."""
    return f"{kind}_{uuid4().hex[:12]}"
