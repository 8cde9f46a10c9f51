"""What anybody may ask, and what operators see."""

import logging
from datetime import timedelta

import pytest

from ports.errors import StorageUnavailable
from tests.http.world import PASSWORD, Person, World


async def test_capabilities_are_in_camel_case(world: World) -> None:
    async with world.client() as client:
        body = (await client.get("/v1/meta/capabilities", headers={"Accept": "application/json"})).json()
    assert body["deploymentMode"] == "self-hosted"
    assert body["dashboardUrl"] == "http://127.0.0.1:3333"
    assert body["features"]["adminKB"] is True
    assert body["limits"] == {
        "maxFileBytes": 10485760,
        "allowedExtensions": [".md", ".txt", ".log", ".json", ".csv"],
    }


async def test_probes_tell_life_from_readiness(world: World) -> None:
    async with world.client() as client:
        assert (await client.get("/livez")).json() == {"status": "alive"}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok", "problems": []})
        assert (await client.get("/health")).json() == {
            "status": "ok",
            "version": "1.2.3",
            "components": {"cases": "ok", "sessions": "ok"},
        }
        world.cases.failure = StorageUnavailable("10.0.0.7 does not answer")
        world.fake_clock.advance(timedelta(seconds=2))
        for path in ("/readyz", "/readiness"):
            broken = await client.get(path)
            assert (broken.status_code, broken.json()) == (503, {"status": "unavailable", "problems": ["cases"]})
        assert (await client.get("/livez")).status_code == 200
        health = await client.get("/health")
        assert health.json()["components"]["cases"] == "unavailable"
        assert "10.0.0.7" not in health.text
        world.cases.failure = None
        world.health.begin_shutdown()
        stopping = await client.get("/readyz")
        assert (stopping.status_code, stopping.json()["status"]) == (503, "shutting_down")


async def test_metrics_count_by_route_and_hold_no_id(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    await ada.http.get(f"/api/v1/cases/{case_id}/ui")
    await ada.turn(case_id, "hello there")
    await ada.http.request("BREW", "/api/v1/cases")
    await ada.http.get(f"/nothing/{case_id}")
    async with world.client() as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'fm_http_requests_total{method="GET",route="/api/v1/cases/{case_id}/ui",status="200"} 1.0' in answer.text
    assert 'fm_http_requests_total{method="OTHER",route="/api/v1/cases",status="405"} 1.0' in answer.text
    assert 'route="(none)",status="404"' in answer.text
    assert 'fm_turns_total{outcome="answered"} 1.0' in answer.text
    assert 'fm_build_info{version="1.2.3"} 1.0' in answer.text
    assert "fm_http_request_duration_seconds_bucket" in answer.text
    for secret in (case_id, ada.user_id, ada.token):
        assert secret not in answer.text


async def test_the_loop_is_watched_while_the_application_runs(world: World) -> None:
    async with world.app.router.lifespan_context(world.app):
        assert "fm_event_loop_lag_seconds" in world.app.state.metrics.render().decode()


async def test_one_log_line_for_each_request_without_bodies_or_secrets(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ada = await world.person("ada")
        case_id = await ada.open_case(title="Secret project")
        await ada.turn(case_id, "The password is hunter2", headers={"X-Request-ID": "abc-123"})
        async with world.client() as client:
            await client.post("/api/v1/auth/login", json={"username": "ada", "password": PASSWORD})
            await client.get("/livez")
            await client.get("/metrics")
    lines = [record for record in caplog.records if record.name == "faultmaven.access"]
    assert [line.route for line in lines] == ["/api/v1/cases", "/api/v1/cases/{case_id}/turns", "/api/v1/auth/login"]
    assert lines[1].request_id == "abc-123"
    assert lines[1].actor_id == ada.user_id
    assert lines[1].duration_ms >= 0
    everything = "\n".join(str(record.__dict__) for record in caplog.records if record.name.startswith("faultmaven"))
    for secret in ("hunter2", PASSWORD, ada.token, "Secret project"):
        assert secret not in everything


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "a\u00e9", "a;b"])
async def test_an_odd_request_id_is_replaced(world: World, given: str) -> None:
    async with world.client() as client:
        answer = await client.get("/livez", headers={b"X-Request-ID": given.encode("latin-1")})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 16


async def test_every_answer_has_the_headers_that_protect_it(world: World, ada: Person) -> None:
    for path in ("/api/v1/cases", "/nothing", "/docs"):
        headers = (await ada.http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


async def test_the_interface_describes_itself(world: World) -> None:
    async with world.client() as client:
        assert (await client.get("/docs")).status_code == 200
        schema = (await client.get("/openapi.json")).json()
    assert schema["info"]["version"] == "1.2.3"
    turn = schema["paths"]["/api/v1/cases/{case_id}/turns"]["post"]
    assert "multipart/form-data" in turn["requestBody"]["content"]
    assert {"200", "202", "4XX", "5XX"} <= set(turn["responses"])
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation.get("description"), (method, path)
