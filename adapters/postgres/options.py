"""How a PostgreSQL database is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """The address of a database and the limits of its use; times are in seconds.

    ``dsn`` may hold a password, so nothing shows it. ``settings_prefix`` is the beginning of the names of the settings
    that errors point to. At most ``pool_size`` + ``max_overflow`` connections are open; those beyond ``pool_size`` are
    closed again when they were idle for a minute. With ``pgbouncer`` nothing relies on meeting the same server
    connection again after a transaction.

    Raises:
        InvalidInput: ``dsn`` is no address of a PostgreSQL database, or a limit is out of range.
    """

    dsn: str = field(repr=False)
    settings_prefix: str = "CASES_DB"
    pool_size: int = 10
    max_overflow: int = 20
    statement_timeout: float = 30.0
    connect_timeout: float = 4.0
    acquire_timeout: float = 4.5
    pgbouncer: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.pool_size < 1 or self.max_overflow < 0:
            raise InvalidInput(f"{self.settings_prefix}: the pool needs at least one connection and no negative rest")
        if min(self.statement_timeout, self.connect_timeout, self.acquire_timeout) <= 0:
            raise InvalidInput(f"{self.settings_prefix}: every timeout has to be above 0 s")
        _ = self.where

    @property
    def where(self) -> str:
        """The database, for errors: its name, host and port, without user and password."""
        host, port, name = self._address()
        return f"PostgreSQL database {name!r} at {host}:{port}"

    @property
    def location(self) -> str:
        """The database as an address, without user and password."""
        host, port, name = self._address()
        return f"postgresql://{host}:{port}/{quote(name)}"

    def _address(self) -> tuple[str, str, str]:
        parts = self._parts()
        query = parse_qs(parts.query)
        host = query.get("host", [parts.hostname or "localhost"])[0]
        port = query.get("port", [str(parts.port or 5432)])[0]
        name = query.get("database", query.get("dbname", [unquote(parts.path.removeprefix("/"))]))[0]
        return host, port, name

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.dsn)
            _ = parts.port
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in ("postgresql", "postgres"):
            # What was given may hold the password, also where it does not belong, and so may the parser's error.
            raise InvalidInput(
                f"the address of the database is not of the form postgresql://user:password@host:port/name; "
                f"look at {self.settings_prefix}_* (special characters in a password are written %XX)"
            ) from None
        return parts
