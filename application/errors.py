"""What the use cases refuse, besides what the domain and the ports refuse.

    ApplicationError
    ├── Unauthenticated        nobody is signed in, or the credentials are wrong
    │   └── TokenExpired       the token was valid once
    ├── Forbidden              the actor may see the object but not do this with it
    ├── RateLimited            too many requests; repeat after ``retry_after_seconds``
    ├── NotEnoughContext       the case holds too little for the request
    ├── UploadTooLarge         a file has more than ``limit_bytes``
    ├── UnsupportedFile        a file is of a kind that cannot be read
    └── InvalidIdempotencyKey  the key of a request is malformed

What the actor may not even know of is `ports.errors.NotFound`. Each message is written for the person who made the
request.
"""

from __future__ import annotations


class ApplicationError(Exception):
    """A use case refused the request; nothing has changed."""


class Unauthenticated(ApplicationError):
    """The request does not prove who makes it."""


class TokenExpired(Unauthenticated):
    """The token is past its time, or was revoked."""


class Forbidden(ApplicationError):
    """The actor may not do this."""


class RateLimited(ApplicationError):
    """Too many requests in a short time."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many requests. Please try again in {retry_after_seconds} s.")
        self.retry_after_seconds = retry_after_seconds


class NotEnoughContext(ApplicationError):
    """There is too little to work with yet."""


class UploadTooLarge(ApplicationError):
    """A file is larger than accepted."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"A file is too large: at most {limit_bytes / 1024 / 1024:g} MiB are accepted.")
        self.limit_bytes = limit_bytes


class UnsupportedFile(ApplicationError):
    """The kind of file is not supported; the message says which are."""


class InvalidIdempotencyKey(ApplicationError):
    """The idempotency key is malformed."""
