"""The driver's errors as the errors of the ports, told apart by SQLSTATE and class."""

from __future__ import annotations

import asyncpg

from adapters.postgres.options import PostgresOptions
from domain.errors import DomainError, InvalidInput
from ports.errors import OutcomeUnknown, PortError, StorageCorrupt, StorageFull, StorageUnavailable

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises; a TimeoutError is an OSError too."""

REPEATABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""The server undid the statement because of others that ran beside it; the same statement may succeed now."""

_ABORTED = "25P02"
_READ_ONLY = "25006"
_CANCELLED = "57014"
_TAKEN = "23505"
_FULL = {"53100"}

_REFUSED_START = "08P01"

# By SQLSTATE: what is wrong and what to do; {prefix} is the beginning of the names of the settings.
_ADVICE = {
    "28000": "refuses the login; look at {prefix}_USER and {prefix}_PASSWORD, and at pg_hba.conf of the server",
    "28P01": "refuses the user name or the password; look at {prefix}_USER and {prefix}_PASSWORD",
    "3D000": "does not exist on this server; create it, or correct {prefix}_NAME",
    "3F000": "has no schema to work in; look at search_path of the user in {prefix}_USER",
    "42501": "denies a right to the user in {prefix}_USER; grant it, or use the owner of the database",
    "53300": "has no connection left; lower DB_POOL_SIZE and DB_MAX_OVERFLOW, or raise max_connections",
    "53200": "is out of memory; repeat later, or give the server more",
    "57P03": "is starting up or shutting down; repeat in a moment",
    _REFUSED_START: "refuses how the driver speaks; if PgBouncer stands in between, set DB_PGBOUNCER",
    _READ_ONLY: "can only be read; is {prefix}_HOST a standby instead of the primary?",
    _ABORTED: "rolled the transaction back because of an earlier error; repeat it as a whole",
}


class Taken(InvalidInput):
    """A value is there already that has to be unique."""

    def __init__(self, message: str, constraint: str) -> None:
        super().__init__(message)
        self.constraint = constraint


def translate(error: BaseException, options: PostgresOptions, *, unknown: bool = False) -> PortError | DomainError:
    """The port's error for an error of the driver.

    ``unknown`` says that a change had been sent, so that a broken connection leaves its outcome open.
    """
    where, prefix = options.where, options.settings_prefix
    state = getattr(error, "sqlstate", None)
    if isinstance(error, asyncpg.PostgresError) and state is not None and not _is_lost(state):
        return _answered(error, state, options)
    if isinstance(error, asyncpg.ClientConfigurationError):
        return InvalidInput(f"{where}: the driver refuses the settings {prefix}_*: {error}")
    if unknown:
        return OutcomeUnknown(
            f"the connection to {where} was lost after a change was sent; whether it happened is not known: "
            "read again, or repeat it with the same id"
        )
    if isinstance(error, TimeoutError):
        return StorageUnavailable(
            f"{where} did not answer in time; look at the network and the server, or raise DB_STATEMENT_TIMEOUT "
            f"({options.statement_timeout:g} s)"
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return StorageUnavailable(
        f"{where} cannot be reached ({reason}); is the server running? Look at {prefix}_URL, or {prefix}_HOST and "
        f"{prefix}_PORT"
    )


# The server ends the connection: on request of an administrator, after a crash of another backend, as too idle.
_LOST = {"57P01", "57P02", "57P05", "25P03", "25P04"}


def _is_lost(state: str) -> bool:
    return state in _LOST or (state.startswith("08") and state != _REFUSED_START)


def _answered(error: asyncpg.PostgresError, state: str, options: PostgresOptions) -> PortError | DomainError:
    where, prefix = options.where, options.settings_prefix
    if advice := _ADVICE.get(state):
        return StorageUnavailable(f"{where} {advice.format(prefix=prefix)}")
    if state == _CANCELLED:
        return StorageUnavailable(
            f"{where} cancelled a statement that took longer than {options.statement_timeout:g} s; repeat it, "
            f"look for locks and load on the server, or raise DB_STATEMENT_TIMEOUT"
        )
    if state in _FULL:
        return StorageFull(f"{where} cannot grow: the disk of the server is full ({state}); free space on it")
    kind = state[:2]
    if kind == "22":
        # The message may quote the value, which may be anybody's text.
        return InvalidInput(f"{where} cannot hold one of the values: type or range do not fit ({state})")
    # The details of an error quote values as well; its first argument is the message alone.
    message = f"{error.args[0] if error.args else type(error).__name__} ({state})"
    if state == _TAKEN:
        return Taken(f"{where} refuses the data: {message}", getattr(error, "constraint_name", None) or "")
    if kind in ("23", "54"):
        return InvalidInput(f"{where} refuses the data: {message}")
    if kind == "XX":
        return StorageCorrupt(f"{where} is damaged: {message}; restore it from a backup")
    if kind in ("42", "0A"):
        return StorageCorrupt(f"{where} does not have the expected structure: {message}")
    return StorageUnavailable(f"{where} cannot be used now: {message}")
