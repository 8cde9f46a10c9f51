"""The traps of the clients, one test each: what broke them before, or would."""

import json
import re

import pytest

from tests.http.test_documents import upload
from tests.http.world import ORIGIN, PASSWORD, Person, World, assert_error


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    return set()


async def test_01_the_words_of_the_clients_and_no_others(ada: Person) -> None:
    case_id = await ada.open_case(description="db-1 refuses writes")
    await ada.turn(case_id, "hello there")
    row = (await ada.http.get(f"/api/v1/cases/{case_id}")).json()
    header = (await ada.http.get(f"/api/v1/cases/{case_id}/ui")).json()
    for shown in (row, header):
        assert shown["state"] == "inquiry"
        assert "status" not in shown
        assert "consulting" not in json.dumps(shown)
    messages = (await ada.http.get(f"/api/v1/cases/{case_id}/messages")).json()["messages"]
    assert {item["role"] for item in messages} <= {"user", "assistant", "system"}
    assert all(item["content"].strip() for item in messages)


async def test_02_times_of_the_token_have_their_units(world: World) -> None:
    async with world.client() as client:
        body = (await client.post("/api/v1/auth/dev-login", json={"username": "grace"})).json()
    assert body["expires_in"] > 300
    assert body["expires_at"] - world.clock.now().timestamp() * 1000 == body["expires_in"] * 1000


async def test_03_detail_is_a_string_in_every_error(world: World, ada: Person) -> None:
    async with world.client() as client:
        assert_error(await client.get("/api/v1/cases"), 401)
        assert_error(await client.post("/api/v1/auth/login", json={"username": []}), 422)
    assert_error(await ada.http.get("/api/v1/cases", params={"limit": "many"}), 422)
    assert_error(await ada.http.get("/api/v1/cases/unknown"), 404)


