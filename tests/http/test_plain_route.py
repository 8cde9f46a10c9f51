"""Routes that FastAPI does not work through answer as if it did."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from adapters.http.dependencies import CaseId, CurrentActor, Limit, ServicesDep, services
from adapters.http.plain_route import PlainRoute
from adapters.http.routes.cases import get_case
from adapters.http.wire.cases import CaseRow
from tests.http.world import World


def is_plain(route: APIRoute) -> bool:
    return route.app.__module__ == PlainRoute.__module__


def test_which_routes_are_plain(world: World) -> None:
    plain = {route.path for route in world.app.routes if isinstance(route, APIRoute) and is_plain(route)}
    assert plain == {
        "/api/v1/cases/{case_id}",
        "/api/v1/cases/{case_id}/ui",
        "/api/v1/cases/{case_id}/analytics",
        "/api/v1/cases/{case_id}/reports",
        "/api/v1/sessions",
        "/api/v1/auth/me",
    }


async def with_a_limit(case_id: CaseId, actor: CurrentActor, services: ServicesDep, limit: Limit = 3) -> CaseRow:
    raise NotImplementedError


async def with_another_id(case_id: str, actor: CurrentActor) -> CaseRow:
    raise NotImplementedError


async def with_the_request(request: Request, actor: CurrentActor) -> CaseRow:
    raise NotImplementedError


async def with_an_answer_of_its_own(actor: CurrentActor) -> Response:
    raise NotImplementedError


@pytest.mark.parametrize("endpoint", [with_a_limit, with_another_id, with_the_request, with_an_answer_of_its_own])
def test_other_handlers_are_left_to_fastapi(endpoint: object) -> None:
    assert not is_plain(PlainRoute("/{case_id}", endpoint))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wish",
    [
        {"response_model_exclude_none": True},
        {"response_model_by_alias": False},
        {"response_model": None},
        {"dependencies": [Depends(services)]},
    ],
    ids=lambda wish: next(iter(wish)),
)
def test_special_wishes_are_left_to_fastapi(wish: dict[str, Any]) -> None:
    assert is_plain(PlainRoute("/{case_id}", get_case, response_model=CaseRow))
    assert not is_plain(PlainRoute("/{case_id}", get_case, **{"response_model": CaseRow, **wish}))


async def test_answers_are_the_same(world: World) -> None:
    ada, bob = await world.person(), await world.person("bob")
    case_id = await ada.open_case(title="Größe <&> 😀", description="It fails.")
    plain, usual = PlainRoute("/plain/{case_id}", get_case), APIRoute("/usual/{case_id}", get_case)
    assert is_plain(plain)
    world.app.router.routes += [plain, usual]
    for client in (ada.http, bob.http, world.client(), world.client("nobody's token")):
        for wanted in (case_id, "case_000000000000", "no.id", "x" * 65):
            one, other = [
                await client.get(f"/{way}/{wanted}", headers={"X-Request-ID": "same"}) for way in ("plain", "usual")
            ]
            assert (one.status_code, one.headers, one.content) == (other.status_code, other.headers, other.content)
