"""What a server or the network says, as the errors of the ports.

Replies are told apart by the driver's classes and by the code that an error reply begins with, never by the text behind
it. That text is not passed on either: it may repeat keys and values.
"""

from __future__ import annotations

import re

from redis.exceptions import AuthenticationError, AuthorizationError, RedisError, ResponseError

from ports.errors import OutcomeUnknown, PortError, StorageCorrupt, StorageFull, StorageUnavailable

CHECK_PLACE = "check that it runs, and REDIS_URL, or REDIS_HOST and REDIS_PORT"
CHECK_LOGIN = "check REDIS_PASSWORD, and the user and password of REDIS_URL"

# Redis 6 puts the place in a script before the code of some errors.
_CODE = re.compile(r"(?:@user_script: \d+: -)?([A-Z]{2,})\b")

_INCOMPLETE = StorageUnavailable, "is part of a cluster that lacks servers now; check the state of the cluster"
_NOT_ALONE = StorageUnavailable, "is part of a cluster; let REDIS_URL begin with redis+cluster:// or rediss+cluster://"
_NOT_SAVED = "takes no writes, because it cannot save or replicate them; read its log, look at its disk and replicas"

_BY_CODE: dict[str, tuple[type[PortError], str]] = {
    "NOPERM": (StorageUnavailable, f"does not permit the user a command or the keys; check its ACL, and {CHECK_LOGIN}"),
    "OOM": (StorageFull, "is at its memory limit; raise maxmemory, or let maxmemory-policy evict old values"),
    "READONLY": (StorageUnavailable, f"is a replica, which takes no writes; {CHECK_PLACE}"),
    "LOADING": (StorageUnavailable, "is still reading its data in; try again later"),
    "BUSY": (StorageUnavailable, "is busy with somebody's script; try again later, or end it with SCRIPT KILL"),
    "CLUSTERDOWN": _INCOMPLETE,
    "MASTERDOWN": _INCOMPLETE,
    "TRYAGAIN": _INCOMPLETE,
    "MOVED": _NOT_ALONE,
    "CROSSSLOT": _NOT_ALONE,
    "MISCONF": (StorageUnavailable, _NOT_SAVED),
    "NOREPLICAS": (StorageUnavailable, _NOT_SAVED),
    "WRONGTYPE": (StorageCorrupt, "holds something else than text under a key of this namespace"),
}


def code_of(error: RedisError) -> str:
    """The code of an error reply, such as ``WRONGTYPE``; empty if it has none."""
    if error.status_code is not None:
        return error.status_code
    match = _CODE.match(str(error))
    return "" if match is None else match[1]


def refused(error: RedisError, place: str, *, connecting: bool = False) -> PortError:
    """The port's error for an error reply of the server at ``place``: nothing was executed."""
    if isinstance(error, AuthenticationError | AuthorizationError):
        return StorageUnavailable(f"Redis at {place} refuses the login; {CHECK_LOGIN}")
    code = code_of(error)
    if code in _BY_CODE:
        kind, words = _BY_CODE[code]
        return kind(f"Redis at {place} {words}")
    if not isinstance(error, ResponseError):
        return StorageUnavailable(f"Redis at {place} takes no more connections; raise its maxclients")
    if connecting:
        return StorageUnavailable(f"Redis at {place} refuses the database that REDIS_URL or REDIS_DB names")
    return StorageUnavailable(f"Redis at {place} refuses a command ({code or 'without a code'}); read its log")


def unreachable(place: str, reason: str) -> StorageUnavailable:
    """There is no connection, so nothing was executed."""
    return StorageUnavailable(f"Redis at {place} cannot be reached: {reason}; {CHECK_PLACE}")


def exhausted(place: str, seconds: float, connections: int) -> StorageUnavailable:
    """All connections were busy for too long."""
    return StorageUnavailable(
        f"all {connections} connections to Redis at {place} were busy for {seconds:g} s; "
        "allow more of them, or look for what is slow"
    )


def unanswered(place: str, reason: str) -> OutcomeUnknown:
    """Something was sent, but no answer came."""
    return OutcomeUnknown(
        f"Redis at {place} did not answer: {reason}; what was asked of it may or may not have been done"
    )


def incomplete(place: str) -> StorageUnavailable:
    """Nobody is known to hold a slot."""
    return StorageUnavailable(f"the Redis cluster at {place} does not hold all slots; check the state of the cluster")


def no_cluster(error: RedisError, place: str) -> PortError:
    """The server does not say where the slots lie."""
    if code_of(error) == "ERR":
        return StorageUnavailable(
            f"Redis at {place} is not part of a cluster; let REDIS_URL begin with redis:// or rediss://"
        )
    return refused(error, place)


def closed() -> StorageUnavailable:
    """The store was used after it was closed."""
    return StorageUnavailable("the Redis store is closed")