async def test_04_a_bug_can_be_read_by_a_browser(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.cases.failure = ZeroDivisionError("bug")
    answer = await ada.http.get(f"/api/v1/cases/{case_id}", headers={"Origin": ORIGIN})
    assert_error(answer, 500, "INTERNAL_ERROR")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Location" in answer.headers["access-control-expose-headers"]


async def test_05_only_the_token_causes_a_401(world: World, ada: Person, bob: Person) -> None:
    case_id = await bob.open_case()
    for method, path in [
        ("GET", f"/api/v1/cases/{case_id}"),
        ("POST", "/api/v1/sessions/sess_x/heartbeat"),
        ("GET", "/api/v1/admin/kb/documents"),
        ("GET", "/nothing"),
    ]:
        answer = await ada.http.request(method, path, headers={"X-Session-Id": "unknown"})
        assert answer.status_code in (403, 404)
        assert "session expired" not in answer.text.lower()


async def test_06_no_session_before_login_and_empty_json_bodies(world: World, ada: Person) -> None:
    empty = {"Content-Type": "application/json"}
    async with world.client() as client:
        assert_error(await client.post("/api/v1/sessions", headers=empty), 401)
    session = await ada.http.post("/api/v1/sessions", headers=empty)
    assert session.status_code == 201
    beat = f"/api/v1/sessions/{session.json()['session_id']}/heartbeat"
    assert (await ada.http.post(beat, headers=empty)).status_code == 200
    case_id = await ada.open_case(title="A real title of a case")
    assert (await ada.http.post(f"/api/v1/cases/{case_id}/title", headers=empty)).status_code == 200
    assert (await ada.http.get("/api/v1/cases", headers=empty)).status_code == 200
    assert (await ada.http.post("/api/v1/auth/logout", headers=empty)).status_code == 200


async def test_07_what_must_be_there_always_is(ada: Person) -> None:
    case_id = await ada.open_case(description="db-1 refuses writes")
    assert (await ada.turn(case_id, "hello there")).json()["attachments_processed"] == []
    start = {"type": "status_transition", "to_state": "investigating"}
    await ada.turn(case_id, "Start", intent_type="status_transition", intent_data=json.dumps(start))
    progress = (await ada.http.get(f"/api/v1/cases/{case_id}/ui")).json()["progress"]
    assert isinstance(progress["completed_indicators"], list)
    await upload(ada)
    (document,) = (await ada.http.get("/api/v1/documents")).json()["documents"]
    assert document["tags"] == []


async def test_08_a_title_is_never_empty(ada: Person) -> None:
    for title in (None, "", "   "):
        case_id = await ada.open_case(title=title)
        shown = (await ada.http.get(f"/api/v1/cases/{case_id}")).json()["title"]
        assert re.fullmatch(r"Case-(\d{4}|\d{6})-\d+", shown)


async def test_09_turn_numbers_agree_and_rows_stay(ada: Person) -> None:
    case_id = await ada.open_case()
    seen: list[str] = []
    for number in range(1, 4):
        assert (await ada.turn(case_id, f"message {number}")).json()["turn_number"] == number
        rows = (await ada.http.get(f"/api/v1/cases/{case_id}/messages")).json()["messages"]
        ids = [row["message_id"] for row in rows]
        assert ids[: len(seen)] == seen
        assert [(row["turn_number"], row["role"]) for row in rows[-2:]] == [(number, "user"), (number, "assistant")]
        seen = ids


async def test_10_a_stored_failure_is_not_final(ada: Person) -> None:
    key = {"Idempotency-Key": "opt_msg_1795300218653_2"}
    case_id = await ada.open_case()
    assert (await ada.turn(case_id, headers=key)).status_code == 422
    assert (await ada.turn(case_id, "now with text", headers=key)).status_code == 200


async def test_11_a_hundred_rows_at_once(ada: Person) -> None:
    for _ in range(3):
        await ada.open_case()
    body = (await ada.http.get("/api/v1/cases", params={"limit": 100, "offset": 0})).json()
    assert len(body["cases"]) == 3


async def test_12_old_paths_without_the_prefix(world: World, ada: Person) -> None:
    async with world.client() as client:
        assert (await client.get("/v1/meta/capabilities")).status_code == 200
    assert (await ada.http.post("/v1/auth/logout")).status_code == 200
    assert_error(await ada.http.get("/api/v1/auth/me"), 401)


async def test_13_headers_do_not_make_anybody_an_admin(ada: Person, bob: Person) -> None:
    await upload(ada)
    forged = {"X-User-ID": ada.user_id, "X-User-Roles": "admin,user"}
    assert (await bob.http.get("/api/v1/documents", headers=forged)).json()["total_count"] == 0
    assert_error(await bob.http.get("/api/v1/admin/kb/documents", headers=forged), 403)


async def test_15_an_upload_answers_json_and_is_listed_at_once(ada: Person) -> None:
    answer = await upload(ada)
    assert answer.headers["content-type"] == "application/json"
    listed = (await ada.http.get("/api/v1/documents")).json()["documents"]
    assert answer.json()["document_id"] in {item["document_id"] for item in listed}


@pytest.mark.parametrize("mime", ["application/octet-stream", "text/x-markdown", "image/png", ""])
async def test_16_the_declared_type_does_not_matter(ada: Person, mime: str) -> None:
    case_id = await ada.open_case()
    answer = await ada.turn(case_id, files=[("notes.md", b"# Notes\n\ndb-1 is full\n", mime)])
    assert answer.status_code == 200


async def test_unknown_users_and_wrong_passwords_cannot_be_told_apart(world: World, ada: Person) -> None:
    async with world.client() as client:
        known = await client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD + "x"})
        unknown = await client.post("/api/v1/auth/login", json={"username": "eve", "password": PASSWORD + "x"})
    assert known.json()["detail"] == unknown.json()["detail"]
    assert _keys(known.json()) == _keys(unknown.json())
