"""Cases as the clients see them."""

import asyncio
import json
import re
from datetime import timedelta

import pytest

from tests.http.world import Person, World, assert_error

KEY = {"Idempotency-Key": "opt_case_1795300218654_1"}
PLACEHOLDER = re.compile(r"^Case-\d{6}-\d+$")


async def test_a_new_case_without_a_title_gets_a_placeholder(ada: Person) -> None:
    body = {"title": None, "priority": "medium", "metadata": {"created_via": "browser_extension"}, "unknown": [1]}
    answer = await ada.http.post("/api/v1/cases", json=body)
    assert answer.status_code == 201
    case = answer.json()
    assert PLACEHOLDER.fullmatch(case["title"])
    assert not case["case_id"].startswith("opt_")
    assert case["state"] == "inquiry"
    assert "status" not in case
    assert case["priority"] == "medium"
    assert (case["stage"], case["closure_reason"], case["resolved_at"], case["closed_at"]) == (None,) * 4
    assert case["valid_next_states"] == ["investigating", "closed"]
    assert case["user_id"] == ada.user_id
    assert (case["current_turn"], case["is_terminal"], case["turns_without_progress"]) == (0, False, 0)
    assert case["created_at"] == "2025-03-01T12:00:00Z"
    assert (await ada.http.get(f"/api/v1/cases/{case['case_id']}")).json() == case


async def test_an_empty_body_opens_a_case_too(ada: Person) -> None:
    answer = await ada.http.post("/api/v1/cases", headers={"Content-Type": "application/json"})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "body", [{"title": "x" * 201}, {"title": "a\0b"}, {"priority": "urgent"}, {"description": "x" * 2001}, {"title": 5}]
)
async def test_malformed_fields_are_refused(ada: Person, body: dict[str, object]) -> None:
    assert_error(await ada.http.post("/api/v1/cases", json=body), 422)
    assert (await ada.http.get("/api/v1/cases")).json()["total_count"] == 0


async def test_the_list_holds_every_own_case_the_latest_first(world: World, ada: Person, bob: Person) -> None:
    first = await ada.open_case()
    world.fake_clock.advance(timedelta(minutes=1))
    second = await ada.open_case(title="Second")
    await bob.open_case()
    closing = {"type": "status_transition", "to_state": "closed"}
    closed = await ada.turn(first, "Please close it", intent_type="status_transition", intent_data=json.dumps(closing))
    assert closed.status_code == 200
    body = (await ada.http.get("/api/v1/cases", params={"limit": 100, "offset": 0})).json()
    assert {row["case_id"] for row in body["cases"]} == {first, second}
    assert (body["total_count"], body["limit"], body["offset"], body["has_more"]) == (2, 100, 0, False)
    page = (await ada.http.get("/api/v1/cases", params={"limit": 1, "include_empty": "true", "source": "x"})).json()
    assert page["has_more"] is True
    only = (await ada.http.get("/api/v1/cases", params={"state": "closed"})).json()
    assert [row["case_id"] for row in only["cases"]] == [first]
    assert only["cases"][0]["closure_reason"] == "inquiry_only"


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 201}, {"offset": -1}, {"limit": "x"}, {"state": "consulting"}, {"offset": 10**20}],
)
async def test_odd_pages_are_refused(ada: Person, params: dict[str, object]) -> None:
    assert_error(await ada.http.get("/api/v1/cases", params=params), 422)


async def test_search_finds_own_cases_only(ada: Person, bob: Person) -> None:
    case_id = await ada.open_case(title="Disk full on db-1")
    await bob.open_case(title="Disk full elsewhere")
    found = (await ada.http.get("/api/v1/cases/search", params={"query": "DISK db"})).json()
    assert [row["case_id"] for row in found["cases"]] == [case_id]
    assert (await ada.http.get("/api/v1/cases/search", params={"query": "%"})).json()["cases"] == []
    assert_error(await ada.http.get("/api/v1/cases/search", params={"query": "  "}), 422)
    assert_error(await ada.http.get("/api/v1/cases/search"), 422)


async def test_rename_keeps_the_new_title_also_of_a_finished_case(ada: Person) -> None:
    case_id = await ada.open_case()
    answer = await ada.http.put(f"/api/v1/cases/{case_id}", json={"title": "  " + "x" * 200})
    assert answer.json()["title"] == "x" * 200
    closing = json.dumps({"type": "status_transition", "to_state": "closed"})
    await ada.turn(case_id, "Close it", intent_type="status_transition", intent_data=closing)
    assert (await ada.http.put(f"/api/v1/cases/{case_id}", json={"title": "After"})).json()["title"] == "After"
    body = assert_error(await ada.http.put(f"/api/v1/cases/{case_id}", json={"title": "  "}), 422)
    assert "title" in body["detail"]


async def test_deleting_is_final_and_may_be_repeated(ada: Person) -> None:
    case_id = await ada.open_case()
    assert (await ada.http.delete(f"/api/v1/cases/{case_id}")).status_code == 204
    again = await ada.http.delete(f"/api/v1/cases/{case_id}")
    assert (again.status_code, again.content) == (204, b"")
    assert_error(await ada.http.get(f"/api/v1/cases/{case_id}"), 404, "CASE_NOT_FOUND")


