"""Which web pages and extensions may call."""

import pytest

from adapters.http.options import HttpOptions
from tests.http.world import ORIGIN, World

EXTENSION = "abcdefghijklmnopabcdefghijklmnop"
FIREFOX = "0b7b2a4e-4c7e-4f53-8f0a-9a4f5d7c1e21"
ALLOWED = "authorization, content-type, idempotency-key, x-session-id, x-user-id, x-user-roles, x-request-id, accept"


async def _preflight(world: World, origin: str, path: str = "/api/v1/cases"):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ALLOWED,
        "Access-Control-Request-Private-Network": "true",
    }
    async with world.client() as client:
        return await client.options(path, headers=headers)


async def test_a_preflight_of_the_dashboard_is_granted_without_a_token(world: World) -> None:
    answer = await _preflight(world, ORIGIN)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert "Origin" in answer.headers["vary"]
    methods = {method.strip() for method in answer.headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert set(ALLOWED.split(", ")) <= allowed


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", f"chrome-extension://{EXTENSION}", ORIGIN + ".evil.example", "http://localhost"],
)
async def test_any_other_origin_gets_nothing(world: World, origin: str) -> None:
    answer = await _preflight(world, origin)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers
    async with world.client() as client:
        simple = await client.get("/v1/meta/capabilities", headers={"Origin": origin})
    assert "access-control-allow-origin" not in simple.headers


@pytest.mark.parametrize(
    ("options", "origin", "granted"),
    [
        (HttpOptions(cors_extension_ids=(EXTENSION, FIREFOX)), f"chrome-extension://{EXTENSION}", True),
        (HttpOptions(cors_extension_ids=(EXTENSION, FIREFOX)), f"moz-extension://{FIREFOX}", True),
        (HttpOptions(cors_extension_ids=(EXTENSION,)), "chrome-extension://" + "p" * 32, False),
        (HttpOptions(cors_any_extension=True), "chrome-extension://" + "p" * 32, True),
        (HttpOptions(cors_any_extension=True), f"moz-extension://{FIREFOX}", True),
        (HttpOptions(cors_any_extension=True), "chrome-extension://" + "z" * 32, False),
        (HttpOptions(cors_any_extension=True), f"https://chrome-extension://{EXTENSION}", False),
        (HttpOptions(cors_origins=()), ORIGIN, False),
    ],
)
async def test_extensions_by_id_or_all_of_them_for_development(
    options: HttpOptions, origin: str, *, granted: bool
) -> None:
    world = World(options=options)
    answer = await _preflight(world, origin)
    assert (answer.headers.get("access-control-allow-origin") == origin) is granted
    await world.aclose()


@pytest.mark.parametrize("path", ["/api/v1/cases", "/nothing", "/v1/meta/capabilities", "/livez"])
async def test_every_answer_can_be_read_and_exposes_what_clients_need(world: World, path: str) -> None:
    async with world.client() as client:
        answer = await client.get(path, headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {
        "Location",
        "Retry-After",
        "X-Title-Source",
        "X-Error-Code",
        "X-Expected-Version",
        "X-Actual-Version",
        "X-Request-ID",
    } <= exposed
    assert "Origin" in answer.headers["vary"]
