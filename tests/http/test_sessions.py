"""Sessions of the clients."""

from datetime import timedelta

import pytest

from tests.http.world import Person, World, assert_error

BROWSER = {
    "client_id": "3f0f5a1e-0000-4000-8000-000000000001",
    "session_type": "troubleshooting",
    "timeout_minutes": 180,
}


async def test_before_the_login_there_is_none(world: World) -> None:
    async with world.client() as client:
        body = assert_error(await client.post("/api/v1/sessions", json=BROWSER), 401)
    assert "session" not in body["detail"].lower()


async def test_a_session_is_opened_resumed_and_kept(world: World, ada: Person) -> None:
    answer = await ada.http.post("/api/v1/sessions", json={**BROWSER, "metadata": {"version": "1.0"}})
    assert answer.status_code == 201
    first = answer.json()
    assert first["session_resumed"] is False
    assert first["client_id"] == BROWSER["client_id"]
    assert first["user_id"] == ada.user_id
    assert (first["status"], first["session_type"]) == ("active", "troubleshooting")
    assert (first["created_at"], first["expires_at"]) == ("2025-03-01T12:00:00Z", "2025-03-01T15:00:00Z")
    again = (await ada.http.post("/api/v1/sessions", json=BROWSER)).json()
    assert again["session_resumed"] is True
    assert again["session_id"] == first["session_id"]
    world.fake_clock.advance(timedelta(minutes=30))
    beat = await ada.http.post(
        f"/api/v1/sessions/{first['session_id']}/heartbeat", headers={"Content-Type": "application/json"}
    )
    assert beat.status_code == 200
    assert beat.json()["last_activity"] == "2025-03-01T12:30:00Z"
    listed = (await ada.http.get("/api/v1/sessions")).json()
    assert first["session_id"] in [item["session_id"] for item in listed["sessions"]]
    shown = await ada.http.get(f"/api/v1/sessions/{first['session_id']}")
    assert shown.json()["expires_at"] == "2025-03-01T15:30:00Z"
    assert (await ada.http.delete(f"/api/v1/sessions/{first['session_id']}")).status_code == 204
    assert_error(await ada.http.get(f"/api/v1/sessions/{first['session_id']}"), 404, "SESSION_NOT_FOUND")


async def test_an_empty_body_opens_a_session(ada: Person) -> None:
    answer = await ada.http.post("/api/v1/sessions", headers={"Content-Type": "application/json"})
    assert answer.status_code == 201
    nulls = await ada.http.post("/api/v1/sessions", json=dict.fromkeys((*BROWSER, "metadata")))
    assert nulls.status_code == 201


@pytest.mark.parametrize("minutes", [0, 59, 481, -1, 10**30, "many"])
async def test_an_odd_timeout_is_refused(ada: Person, minutes: object) -> None:
    assert_error(await ada.http.post("/api/v1/sessions", json={**BROWSER, "timeout_minutes": minutes}), 422)


@pytest.mark.parametrize("operation", [("GET", ""), ("POST", "/heartbeat"), ("DELETE", "")])
async def test_a_foreign_session_looks_like_a_missing_one(ada: Person, bob: Person, operation: tuple[str, str]) -> None:
    session_id = (await ada.http.post("/api/v1/sessions", json=BROWSER)).json()["session_id"]
    method, tail = operation
    foreign = assert_error(await bob.http.request(method, f"/api/v1/sessions/{session_id}{tail}"), 404)
    unknown = "sess_" + "0" * 32
    missing = assert_error(await bob.http.request(method, f"/api/v1/sessions/{unknown}{tail}"), 404)
    assert foreign["detail"].replace(session_id, "X") == missing["detail"].replace(unknown, "X")
    assert (await bob.http.post("/api/v1/sessions", json=BROWSER)).json()["session_resumed"] is False


@pytest.mark.parametrize("given", ["sess_" + "0" * 32, "foreign", "%00", "x" * 300])
async def test_an_unknown_or_foreign_session_header_is_ignored(
    world: World, ada: Person, bob: Person, given: str
) -> None:
    if given == "foreign":
        given = (await bob.http.post("/api/v1/sessions", json=BROWSER)).json()["session_id"]
    answer = await ada.http.post("/api/v1/cases", json={}, headers={"X-Session-Id": given})
    assert answer.status_code == 201
    stored = await world.cases.get(answer.json()["case_id"])
    assert stored.opened_in_session is None


async def test_a_case_remembers_the_session_it_was_opened_in(world: World, ada: Person) -> None:
    session_id = (await ada.http.post("/api/v1/sessions", json=BROWSER)).json()["session_id"]
    answer = await ada.http.post("/api/v1/cases", json={}, headers={"X-Session-Id": session_id})
    assert (await world.cases.get(answer.json()["case_id"])).opened_in_session == session_id
