"""Signing in and out as the clients do."""

from datetime import timedelta

import pytest

from adapters.http.options import HttpOptions
from application.rate_limit import REQUESTS, SIGN_INS, RateLimit
from tests.http.world import PASSWORD, Person, World, assert_error


async def test_config_tells_which_screen_to_show(world: World) -> None:
    async with world.client() as client:
        answer = await client.get("/api/v1/auth/config")
    assert answer.json() == {
        "auth_mode": "local",
        "login_endpoint": "/api/v1/auth/login",
        "register_endpoint": "/api/v1/auth/register",
        "supports_registration": True,
        "oauth": None,
    }


async def test_login_gives_one_answer_for_both_clients(world: World, ada: Person) -> None:
    async with world.client() as client:
        answer = await client.post(
            "/api/v1/auth/login", json={"username": "ADA", "password": PASSWORD, "unknown": 1, "email": None}
        )
    assert answer.status_code == 200
    body = answer.json()
    now = world.clock.now().timestamp()
    assert body["expires_at"] == int((now + 3600) * 1000)
    assert body["expires_in"] == 3600
    assert body["refresh_expires_in"] == 604800
    assert body["token_type"] == "bearer"
    assert body["session_id"].startswith("sess_")
    assert body["user"] == {
        "user_id": ada.user_id,
        "username": "ada",
        "email": "ada@localhost",
        "display_name": "ada",
        "is_dev_user": False,
        "is_active": True,
        "roles": ["user"],
        "created_at": "2025-03-01T12:00:00Z",
        "organization": None,
    }
    assert "password" not in answer.text.lower()


@pytest.mark.parametrize(
    "body", [{"username": "ada", "password": "wrong one"}, {"username": "nobody"}, {"username": ""}]
)
async def test_a_refused_login_says_so(world: World, ada: Person, body: dict[str, str]) -> None:
    async with world.client() as client:
        refused = assert_error(await client.post("/api/v1/auth/login", json=body), 401, "UNAUTHENTICATED")
    assert refused["detail"] == "Unknown user name or wrong password."


async def test_dev_login_takes_a_name_alone_and_makes_an_admin(world: World) -> None:
    async with world.client() as client:
        answer = await client.post("/api/v1/auth/dev-login", json={"username": "grace"})
        assert answer.status_code == 200
        body = answer.json()
        assert body["user"]["roles"] == ["user", "admin"]
        assert body["user"]["is_dev_user"] is True
        signed_in = {"Authorization": f"Bearer {body['access_token']}"}
        assert (await client.get("/api/v1/admin/kb/documents", headers=signed_in)).status_code == 200
        renewed = await client.post("/api/v1/auth/refresh", json={"refresh_token": body["refresh_token"]})
        assert renewed.status_code == 200


async def test_dev_login_is_not_there_unless_switched_on() -> None:
    world = World(options=HttpOptions(dev_login=False))
    async with world.client() as client:
        assert_error(await client.post("/api/v1/auth/dev-login", json={"username": "grace"}), 404)
    await world.aclose()


async def test_registration_signs_in_and_takes_each_name_once(world: World) -> None:
    body = {"username": "grace", "email": "grace@example.org", "display_name": "Grace H.", "password": PASSWORD}
    async with world.client() as client:
        answer = await client.post("/api/v1/auth/register", json=body)
        assert answer.status_code == 201
        assert answer.json()["user"]["display_name"] == "Grace H."
        assert_error(await client.post("/api/v1/auth/register", json=body), 409, "ALREADY_EXISTS")
        short = assert_error(await client.post("/api/v1/auth/register", json={**body, "password": "short"}), 422)
        assert "8 to 128" in short["detail"]
        assert_error(await client.post("/api/v1/auth/register", json={"username": "x y"}), 422)


async def test_registration_can_be_switched_off() -> None:
    world = World(options=HttpOptions(registration=False))
    async with world.client() as client:
        assert (await client.get("/api/v1/auth/config")).json()["supports_registration"] is False
        body = {"username": "grace", "password": PASSWORD}
        assert_error(await client.post("/api/v1/auth/register", json=body), 403)
    await world.aclose()


async def test_refresh_rotates_and_a_spent_token_is_refused_for_good(world: World, ada: Person) -> None:
    async with world.client() as client:
        login = (await client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD})).json()
        first = (await client.post("/api/v1/auth/refresh", json={"refresh_token": login["refresh_token"]})).json()
        assert set(first) == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
        world.fake_clock.advance(timedelta(seconds=11))
        again = await client.post("/api/v1/auth/refresh", json={"refresh_token": login["refresh_token"]})
        body = assert_error(again, 401)
        assert "session" not in body["detail"].lower()
        assert (await client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})).is_success


async def test_me_is_who_the_token_says_whatever_other_headers_say(world: World, ada: Person, bob: Person) -> None:
    answer = await ada.http.get("/api/v1/auth/me", headers={"X-User-ID": bob.user_id, "X-User-Roles": "admin"})
    assert answer.json()["user_id"] == ada.user_id
    assert_error(await ada.http.get("/api/v1/admin/kb/documents", headers={"X-User-Roles": "admin"}), 403)


@pytest.mark.parametrize("path", ["/api/v1/auth/logout", "/v1/auth/logout"])
async def test_both_logout_paths_end_every_sign_in(world: World, path: str) -> None:
    ada = await world.person("ada")
    async with world.client() as client:
        other = (await client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD})).json()
        answer = await ada.http.post(path, headers={"Content-Type": "application/json"})
        assert answer.json() == {"message": "Signed out", "revoked_tokens": 4, "all_sessions_ended": True}
        assert_error(await ada.http.get("/api/v1/auth/me"), 401)
        headers = {"Authorization": f"Bearer {other['access_token']}"}
        body = assert_error(await client.get("/api/v1/cases", headers=headers), 401)
        assert "session" not in body["detail"].lower()
        assert_error(await client.post(path, headers=headers), 401)


async def test_an_expired_token_is_a_plain_401(world: World, ada: Person) -> None:
    world.fake_clock.advance(timedelta(hours=1))
    body = assert_error(await ada.http.get("/api/v1/cases"), 401, "UNAUTHENTICATED")
    assert "session expired" not in body["detail"].lower()
    assert "fm_auth_failures_total 1.0" in world.app.state.metrics.render().decode()


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "Bearer \u00e9", "Bearer " + "x" * 5000]
)
async def test_no_odd_header_lets_anybody_in(world: World, value: str) -> None:
    async with world.client() as client:
        answer = await client.get("/api/v1/cases", headers={b"Authorization": value.encode("latin-1")})
    assert_error(answer, 401)


async def test_too_many_sign_ins_and_requests_are_slowed_down() -> None:
    minute = timedelta(minutes=1)
    world = World(limits={SIGN_INS: RateLimit(2, minute), REQUESTS: RateLimit(3, minute)})
    ada, bob = await world.person("ada"), await world.person("bob")
    for _ in range(3):
        assert (await ada.http.get("/api/v1/cases")).is_success
    answer = await ada.http.get("/api/v1/cases")
    assert_error(answer, 429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "60"
    assert (await bob.http.get("/api/v1/cases")).is_success
    async with world.client() as client:
        login = {"username": "ada", "password": "wrong one"}
        statuses = [(await client.post("/api/v1/auth/login", json=login)).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    world.fake_clock.advance(minute)
    assert (await ada.http.get("/api/v1/cases")).is_success
    await world.aclose()
