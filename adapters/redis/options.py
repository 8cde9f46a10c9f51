"""Where the servers are and how they are spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from domain.errors import InvalidInput

DEFAULT_PORT = 6379

_SCHEMES = {
    "redis": (False, False),
    "rediss": (False, True),
    "redis+cluster": (True, False),
    "rediss+cluster": (True, True),
}
"""Whether it is a cluster, and whether it is spoken to over TLS."""


@dataclass(frozen=True)
class RedisOptions:
    """What the adapter has to know. Neither the URL nor the password shows in its representation.

    Attributes:
        url: ``redis://[user[:password]@]host[:port][/database]``, ``rediss://`` for TLS; a cluster is
            ``redis+cluster://`` or ``rediss+cluster://`` with one or more ``host[:port]``, separated by commas.
            User and password are percent-encoded.
        password: Goes before the one in the URL.
        max_connections: How many operations at most talk to one server at the same time; others wait.
        namespace: What all keys begin with. None may be the beginning of another one's.
        timeout: Seconds for an operation, with waiting for a connection and making it.
        verify_certificate: Whether a server must prove who it is; for TLS only.
        ca_file: Certificates of the authorities that are trusted (PEM) instead of those of the system.
    """

    url: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    max_connections: int = 20
    namespace: str = "faultmaven:"
    timeout: float = 4.0
    verify_certificate: bool = True
    ca_file: Path | None = None


@dataclass(frozen=True)
class Address:
    """Where one server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Target:
    """The options, checked and taken apart."""

    addresses: tuple[Address, ...]
    is_cluster: bool
    tls: bool
    database: int
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def of(cls, options: RedisOptions) -> Target:
        """What the options mean.

        Raises:
            InvalidInput: one of them is malformed. The message does not repeat the URL, which may hold a password.
        """
        if options.max_connections < 1:
            raise InvalidInput(f"the greatest number of Redis connections is {options.max_connections}; at least 1")
        if options.timeout <= 0:
            raise InvalidInput(f"the time limit of Redis operations is {options.timeout} seconds; more than 0")
        if not options.namespace:
            raise InvalidInput("the namespace of the Redis keys is empty; others may use the same server")
        parts = _split(options.url)
        if parts.scheme not in _SCHEMES:
            raise InvalidInput(f"REDIS_URL begins with {parts.scheme!r}; accepted: {', '.join(_SCHEMES)}")
        is_cluster, tls = _SCHEMES[parts.scheme]
        if parts.query or parts.fragment:
            raise InvalidInput("REDIS_URL has something behind '?' or '#'; options are settings of their own")
        if options.ca_file is not None and not tls:
            raise InvalidInput("a CA file is given, but REDIS_URL does not ask for TLS (rediss://)")
        login, _, hosts = parts.netloc.rpartition("@")
        user, _, password = map(unquote, login.partition(":"))
        addresses = tuple(_address(host) for host in hosts.split(","))
        if len(addresses) > 1 and not is_cluster:
            raise InvalidInput("REDIS_URL names several servers; only a cluster (redis+cluster://) has several")
        database = parts.path.strip("/") or "0"
        if not (database.isascii() and database.isdigit()) or (is_cluster and database != "0"):
            raise InvalidInput("REDIS_URL names a database that is no number, or another than 0 of a cluster")
        given = options.password if options.password is not None else password
        return cls(addresses, is_cluster, tls, int(database), user or None, given or None)

    @property
    def location(self) -> str:
        """The addresses and the database, without a login: the same however the URL puts them."""
        scheme = "redis+cluster" if self.is_cluster else "redis"
        return f"{scheme}://{','.join(sorted(map(str, self.addresses)))}/{self.database}"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # The driver's own words would repeat what was given.
        raise InvalidInput("REDIS_URL is no URL; check its host and brackets") from None


def _address(text: str) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidInput("REDIS_URL has a host or port that is malformed") from None
    if not host:
        raise InvalidInput("REDIS_URL names no host; accepted: redis://host:port/database")
    return Address(host, DEFAULT_PORT if port is None else port)
