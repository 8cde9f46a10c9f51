"""Requests to a Chroma server: whose headers they carry, what is trusted, how long is waited, what failures mean."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from domain.errors import InvalidInput
from ports.errors import OutcomeUnknown, PortError, StorageFull, StorageUnavailable
from tests.adapters.chroma.scripted import (
    BREAK,
    COLLECTION,
    SILENCE,
    TRICKLE,
    Answer,
    Request,
    ScriptedServer,
    like_chroma,
    scripted_server,
)
from tests.contract.vectors.data import SPACE, a_record, put
from tests.servers.process import free_port

KEY = "s3cret-of-the-proxy"
TLS = Path(__file__).with_name("tls")
"""Certificates with their keys, made for these tests alone, that vouch for themselves."""
SECONDS = 0.3


async def open_at(url: str, **options: Any) -> ChromaServerVectorStore:
    """A store on this server."""
    return await ChromaServerVectorStore.open(ChromaServerOptions(url, "knowledge", **options), SPACE)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A server that answers like Chroma until it is told otherwise."""
    async with scripted_server() as scripted:
        yield scripted


@pytest_asyncio.fixture
async def store(server: ScriptedServer) -> AsyncIterator[ChromaServerVectorStore]:
    """A store on that server, which waits for 0.3 s."""
    opened = await open_at(server.url, seconds=SECONDS)
    yield opened
    await opened.aclose()


@pytest.mark.quirk("Chroma server", "its asynchronous client sends the key of the first server to all others")
async def test_clients_share_no_headers(server: ScriptedServer) -> None:
    """Each server gets the key that belongs to it, or none, however the calls are mixed."""
    async with scripted_server() as other, scripted_server() as open_to_all:
        keys = {server.port: "first", other.port: "second", open_to_all.port: None}
        servers = (server, other, open_to_all)
        stores = [await open_at(one.url, api_key=keys[one.port]) for one in servers]
        await asyncio.gather(*(call for store in stores for call in (store.count(), store.get(["a"]), store.scan())))
        await asyncio.gather(*(put(store, a_record(1)) for store in reversed(stores)))
        for one in servers:
            key = keys[one.port]
            sent = [request.headers.get("authorization") for request in one.requests]
            assert sent == [f"Bearer {key}" if key else None] * 5
        for store in stores:
            await store.aclose()


