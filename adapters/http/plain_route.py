"""Routes that want nothing but the id of a case, who is calling, and the services.

FastAPI works through each parameter of a handler anew for every request. What that costs: docs/adr/0012.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from inspect import get_annotations, iscoroutinefunction
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

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

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        wanted = get_annotations(self.endpoint, eval_str=True)
        answer = wanted.pop("return", None)
        is_plain = all(name in _FINDERS and _FINDERS[name][0] == declared for name, declared in wanted.items())
        is_model = isinstance(answer, type) and issubclass(answer, BaseModel) and answer is self.response_model
        if not (is_plain and is_model and iscoroutinefunction(self.endpoint)) or self.dependencies or self._is_cut():
            return super().get_route_handler()
        finders = [(name, find) for name, (_, find) in _FINDERS.items() if name in wanted]
        to_json = TypeAdapter(answer).dump_json
        status = self.status_code or 200

        async def handle(request: Request) -> Response:
            found = {name: await find(request) for name, find in finders}
            content = to_json(await self.endpoint(**found), by_alias=True)
            return Response(content, status, media_type="application/json")

        return handle

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
