"""The time of keys in Redis: it cannot be stopped, but it can be made to have passed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redis
from redis.cluster import RedisCluster

SHIFT = """
local left = redis.call('PTTL', KEYS[1])
if left < 0 then return 0 end
if left <= tonumber(ARGV[1]) then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], left - ARGV[1])
"""


@contextmanager
def client_of(url: str) -> Iterator[Any]:
    """A blocking client of the server or the cluster at the address."""
    cluster = "+cluster" in url
    client = RedisCluster.from_url(url.replace("+cluster", "")) if cluster else redis.Redis.from_url(url)
    try:
        yield client
    finally:
        client.close()


def let_pass(client: Any, by: timedelta, beginning: str) -> None:
    """Bring the expiry of each key with this beginning nearer; a key goes when there is nothing left of its time."""
    for key in list(client.scan_iter(count=1000)):
        if key.startswith(beginning.encode()):
            client.eval(SHIFT, 1, key, by // timedelta(milliseconds=1))