async def test_environment_is_left_alone(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy nor a password of the environment has a say in where the key goes."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    store = await open_at(server.url)
    assert await store.count() == 0
    await store.aclose()
    assert [request.headers.get("authorization") for request in server.requests] == [None, None]


async def test_prefix_of_the_url(server: ScriptedServer) -> None:
    """A reverse proxy may serve Chroma below a path, and names are quoted."""
    store = await open_at(f"{server.url}/chroma/", tenant="a/b", database="c d")
    await store.count()
    await store.aclose()
    assert [request.path for request in server.requests] == [
        "/chroma/api/v2/tenants/a%2Fb/databases/c%20d/collections/knowledge",
        "/chroma/api/v2/tenants/a%2Fb/databases/c%20d/collections/c0/count",
    ]


def tls_of(host: str) -> ssl.SSLContext:
    """The side of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{host}.pem")
    return context


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("this_host", {}),
        ("another_host", {"ca_file": TLS / "another_host.pem"}),
        ("this_host", {"ca_file": TLS / "another_host.pem"}),
    ],
    ids=["nobody-vouches", "for-another-host", "signed-by-another"],
)
@pytest.mark.quirk("Chroma server", "its asynchronous client verifies no certificate unless told to")
async def test_wrong_certificate_is_refused(host: str, options: dict[str, Any]) -> None:
    """Before the key is sent."""
    async with scripted_server(tls_of(host)) as server:
        with pytest.raises(StorageUnavailable, match="certificate that is not trusted") as refusal:
            await open_at(server.url, api_key=KEY, **options)
        assert server.requests == []
    assert KEY not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "options"),
    [("this_host", {"ca_file": TLS / "this_host.pem"}), ("another_host", {"verify_tls": False})],
    ids=["trusted", "not-verified"],
)
async def test_accepted_certificate(host: str, options: dict[str, Any]) -> None:
    """One that the file vouches for, or any if the check is off."""
    async with scripted_server(tls_of(host)) as server:
        store = await open_at(server.url, **options)
        assert await store.count() == 0
        await store.aclose()


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_unusable_ca_file(tmp_path: Path, content: str | None) -> None:
    """The message names the file."""
    path = tmp_path / "ca.pem"
    if content:
        path.write_text(content)
    with pytest.raises(InvalidInput, match=r"ca\.pem"):
        await open_at("https://127.0.0.1:1", ca_file=path)


@pytest.mark.quirk("Chroma server", "its asynchronous client waits for an answer for ever")
async def test_silent_server(server: ScriptedServer) -> None:
    """A server that accepts but never answers is given up within five seconds, without being told how long to wait."""
    server.answer = lambda _: SILENCE
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailable, match=r"CHROMADB_URL.*did not answer within 4 s"):
            await open_at(server.url)


@pytest.mark.parametrize("answer", [SILENCE, TRICKLE])
async def test_no_answer_in_time(server: ScriptedServer, store: ChromaServerVectorStore, answer: Answer) -> None:
    """Nor does it help to send a little now and then. Of a write nobody knows whether it happened."""
    for operation in ("count", "upsert"):
        server.instead(operation, answer)
    async with asyncio.timeout(4):
        with pytest.raises(StorageUnavailable):
            await store.count()
        with pytest.raises(OutcomeUnknown):
            await put(store, a_record(1))
    server.answer = like_chroma
    assert await store.count() == 0


async def test_busy_connections(server: ScriptedServer, store: ChromaServerVectorStore) -> None:
    """What found no free connection was not sent: that is known even of a write."""
    server.instead("count", TRICKLE)
    waiting = [asyncio.ensure_future(store.count()) for _ in range(20)]
    await server.received(21)
    with pytest.raises(StorageUnavailable):
        await put(store, a_record(1))
    assert {type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)} == {StorageUnavailable}
    server.answer = like_chroma
    await put(store, a_record(1))


async def test_refused_connection() -> None:
    """Nobody listens: that is said at once."""
    async with asyncio.timeout(1):
        with pytest.raises(StorageUnavailable, match=r"CHROMADB_URL.*cannot be reached"):
            await open_at(f"http://127.0.0.1:{free_port()}")


async def test_broken_connection_is_replaced(server: ScriptedServer, store: ChromaServerVectorStore) -> None:
    """Once: the request is sent again, and its answer counts."""
    for call in (store.count(), put(store, a_record(1))):
        before = len(server.requests)
        server.answer = lambda request, first=before: (
            BREAK if len(server.requests) == first + 1 else like_chroma(request)
        )
        await call
        assert len(server.requests) == before + 2
        assert server.requests[-1] == server.requests[-2]


async def test_connections_that_always_break(server: ScriptedServer, store: ChromaServerVectorStore) -> None:
    """It is tried twice, no more."""
    server.answer = lambda _: BREAK
    before = len(server.requests)
    with pytest.raises(StorageUnavailable, match="broke off"):
        await store.count()
    with pytest.raises(OutcomeUnknown, match="repeat it"):
        await put(store, a_record(1))
    assert len(server.requests) == before + 4


@pytest.mark.parametrize(
    ("status", "for_reading", "for_writing"),
    [
        (302, StorageUnavailable, StorageUnavailable),
        (400, StorageUnavailable, StorageUnavailable),
        (401, StorageUnavailable, StorageUnavailable),
        (403, StorageUnavailable, StorageUnavailable),
        (413, InvalidInput, InvalidInput),
        (429, StorageUnavailable, StorageUnavailable),
        (500, StorageUnavailable, OutcomeUnknown),
        (502, StorageUnavailable, OutcomeUnknown),
        (503, StorageUnavailable, StorageUnavailable),
        (504, StorageUnavailable, OutcomeUnknown),
        (507, StorageFull, StorageFull),
    ],
)
async def test_status(
    server: ScriptedServer,
    store: ChromaServerVectorStore,
    status: int,
    for_reading: type[PortError],
    for_writing: type[PortError],
) -> None:
    """Each means something of ours; the address is named, and no redirection is followed."""
    for operation in ("count", "upsert"):
        server.instead(operation, (status, {"message": "words of the server"}))
    before = len(server.requests)
    with pytest.raises(for_reading) as failure:
        await store.count()
    assert type(failure.value) is for_reading
    assert server.url in str(failure.value)
    with pytest.raises(for_writing) as failure:
        await put(store, a_record(1))
    assert type(failure.value) is for_writing
    assert len(server.requests) == before + 2


async def test_refused_key(server: ScriptedServer) -> None:
    """The setting is named, the key is not shown."""
    server.answer = lambda _: (401, {})
    with pytest.raises(StorageUnavailable, match="CHROMADB_API_KEY") as refusal:
        await open_at(server.url, api_key=KEY)
    assert KEY not in str(refusal.value)
    assert KEY not in repr(ChromaServerOptions(server.url, "knowledge", KEY))


@pytest.mark.parametrize("content", [b"<html>It works!</html>", b"[]", b"{}", b'"c0"'])
async def test_something_else_answers(server: ScriptedServer, content: bytes) -> None:
    """A server that is no Chroma is not taken for one."""
    server.answer = lambda _: (200, content)
    with pytest.raises(StorageUnavailable, match="CHROMADB_URL"):
        await open_at(server.url)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"url": "localhost:8000"}, "CHROMADB_URL"),
        ({"url": "ftp://host"}, "CHROMADB_URL"),
        ({"url": "http://"}, "CHROMADB_URL"),
        ({"url": "http://host:99999"}, "CHROMADB_URL"),
        ({"url": "http://host/?tenant=a"}, "CHROMADB_URL"),
        ({"url": f"http://user:{KEY}@host"}, "CHROMADB_URL"),
        ({"collection": "a b"}, "CHROMADB_COLLECTION"),
        ({"collection": "ab"}, "CHROMADB_COLLECTION"),
        ({"collection": "../x"}, "CHROMADB_COLLECTION"),
        ({"api_key": ""}, "CHROMADB_API_KEY"),
        ({"api_key": f"{KEY}\r\nX-Other: 1"}, "CHROMADB_API_KEY"),
        ({"api_key": f"{KEY}é"}, "CHROMADB_API_KEY"),
        ({"seconds": 0}, "time limit"),
        ({"seconds": float("nan")}, "time limit"),
        ({"batch": 0}, "batch"),
    ],
)
def test_malformed_options(change: dict[str, Any], name: str) -> None:
    """Refused before anything is sent; the message names the setting and shows no secret."""
    with pytest.raises(InvalidInput, match=name) as refusal:
        replace(ChromaServerOptions("http://host:8000", "knowledge"), **change)
    assert KEY not in str(refusal.value)


async def test_close_in_the_middle_of_calls(server: ScriptedServer, store: ChromaServerVectorStore) -> None:
    """They are told so; nothing stays open."""
    for operation in ("count", "upsert"):
        server.instead(operation, SILENCE)
    calls = [asyncio.ensure_future(store.count()), asyncio.ensure_future(put(store, a_record(1)))]
    await server.received(3)
    await store.aclose()
    read, write = await asyncio.gather(*calls, return_exceptions=True)
    assert type(read) is StorageUnavailable
    assert isinstance(write, OutcomeUnknown | StorageUnavailable)


async def test_collection_is_asked_for_once(server: ScriptedServer) -> None:
    """By however many calls at once; after it was removed, by the next call."""

    def answer(request: Request) -> Answer:
        return (404, {}) if request.path.endswith("/count") and len(server.requests) == 1 else like_chroma(request)

    store = await open_at(server.url)
    server.requests.clear()
    server.answer = answer
    with pytest.raises(StorageUnavailable, match="CHROMADB_COLLECTION"):
        await store.count()
    server.requests.clear()
    server.answer = like_chroma
    await asyncio.gather(*(store.count() for _ in range(10)))
    await store.aclose()
    assert len([request for request in server.requests if request.path.endswith("/knowledge")]) == 1
    assert COLLECTION["id"] == "c0"
