"""Answers that are given once, however often the request comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Response

from adapters.http.services import Services
from application.idempotency import StoredAnswer
from domain.access import Actor

Operation = Callable[[], Awaitable[StoredAnswer]]


async def answer_once(
    services: Services, actor: Actor, method: str, path: str, key: str | None, operation: Operation
) -> Response:
    """The answer of ``operation``, or the one that the same request of the same actor had before. Without a key each
    request is new.
    """
    if key is None:
        return response(await operation())
    return response(await services.idempotency.run(actor, method, path, key, operation))


def response(answer: StoredAnswer) -> Response:
    """The stored answer as a response."""
    media_type = "application/json" if answer.body else None
    return Response(answer.body or None, answer.status, dict(answer.headers), media_type)
