"""Turns over HTTP: fields, files, decisions, repeats, and answers that come later."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from adapters.http.options import HttpOptions
from application.rate_limit import TURNS, RateLimit
from ports.errors import StorageUnavailable
from tests.http.world import Person, World, assert_error

LOG = b"2025-03-01T09:20:00Z db-1 postgres: ERROR could not write to file: No space left on device\n" * 5
KEY = {"Idempotency-Key": "opt_msg_1795300218653_2"}
TRANSITION = "status_transition"


def transition(to_state: str, **more: Any) -> dict[str, str]:
    data = {"type": TRANSITION, "to_state": to_state, "user_confirmed": True, **more}
    return {"intent_type": TRANSITION, "intent_data": json.dumps(data)}


async def test_a_turn_answers_and_is_in_the_history(ada: Person) -> None:
    case_id = await ada.open_case()
    answer = await ada.turn(case_id, "  The database db-1 is out of disk since 09:20  ")
    assert answer.status_code == 200
    body = answer.json()
    assert body["agent_response"].strip()
    assert body["turn_number"] == 1
    assert body["case_state"] == "inquiry"
    assert body["attachments_processed"] == []
    assert isinstance(body["suggested_actions"], list)
    second = (await ada.turn(case_id, "What should I look at?")).json()
    assert second["turn_number"] == 2
    history = (await ada.http.get(f"/api/v1/cases/{case_id}/messages", params={"limit": 100})).json()
    rows = [(row["turn_number"], row["role"]) for row in history["messages"]]
    assert rows == [(1, "user"), (1, "assistant"), (2, "user"), (2, "assistant")]
    assert history["messages"][0]["content"] == "The database db-1 is out of disk since 09:20"
    assert history["messages"][0]["author_id"] == ada.user_id
    assert history["messages"][1]["content"] == body["agent_response"]
    assert (history["total_count"], history["retrieved_count"], history["has_more"]) == (4, 4, False)
    rest = (await ada.http.get(f"/api/v1/cases/{case_id}/messages", params={"limit": 2, "offset": 1})).json()
    assert rest["messages"] == history["messages"][1:3]
    assert (rest["has_more"], rest["next_offset"]) == (True, 3)
    row = (await ada.http.get(f"/api/v1/cases/{case_id}")).json()
    assert row["current_turn"] == 2


async def test_files_are_judged_by_name_and_content_and_listed(ada: Person) -> None:
    case_id = await ada.open_case()
    answer = await ada.turn(case_id, files=[("app.log", LOG, "application/octet-stream")], input_type="file")
    assert answer.status_code == 200, answer.text
    (attachment,) = answer.json()["attachments_processed"]
    assert attachment["filename"] == "app.log"
    assert attachment["file_size"] == len(LOG)
    assert attachment["processing_status"] == "completed"
    assert attachment["upload_source"] == "file_upload"
    assert attachment["duplicate_of"] is None
    again = (await ada.turn(case_id, files=[("other.log", LOG, "text/plain")])).json()["attachments_processed"][0]
    assert again["duplicate_of"] == attachment["file_id"]
    assert again["duplicate_turn"] == 1
    listed = (await ada.http.get(f"/api/v1/cases/{case_id}/uploaded-files")).json()
    assert (listed["total_count"], listed["limit"], listed["offset"]) == (1, 50, 0)
    (row,) = listed["files"]
    assert (row["file_id"], row["filename"], row["size_bytes"]) == (attachment["file_id"], "app.log", len(LOG))
    assert row["size_display"] == f"{len(LOG)} B"
    details = (await ada.http.get(f"/api/v1/cases/{case_id}/uploaded-files/{row['file_id']}")).json()
    assert details["upload_source"] == "file_upload"
    assert details["derived_evidence"] == []
    assert_error(await ada.http.get(f"/api/v1/cases/{case_id}/uploaded-files/file_000000000000"), 404, "FILE_NOT_FOUND")
    messages = (await ada.http.get(f"/api/v1/cases/{case_id}/messages")).json()["messages"]
    assert messages[0]["content"] == "Submitted data for analysis"


async def test_pasted_text_and_captured_pages_have_names_that_tell(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    paste = (await ada.turn(case_id, pasted_content=LOG.decode(), input_type="paste")).json()
    (row,) = paste["attachments_processed"]
    assert row["filename"].startswith("pasted-content-")
    assert (row["source_type"], row["upload_source"]) == ("text_paste", "paste")
    page = await ada.turn(
        case_id, pasted_content="Status page: all red", input_type="page_capture", source_url="https://status.example/"
    )
    (row,) = page.json()["attachments_processed"]
    assert row["filename"].startswith("page-capture-")
    assert row["source_type"] == "page_capture"
    stored = await world.cases.get(case_id)
    assert stored.uploaded_files[-1].source_url == "https://status.example/"


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("run.exe", b"text", 415),
        ("photo.png", b"\x89PNG\r\n", 415),
        ("noextension", b"text", 415),
        ("fake.log", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, 415),
        ("report.txt", b"%PDF-1.7 ...", 415),
        ("empty.log", b"", 415),
        ("../../etc/app.log", LOG, 200),
        ("APP.LOG", LOG, 200),
        ("Ünïcode \u202e.txt", LOG, 200),
    ],
)
async def test_what_is_no_text_is_refused_and_leaves_nothing(
    world: World, ada: Person, name: str, content: bytes, status: int
) -> None:
    case_id = await ada.open_case()
    answer = await ada.turn(case_id, "see file", files=[(name, content, "text/plain")])
    assert answer.status_code == status, answer.text
    if status != 200:
        assert_error(answer, status, "UNSUPPORTED_FILE")
        assert (await ada.http.get(f"/api/v1/cases/{case_id}")).json()["message_count"] == 0
        assert await world.blobs.scan() == ()
    else:
        assert "/" not in answer.json()["attachments_processed"][0]["filename"]


async def test_a_file_that_grows_beyond_the_limit_is_cut_while_it_arrives() -> None:
    world = World(options=HttpOptions(max_file_bytes=200_000))
    ada = await world.person("ada")
    case_id = await ada.open_case()
    sent = 0

    async def endless():
        nonlocal sent
        yield b'--frontier\r\nContent-Disposition: form-data; name="files"; filename="big.log"\r\n\r\n'
        for _ in range(1000):
            sent += 50_000
            yield b"x" * 50_000
        yield b"\r\n--frontier--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    answer = await ada.http.post(f"/api/v1/cases/{case_id}/turns", content=endless(), headers=headers)
    assert_error(answer, 413, "TOO_LARGE")
    assert sent <= 300_000
    assert await world.blobs.scan() == ()
    exactly = await ada.turn(case_id, files=[("ok.log", b"y" * 200_000, "text/plain")])
    assert exactly.status_code == 200
    assert_error(await ada.turn(case_id, pasted_content="z" * 200_001), 413, "TOO_LARGE")
    await world.aclose()


async def test_all_files_together_have_a_limit_too() -> None:
    world = World(options=HttpOptions(max_file_bytes=100_000, max_upload_bytes=250_000, max_files=3))
    ada = await world.person("ada")
    case_id = await ada.open_case()
    files = [(f"{number}.log", b"%d" % number * 90_000, "text/plain") for number in range(3)]
    assert_error(await ada.turn(case_id, files=files), 413)
    many = [(f"{number}.log", b"x", "text/plain") for number in range(4)]
    assert_error(await ada.turn(case_id, files=many), 400)
    await world.aclose()


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("application/json", b'{"query": "hi"}', 415),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=x", b"garbage", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n  \r\n--x--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="query"; filename="a.txt"\r\n\r\nhi\r\n--x--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nhi\r\n--x--\r\n',
            422,
        ),
    ],
)
async def test_a_malformed_form_is_refused(ada: Person, content_type: str, content: bytes, status: int) -> None:
    case_id = await ada.open_case()
    headers = {"Content-Type": content_type}
    assert_error(await ada.http.post(f"/api/v1/cases/{case_id}/turns", content=content, headers=headers), status)


async def test_an_empty_file_input_of_a_browser_is_no_file(ada: Person) -> None:
    case_id = await ada.open_case()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="query"\r\n\r\nhello\r\n'
        b'--x\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await ada.http.post(f"/api/v1/cases/{case_id}/turns", content=body, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["attachments_processed"] == []


async def test_the_query_has_a_limit(ada: Person) -> None:
    case_id = await ada.open_case()
    assert_error(await ada.turn(case_id, "x" * 200_001), 422)
    assert (await ada.turn(case_id, "x" * 200_000)).status_code == 200


# -------------------------------------------------------------------- decisions


async def test_the_menu_leads_through_the_states(ada: Person) -> None:
    case_id = await ada.open_case(description="db-1 refuses writes since 09:20")
    begun = await ada.turn(
        case_id, "Please start the investigation", **transition("investigating", from_state="inquiry")
    )
    assert begun.status_code == 200, begun.text
    assert begun.json()["case_state"] == "investigating"
    header = (await ada.http.get(f"/api/v1/cases/{case_id}/ui")).json()
    assert header["state"] == "investigating"
    assert header["progress"]["current_stage"] == "diagnosis"
    too_early = assert_error(await ada.turn(case_id, "Resolved", **transition("resolved")), 409, "MISSING_PREREQUISITE")
    assert "verified solution" in too_early["detail"]
    closed = await ada.turn(case_id, "Please close it", **transition("closed"))
    assert closed.json()["case_state"] == "closed"
    header = (await ada.http.get(f"/api/v1/cases/{case_id}/ui")).json()
    assert (header["state"], header["closure_reason"]) == ("closed", "solution_deferred")
    assert_error(await ada.turn(case_id, "Again", **transition("investigating")), 409, "CASE_FINISHED")
    question = await ada.turn(case_id, "What was the outcome?")
    assert question.status_code == 200
    assert question.json()["attachments_processed"] == []


async def test_nothing_to_investigate_is_a_409(ada: Person) -> None:
    case_id = await ada.open_case()
    assert_error(await ada.turn(case_id, "Start", **transition("investigating")), 409)
    assert (await ada.http.get(f"/api/v1/cases/{case_id}")).json()["state"] == "inquiry"


async def test_a_suggestion_comes_back_unchanged_and_counts(ada: Person) -> None:
    case_id = await ada.open_case()
    answer = (await ada.turn(case_id, "The database db-1 is out of disk since 09:20 and refuses all writes")).json()
    clicked = [item for item in answer["suggested_actions"] if item["type"] == "DECIDE" and item["intent"]]
    assert clicked, answer
    action = clicked[0]
    assert action["intent"]["decision"]["kind"] == "confirm_statement"
    assert action["payload"]
    after = await ada.turn(
        case_id, action["payload"], intent_type=action["intent"]["type"], intent_data=json.dumps(action["intent"])
    )
    assert after.status_code == 200
    header = (await ada.http.get(f"/api/v1/cases/{case_id}/ui")).json()
    assert header["inquiry"]["problem_statement_confirmed"] is True


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"intent_type": "unknown"}, 422),
        ({"intent_type": "confirmation", "intent_data": "{"}, 422),
        ({"intent_type": "confirmation", "intent_data": "[]"}, 422),
        ({"intent_type": "confirmation", "intent_data": "{}"}, 422),
        ({"intent_type": "confirmation", "intent_data": "[" * 50_000}, 422),
        ({"intent_type": TRANSITION, "intent_data": '{"to_state": "inquiry"}'}, 422),
        ({"intent_type": TRANSITION, "intent_data": '{"to_state": ["closed"]}'}, 422),
        ({"intent_type": TRANSITION, "intent_data": '{"to_state": "closed", "closure_reason": "bored"}'}, 422),
        ({"intent_data": '{"decision": {"kind": "apply_solution"}}'}, 422),
        ({"intent_data": '{"decision": {"kind": "apply_solution", "solution_id": "sol_000000000000"}}'}, 409),
        ({"intent_data": '{"decision": "close"}'}, 422),
        ({"intent_data": '{"decision": {"kind": "close", "reason": "\\ud800"}}'}, 422),
        ({"intent_type": "conversation", "intent_data": '{"type": "conversation"}'}, 200),
        ({"intent_type": "hypothesis_action", "intent_data": "{}"}, 200),
        ({"intent_type": "confirmation", "intent_data": '{"confirmation_value": true}'}, 200),
    ],
)
async def test_malformed_intents_are_refused(ada: Person, fields: dict[str, str], status: int) -> None:
    case_id = await ada.open_case()
    answer = await ada.turn(case_id, "hello there", **fields)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert_error(answer, status)


# -------------------------------------------------------------------- repeats, limits, parallel reads


async def test_the_same_key_twice_is_one_turn_although_the_boundary_differs(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    first = await ada.turn(case_id, "hello there", headers=KEY, files=[("a.log", LOG, "text/plain")])
    second = await ada.turn(case_id, "hello there", headers=KEY, files=[("a.log", LOG, "text/plain")])
    assert first.request.headers["content-type"] != second.request.headers["content-type"]
    assert first.content == second.content
    assert world.model.calls == 1


async def test_a_repeat_waits_for_the_running_turn(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.model.open.clear()
    first = asyncio.create_task(ada.turn(case_id, "hello there", headers=KEY))
    await world.model.entered.wait()
    second = asyncio.create_task(ada.turn(case_id, "hello there", headers=KEY))
    await asyncio.sleep(0.1)
    assert not second.done()
    world.model.open.set()
    assert (await first).content == (await second).content
    assert world.model.calls == 1


async def test_reads_do_not_wait_for_a_running_turn(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.model.open.clear()
    turn = asyncio.create_task(ada.turn(case_id, "hello there"))
    await world.model.entered.wait()
    async with asyncio.timeout(5):
        for path in ("", "/ui", "/messages", "/uploaded-files"):
            assert (await ada.http.get(f"/api/v1/cases/{case_id}{path}")).status_code == 200
        assert (await ada.http.get("/api/v1/cases")).status_code == 200
    assert not turn.done()
    world.model.open.set()
    assert (await turn).status_code == 200


async def test_a_turn_has_a_time_limit() -> None:
    world = World(options=HttpOptions(turn_timeout=0.05))
    ada = await world.person("ada")
    case_id = await ada.open_case()
    world.model.open.clear()
    assert_error(await ada.turn(case_id, "hello there", headers=KEY), 504, "TIMEOUT")
    world.model.open.set()
    retried = await ada.turn(case_id, "hello there", headers=KEY)
    assert retried.json()["turn_number"] == 1
    text = world.app.state.metrics.render().decode()
    assert 'fm_turns_total{outcome="failed"} 1.0' in text
    assert 'fm_turns_total{outcome="answered"} 1.0' in text
    await world.aclose()


async def test_too_many_turns_are_slowed_down() -> None:
    world = World(limits={TURNS: RateLimit(1, timedelta(minutes=1))})
    ada = await world.person("ada")
    case_id = await ada.open_case()
    assert (await ada.turn(case_id, "hello there")).status_code == 200
    answer = await ada.turn(case_id, "hello again")
    assert_error(answer, 429, "RATE_LIMITED")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    await world.aclose()


# -------------------------------------------------------------------- answers that come later


async def _settled(person: Person, location: str) -> dict[str, Any]:
    for _ in range(500):
        body: dict[str, Any] = (await person.http.get(location)).json()
        if body["status"] != "running":
            return body
        await asyncio.sleep(0.01)
    raise AssertionError("the job does not end")


ASYNC = {"Prefer": "respond-async"}


async def test_a_turn_in_the_background_is_asked_for_at_its_location(world: World, ada: Person, bob: Person) -> None:
    case_id = await ada.open_case()
    world.model.open.clear()
    answer = await ada.turn(case_id, "hello there", headers=ASYNC, files=[("a.log", LOG, "text/plain")])
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "2"
    location = answer.headers["location"]
    assert location == f"/api/v1/jobs/{answer.json()['job_id']}"
    await world.model.entered.wait()
    running = await ada.http.get(location)
    assert running.json()["status"] == "running"
    assert "result" not in running.json() or running.json()["result"] is None
    assert_error(await bob.http.get(location), 404, "JOB_NOT_FOUND")
    world.model.open.set()
    done = await _settled(ada, location)
    assert done["status"] == "completed"
    assert done["result"]["turn_number"] == 1
    assert done["result"]["attachments_processed"][0]["filename"] == "a.log"
    messages = (await ada.http.get(f"/api/v1/cases/{case_id}/messages")).json()
    assert messages["messages"][1]["content"] == done["result"]["agent_response"]


async def test_a_repeat_of_a_background_turn_gets_the_same_job(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    first = await ada.turn(case_id, "hello there", headers={**ASYNC, **KEY})
    second = await ada.turn(case_id, "hello there", headers={**ASYNC, **KEY})
    assert first.headers["location"] == second.headers["location"]
    assert (await _settled(ada, first.headers["location"]))["result"]["turn_number"] == 1
    assert world.model.calls == 1


async def test_a_repeat_of_a_finished_turn_needs_no_job(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    first = await ada.turn(case_id, "hello there", headers=KEY)
    second = await ada.turn(case_id, "hello there", headers={**ASYNC, **KEY})
    assert (second.status_code, second.content) == (200, first.content)
    assert world.model.calls == 1


async def test_a_failed_background_turn_says_so_and_can_be_repeated(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.model.failure = ZeroDivisionError("hunter2")
    first = await ada.turn(case_id, "hello there", headers={**ASYNC, **KEY})
    failed = await _settled(ada, first.headers["location"])
    assert failed["status"] == "failed"
    assert isinstance(failed["error"]["message"], str)
    assert "hunter2" not in json.dumps(failed)
    world.model.failure = None
    second = await ada.turn(case_id, "hello there", headers={**ASYNC, **KEY})
    assert second.status_code == 202
    assert (await _settled(ada, second.headers["location"]))["status"] == "completed"


async def test_a_job_ends_as_failed_when_the_server_stops(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.model.open.clear()
    answer = await ada.turn(case_id, "hello there", headers=ASYNC)
    await world.model.entered.wait()
    await world.services.jobs.aclose()
    body = (await ada.http.get(answer.headers["location"])).json()
    assert body["status"] == "failed"
    assert isinstance(body["error"]["message"], str)


async def test_the_model_being_away_is_no_error(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    world.model.failure = StorageUnavailable("no model")
    answer = await ada.turn(case_id, "hello there")
    assert answer.status_code == 200
    assert answer.json()["degraded"] is True
