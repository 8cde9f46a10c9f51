"""Every error has one shape, is fit to be shown, gives nothing away, and can be read by a browser."""

import logging

import pytest
from pydantic import BaseModel

from adapters.http.errors import explain
from adapters.http.metrics import Metrics
from adapters.http.middleware import AnswerEverything
from application.errors import (
    ApplicationError,
    Forbidden,
    InvalidIdempotencyKey,
    NotEnoughContext,
    RateLimited,
    TokenExpired,
    Unauthenticated,
    UnsupportedFile,
    UploadTooLarge,
)
from domain.errors import (
    BadClosureReason,
    DomainError,
    IllegalTransition,
    InvalidInput,
    MissingPrerequisite,
    TerminalCase,
    UnknownReference,
)
from ports.errors import (
    AlreadyExists,
    Conflict,
    NotFound,
    NotSupported,
    OutcomeUnknown,
    PortError,
    StorageCorrupt,
    StorageFull,
    StorageUnavailable,
)
from tests.http.world import ORIGIN, Person, World, assert_error

SECRET = "postgresql://admin:hunter2@10.0.0.7/cases"


def _all_subclasses(kind: type[Exception]) -> set[type[Exception]]:
    found = {kind}
    for sub in kind.__subclasses__():
        found |= _all_subclasses(sub)
    return found


EXAMPLES: list[tuple[Exception, int, str]] = [
    (Unauthenticated("Please sign in."), 401, "UNAUTHENTICATED"),
    (TokenExpired("Please sign in again."), 401, "TOKEN_EXPIRED"),
    (Forbidden("Only administrators."), 403, "FORBIDDEN"),
    (InvalidIdempotencyKey("bad key"), 400, "INVALID_IDEMPOTENCY_KEY"),
    (NotEnoughContext("say more"), 422, "NOT_ENOUGH_CONTEXT"),
    (RateLimited(7), 429, "RATE_LIMITED"),
    (UnsupportedFile("a PDF"), 415, "UNSUPPORTED_FILE"),
    (UploadTooLarge(10), 413, "TOO_LARGE"),
    (ApplicationError("no"), 422, "REFUSED"),
    (InvalidInput("bad"), 422, "INVALID_INPUT"),
    (BadClosureReason("resolved", ("other",)), 422, "INVALID_INPUT"),
    (UnknownReference("solution", "sol_1"), 422, "UNKNOWN_REFERENCE"),
    (IllegalTransition("closed", "resolved"), 409, "ILLEGAL_TRANSITION"),
    (MissingPrerequisite("This", ("that",)), 409, "MISSING_PREREQUISITE"),
    (TerminalCase("closed"), 409, "CASE_FINISHED"),
    (DomainError("no"), 409, "REFUSED"),
    (NotFound("case", "case_1"), 404, "CASE_NOT_FOUND"),
    (AlreadyExists("user", "username"), 409, "ALREADY_EXISTS"),
    (Conflict("case", "case_1", 3, 4), 409, "VERSION_CONFLICT"),
    (NotSupported(SECRET), 501, "NOT_SUPPORTED"),
    (StorageUnavailable(SECRET), 503, "STORAGE_UNAVAILABLE"),
    (OutcomeUnknown(SECRET), 503, "OUTCOME_UNKNOWN"),
    (StorageFull(SECRET), 507, "STORAGE_FULL"),
    (StorageCorrupt(SECRET), 500, "STORAGE_CORRUPT"),
    (PortError(SECRET), 503, "STORAGE_ERROR"),
    (TimeoutError(), 504, "TIMEOUT"),
    (ZeroDivisionError(SECRET), 500, "INTERNAL_ERROR"),
]


@pytest.mark.parametrize(("error", "status", "code"), EXAMPLES, ids=lambda value: type(value).__name__)
async def test_each_error_has_its_status_and_its_code(
    world: World, ada: Person, error: Exception, status: int, code: str
) -> None:
    case_id = await ada.open_case()
    world.cases.failure = error
    answer = await ada.http.get(f"/api/v1/cases/{case_id}", headers={"Origin": ORIGIN})
    body = assert_error(answer, status, code)
    assert set(body) == {"detail", "code", "request_id"}
    assert answer.headers["x-error-code"] == code
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text


def test_the_table_covers_every_error_of_the_layers_below() -> None:
    tested = {type(error) for error, _, _ in EXAMPLES}
    known = set().union(*(_all_subclasses(base) for base in (ApplicationError, DomainError, PortError)))
    ours = {kind for kind in known if kind.__module__.split(".")[0] in ("application", "domain", "ports")}
    # What is moved, saved and restored is so by the operator, on the command line alone.
    ours = {kind for kind in ours if not kind.__module__.startswith("application.transfer.")}
    assert ours - tested == set()