async def test_a_title_is_made_from_what_was_said(ada: Person) -> None:
    case_id = await ada.open_case()
    too_early = await ada.http.post(f"/api/v1/cases/{case_id}/title", headers={"Content-Type": "application/json"})
    assert_error(too_early, 422, "NOT_ENOUGH_CONTEXT")
    hinted = await ada.http.post(
        f"/api/v1/cases/{case_id}/title", json={"max_words": 8, "hint": "The payment service refuses connections"}
    )
    assert hinted.status_code == 200
    assert hinted.headers["x-title-source"] == "fallback"
    assert hinted.json()["schema_version"] == "3.1.0"
    existing = await ada.http.post(f"/api/v1/cases/{case_id}/title")
    assert existing.headers["x-title-source"] == "existing"
    assert existing.json()["title"] == hinted.json()["title"]


async def test_figures_and_similar_cases_are_there(ada: Person) -> None:
    case_id = await ada.open_case(title="Disk full on db-1")
    figures = (await ada.http.get(f"/api/v1/cases/{case_id}/analytics")).json()
    assert (figures["state"], figures["completion"], figures["message_count"]) == ("inquiry", 0.0, 0)
    similar = (await ada.http.get(f"/api/v1/cases/{case_id}/similar")).json()
    assert similar["results"] == []


# -------------------------------------------------------------------- idempotency


async def test_the_same_key_twice_is_one_case_with_equal_answers(ada: Person) -> None:
    first = await ada.http.post("/api/v1/cases", json={"title": "One"}, headers=KEY)
    second = await ada.http.post("/api/v1/cases", json={"title": "One"}, headers=KEY)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert (await ada.http.get("/api/v1/cases")).json()["total_count"] == 1


async def test_two_users_with_the_same_key_have_two_cases(ada: Person, bob: Person) -> None:
    first = await ada.http.post("/api/v1/cases", json={}, headers=KEY)
    second = await bob.http.post("/api/v1/cases", json={}, headers=KEY)
    assert first.json()["case_id"] != second.json()["case_id"]
    assert second.json()["user_id"] == bob.user_id


async def test_a_pair_at_once_is_one_case(ada: Person) -> None:
    answers = await asyncio.gather(*(ada.http.post("/api/v1/cases", json={}, headers=KEY) for _ in range(5)))
    assert len({answer.content for answer in answers}) == 1
    assert (await ada.http.get("/api/v1/cases")).json()["total_count"] == 1


async def test_a_failure_is_not_kept(ada: Person) -> None:
    assert_error(await ada.http.post("/api/v1/cases", json={"title": "x" * 500}, headers=KEY), 422)
    assert (await ada.http.post("/api/v1/cases", json={"title": "ok"}, headers=KEY)).status_code == 201


async def test_a_malformed_key_is_refused(ada: Person) -> None:
    for key in ("short", "x" * 256, "with space in it", "semi;colon;s"):
        answer = await ada.http.post("/api/v1/cases", json={}, headers={"Idempotency-Key": key})
        assert_error(answer, 400, "INVALID_IDEMPOTENCY_KEY")


# -------------------------------------------------------------------- access


async def test_every_case_route_hides_foreign_cases(world: World, ada: Person, bob: Person) -> None:
    routes = [(method, path) for method, path in world.routes() if "{case_id}" in path]
    assert len(routes) >= 14
    case_id, missing = await ada.open_case(title="Secret of Ada"), "case_" + "0" * 12
    before = (await ada.http.get(f"/api/v1/cases/{case_id}")).json()
    for method, path in routes:
        answers = []
        for wanted in (case_id, missing):
            url = path.replace("{case_id}", wanted)
            url = re.sub(r"\{\w+\}", "file_000000000000", url)
            if path.endswith("/turns"):
                answer = await bob.turn(wanted, "What is this?")
            else:
                answer = await bob.http.request(method, url, json={"title": "Mine now", "report_type": "timeline"})
            body = assert_error(answer, 404, "CASE_NOT_FOUND")
            assert "Ada" not in answer.text
            answers.append((set(body), body["detail"].replace(wanted, "X"), set(answer.headers)))
        assert answers[0] == answers[1], f"{method} {path} tells a foreign case from a missing one"
    assert (await ada.http.get(f"/api/v1/cases/{case_id}")).json() == before
    search = await bob.http.get("/api/v1/knowledge/search", params={"query": "secret", "case_id": case_id})
    assert_error(search, 404, "CASE_NOT_FOUND")


PUBLIC = {
    "/v1/meta/capabilities",
    "/livez",
    "/readyz",
    "/readiness",
    "/health",
    "/metrics",
    "/api/v1/auth/config",
    "/api/v1/auth/dev-login",
    "/api/v1/auth/login",
    "/api/v1/auth/register",
    "/api/v1/auth/refresh",
}


async def test_every_route_asks_who_is_calling_unless_it_is_on_the_list(world: World) -> None:
    routes = world.routes()
    assert len(routes) > 35
    async with world.client() as client:
        for method, path in routes:
            url = re.sub(r"\{\w+\}", "case_000000000000", path)
            answer = await client.request(method, url, json={})
            assert (answer.status_code == 401) is (path not in PUBLIC), (method, path, answer.text)


async def test_admin_routes_refuse_everybody_else(world: World, ada: Person) -> None:
    routes = [(method, path) for method, path in world.routes() if "/admin/" in path]
    assert len(routes) == 3
    for method, path in routes:
        url = re.sub(r"\{\w+\}", "kb_0000000000000000", path)
        assert_error(await ada.http.request(method, url), 403, "FORBIDDEN")
