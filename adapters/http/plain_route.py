"""Routes that want nothing but the id of a case, who is calling, and the services.

FastAPI works through each parameter of a handler anew for every request, and keeps two stacks for what dependencies
have to end. What that costs: docs/adr/0012.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from inspect import get_annotations, iscoroutinefunction
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http.dependencies import CaseId, CurrentActor, ServicesDep, checked_id, current_actor, services

Finder = Callable[[Request], Awaitable[object]]


async def _case_id(request: Request) -> str:
    return checked_id("case", request.path_params["case_id"])


_FINDERS: Final[Mapping[str, tuple[object, Finder]]] = {
    "actor": (CurrentActor, current_actor),
    "services": (ServicesDep, services),
    "case_id": (CaseId, _case_id),
}
"""Parameters by their name: what they are declared as, and what finds them out; in the order in which they are found
out, which decides what a caller is told first.
"""


class PlainRoute(APIRoute):
    """Calls a handler of such parameters alone without FastAPI's detour; any other one as FastAPI does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """See `APIRoute`."""
        super().__init__(*args, **kwargs)
        wanted = get_annotations(self.endpoint, eval_str=True)
        answer = wanted.pop("return", None)
        is_plain = all(name in _FINDERS and _FINDERS[name][0] == declared for name, declared in wanted.items())
        is_model = isinstance(answer, type) and issubclass(answer, BaseModel) and answer is self.response_model
        is_usual = iscoroutinefunction(self.endpoint) and not self.dependencies and not self._is_cut()
        if is_plain and is_model and is_usual:
            finders = [(name, find) for name, (_, find) in _FINDERS.items() if name in wanted]
            self.app = _application(self.endpoint, finders, TypeAdapter(answer), self.status_code or 200)

    def _is_cut(self) -> bool:
        """Whether the route wants parts of its answer left out, or its fields under other names."""
        left_out = (
            self.response_model_include,
            self.response_model_exclude,
            self.response_model_exclude_unset,
            self.response_model_exclude_defaults,
            self.response_model_exclude_none,
        )
        return any(left_out) or not self.response_model_by_alias


def _application(
    endpoint: Callable[..., Awaitable[object]],
    finders: Sequence[tuple[str, Finder]],
    answer: TypeAdapter[object],
    status: int,
) -> ASGIApp:
    """Answers with what the handler returns for what is found out. Errors are left to the layers around the routes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        found = {name: await find(request) for name, find in finders}
        content = answer.dump_json(await endpoint(**found), by_alias=True)
        await Response(content, status, media_type="application/json")(scope, receive, send)

    return app