async def test_headers_tell_when_to_repeat_and_which_version_is_stored(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    for error, expected in [
        (RateLimited(7), {"retry-after": "7"}),
        (StorageUnavailable("x"), {"retry-after": "2"}),
        (OutcomeUnknown("x"), {"retry-after": "2"}),
        (Conflict("case", case_id, 3, 4), {"x-expected-version": "3", "x-actual-version": "4"}),
        (Conflict("case", case_id, 3, None), {"x-expected-version": "3"}),
        (Unauthenticated("x"), {"www-authenticate": "Bearer"}),
    ]:
        world.cases.failure = error
        answer = await ada.http.get(f"/api/v1/cases/{case_id}")
        assert expected.items() <= dict(answer.headers).items()
    world.cases.failure = Conflict("case", case_id, 3, None)
    assert "x-actual-version" not in (await ada.http.get(f"/api/v1/cases/{case_id}")).headers


async def test_what_nobody_expected_is_logged_with_its_traceback(
    world: World, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    case_id = await ada.open_case()
    world.cases.failure = ZeroDivisionError(SECRET)
    with caplog.at_level(logging.ERROR):
        answer = await ada.http.get(f"/api/v1/cases/{case_id}")
    (record,) = [item for item in caplog.records if item.message == "request_failed"]
    assert record.exc_info is not None
    assert record.request_id == answer.json()["request_id"]


async def test_stores_and_conflicts_are_counted(world: World, ada: Person) -> None:
    case_id = await ada.open_case()
    for failure in (StorageUnavailable("x"), Conflict("case", case_id, 1, 2), NotFound("case", case_id)):
        world.cases.failure = failure
        await ada.http.get(f"/api/v1/cases/{case_id}")
    text = world.app.state.metrics.render().decode()
    assert 'fm_store_errors_total{code="storage_unavailable"} 1.0' in text
    assert "fm_save_conflicts_total 1.0" in text
    assert text.count("fm_store_errors_total{") == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", "/api/v1/cases/", 404),
        ("PATCH", "/api/v1/cases", 405),
        ("DELETE", "/api/v1/auth/login", 405),
        ("GET", "/api/v1/cases/%00%ff/ui", 404),
    ],
)
async def test_unknown_addresses_and_methods_are_answered_alike_and_never_by_a_redirect(
    ada: Person, method: str, path: str, status: int
) -> None:
    assert_error(await ada.http.request(method, path), status)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/api/v1/auth/login", b'{"username": 5}'),
        ("/api/v1/auth/login", b"{}"),
        ("/api/v1/auth/login", b""),
        ("/api/v1/auth/login", b"[]"),
        ("/api/v1/auth/login", b"{not json"),
        ("/api/v1/auth/register", b'{"username": "\\ud800"}'),
        ("/api/v1/auth/login", b"\xff\xfe"),
        ("/api/v1/auth/login", b"[" * 100_000),
        ("/api/v1/auth/refresh", b'{"refresh_token": null}'),
    ],
)
async def test_a_malformed_body_is_told_in_one_sentence(world: World, path: str, content: bytes) -> None:
    async with world.client() as client:
        answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert_error(answer, answer.status_code)


async def test_the_field_is_named(world: World) -> None:
    async with world.client() as client:
        body = assert_error(await client.post("/api/v1/auth/login", json={"username": 5}), 422, "INVALID_INPUT")
    assert body["detail"].startswith("username: ")
    assert body["errors"][0]["loc"] == ["body", "username"]


def test_a_refusal_of_the_domain_names_the_field_without_the_input() -> None:
    class Sample(BaseModel):
        title: int

    with pytest.raises(ValueError, match="title") as refused:
        Sample.model_validate({"title": "hunter2"})
    explanation = explain(refused.value)
    assert (explanation.status, "hunter2" in explanation.detail) == (422, False)
    assert explanation.detail.startswith("title: ")


async def test_a_body_beyond_the_limit_is_cut_while_it_arrives(world: World, ada: Person) -> None:
    sent = 0

    async def endless():
        nonlocal sent
        for _ in range(1000):
            sent += 65536
            yield b"x" * 65536

    answer = await ada.http.post(
        "/api/v1/cases", content=endless(), headers={"Content-Type": "application/json", "Origin": ORIGIN}
    )
    assert_error(answer, 413)
    assert sent <= world.options.max_body_bytes + 2 * 65536
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_a_failure_after_the_answer_has_begun_is_logged_and_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError("late")

    sent: list[str] = []

    async def send(message) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "state": {"request_id": "r1"}}
    with pytest.raises(ZeroDivisionError), caplog.at_level(logging.ERROR):
        await AnswerEverything(broken, Metrics("1"))(scope, None, send)
    assert sent == ["http.response.start"]
    assert [record.request_id for record in caplog.records] == ["r1"]
