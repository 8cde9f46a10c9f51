"""What a server does wrong ends in an error that says what to look at, and never in a wrong vector."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from adapters.openai import server as module
from adapters.openai.embeddings import OpenAiEmbedding, OpenAiEmbeddingOptions
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable
from tests.adapters.openai.scripted import (
    ScriptedServer,
    Turn,
    answer,
    break_off,
    embed,
    flood,
    hang_up,
    never,
    refuse,
    scripted,
    vectors,
)
from tests.servers.process import free_port

Play = Callable[..., Awaitable[tuple[OpenAiEmbedding, ScriptedServer]]]


@pytest.fixture
async def play() -> AsyncIterator[Play]:
    """Starts a server that plays these turns, and a generator of 2 dimensions that asks it."""
    async with AsyncExitStack() as stack:

        async def start(*turns: Turn, **options: float) -> tuple[OpenAiEmbedding, ScriptedServer]:
            server = await stack.enter_async_context(scripted(*turns))
            given: dict[str, object] = {"url": server.url, "model": "m", "dimensions": 2, **options}
            generator = await OpenAiEmbedding.open(OpenAiEmbeddingOptions(**given))  # type: ignore[arg-type]
            stack.push_async_callback(generator.aclose)
            return generator, server

        yield start


async def test_what_is_sent(play: Play) -> None:
    """No request before the first text if the dimension is given; numbers are asked for as numbers."""
    generator, server = await play(embed)
    assert server.requests == []
    assert await generator.embed_documents([]) == []
    assert await generator.embed_query("") == pytest.approx((0.5**0.5, 0.5**0.5))
    assert server.requests == [{"model": "m", "encoding_format": "float", "dimensions": 2, "input": [" "]}]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (answer(b"<html>welcome</html>"), "the answer is not JSON"),
        (answer(b""), "the answer is not JSON"),
        (answer(b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}'), "the answer is not JSON"),
        (answer([]), "no list `data`"),
        (answer({"error": "out of memory"}), "no list `data`"),
        (answer({"data": ["x"]}), "no list `data`"),
        (vectors(), "1 texts were sent, 0 vectors"),
        (vectors([1.0, 0.0], [0.0, 1.0]), "1 texts were sent, 2 vectors"),
        (vectors([1.0, 0.0], indexes=[1]), "1 texts were sent, 1 vectors"),
        (vectors([1.0, 0.0], indexes=[None]), "1 texts were sent, 1 vectors"),
        (vectors("AACAPwAAAAA="), "not a list of numbers"),
        (vectors([1.0, None]), "not a list of numbers"),
        (vectors([1.0, 0.0, 0.0]), "vectors have 3 components, but the space has 2"),
        (vectors([]), "vectors have 0 components, but the space has 2"),
        (vectors([0.0, 0.0]), "no length"),
        (vectors([1e300, 1e300]), "no length"),
        (refuse(302), "answers HTTP 302"),
        (answer(b"<html>Forbidden</html>", 403), "EMBEDDING_API_KEY"),
        (refuse(418, "a teapot"), "HTTP 418: a teapot"),
        (refuse(400, "dimensions is not supported"), "dimensions is not supported.*EMBEDDING_DIMENSIONS"),
        (flood, "longer than 64 MiB"),
    ],
)
async def test_useless_answers(play: Play, turn: Turn, message: str) -> None:
    """One request, one error, with the address of the server in it."""
    generator, server = await play(turn)
    with pytest.raises(StorageUnavailable, match=rf"(?s)http://127\.0\.0\.1:{server.port}/v1.*{message}"):
        await generator.embed_query("disk full")
    assert len(server.requests) == 1


async def test_two_vectors_for_one_text(play: Play) -> None:
    """A number that stands twice leaves another text without a vector."""
    generator, _ = await play(vectors([1.0, 0.0], [0.0, 1.0], indexes=[0, 0]))
    with pytest.raises(StorageUnavailable, match="2 texts were sent, 2 vectors with 1 numbers"):
        await generator.embed_documents(["a", "b"])


@pytest.mark.quirk("OpenAI protocol", "vectors may come in another order than the texts; each has a number")
async def test_the_order_is_that_of_the_numbers(play: Play) -> None:
    """Not that of the answer."""
    generator, _ = await play(vectors([0.0, 5.0], [5.0, 0.0], indexes=[1, 0]))
    assert await generator.embed_documents(["a", "b"]) == [[1.0, 0.0], [0.0, 1.0]]


async def test_vectors_of_different_length_in_the_first_answer() -> None:
    """The dimension is that of the first answer, and each later one must have it."""
    async with scripted(vectors([1.0, 0.0, 0.0]), vectors([1.0, 0.0])) as server:
        generator = await OpenAiEmbedding.open(OpenAiEmbeddingOptions(url=server.url, model="m"))
        assert generator.space.dimension == 3
        with pytest.raises(StorageUnavailable, match=r"was the model replaced\?"):
            await generator.embed_query("x")
        await generator.aclose()


@pytest.mark.parametrize("fault", [refuse(500), refuse(503), refuse(429, Retry_After="0"), hang_up, break_off])
async def test_passing_faults_are_repeated(play: Play, fault: Turn) -> None:
    """Twice, then it must have worked."""
    generator, server = await play(fault, fault, embed)
    assert await generator.embed_query("") == pytest.approx((0.5**0.5, 0.5**0.5))
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [refuse(500, "CUDA out of memory"), refuse(429, "CUDA out of memory")])
async def test_lasting_faults(play: Play, fault: Turn) -> None:
    """The third one counts, and the server's reason is passed on."""
    generator, server = await play(fault)
    with pytest.raises(StorageUnavailable, match="CUDA out of memory"):
        await generator.embed_query("x")
    assert len(server.requests) == 3


async def test_the_server_says_how_long_to_wait(play: Play) -> None:
    """It is waited for that long, not for less."""
    generator, server = await play(refuse(429, Retry_After="1"), embed)
    before = time.monotonic()
    await generator.embed_query("x")
    assert time.monotonic() - before >= 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("seconds", ["3600", "6"])
async def test_nobody_waits_for_longer_than_there_is_time(play: Play, seconds: str) -> None:
    """A question has 5 seconds; what cannot succeed within them fails at once."""
    generator, server = await play(refuse(429, "slow down", Retry_After=seconds))
    async with asyncio.timeout(3):
        with pytest.raises(StorageUnavailable, match=f"slow down and asks to wait for {seconds} s"):
            await generator.embed_query("x")
    assert len(server.requests) == 1


@pytest.mark.parametrize("wait", ["Wed, 21 Oct 2037 07:28:00 GMT", "-1", "nan", "inf", "soon"])
async def test_waiting_times_that_are_none(play: Play, wait: str) -> None:
    """They count as if nothing had been said."""
    generator, server = await play(refuse(503, Retry_After=wait), embed)
    await generator.embed_query("x")
    assert len(server.requests) == 2


async def test_a_server_that_never_answers(play: Play) -> None:
    """Questions and documents have their times; both are kept, and the server is not asked again."""
    generator, server = await play(never, timeout=0.6, query_timeout=0.2)
    with pytest.raises(StorageUnavailable, match=r"did not answer within 0\.2 s"):
        await generator.embed_query("x")
    with pytest.raises(StorageUnavailable, match=r"did not answer within 0\.6 s"):
        await generator.embed_documents(["x"])
    assert len(server.requests) == 2


async def test_nobody_listens() -> None:
    """Refused connections are told at once."""
    options = OpenAiEmbeddingOptions(url=f"http://127.0.0.1:{free_port()}/v1", model="m")
    async with asyncio.timeout(3):
        with pytest.raises(StorageUnavailable, match=r"cannot be reached \(.+\); check EMBEDDING_URL"):
            await OpenAiEmbedding.open(options)


async def test_encryption_that_does_not_work() -> None:
    """A server that cannot be trusted is like one that cannot be reached, and the reason is told."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageUnavailable, match=r"https://127.*cannot be reached \(.*SSL.*\)"):
            await OpenAiEmbedding.open(OpenAiEmbeddingOptions(url=f"https://127.0.0.1:{port}/v1", model="m"))


async def test_certificates_are_verified(play: Play) -> None:
    """By name and by authority."""
    generator, _ = await play(embed)
    context = generator._server._client._transport._pool._ssl_context  # type: ignore[attr-defined]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_no_connection_in_time(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not answer the connection is not tried again."""
    generator, _ = await play(embed)

    async def unreachable(*_: object, **__: object) -> None:
        raise module.httpx.ConnectTimeout("timed out")

    monkeypatch.setattr(generator._server._client._transport, "handle_async_request", unreachable)
    with pytest.raises(StorageUnavailable, match="no connection within 3 s; check EMBEDDING_URL"):
        await generator.embed_query("x")


@pytest.mark.quirk("OpenAI protocol", "one text that is too long has the whole request refused")
async def test_texts_that_are_too_long_are_halved_alone(play: Play) -> None:
    """The server refuses batches of more than one text, and texts of more than 300 characters."""

    async def picky(server: ScriptedServer, request: dict[str, list[str]], writer: asyncio.StreamWriter) -> None:
        texts = request["input"]
        accepted = len(texts) == 1 and len(texts[0]) <= 300
        await (embed if accepted else refuse(400, "too long"))(server, request, writer)

    generator, server = await play(picky)
    rows = await generator.embed_documents(["x" * 1000, "x" * 200, "x" * 300])
    assert [round(row[0] / row[1]) for row in rows] == [250, 200, 300]
    assert len(server.requests) == 7


async def test_what_is_sent_of_a_long_text(play: Play) -> None:
    """At most ``max_characters``."""
    generator, server = await play(embed, max_characters=100)
    await generator.embed_query("x" * 1_000_000)
    assert server.requests[0]["input"] == ["x" * 100]


async def test_cancelling_leaves_it_usable(play: Play) -> None:
    """The answer to a cancelled question reaches nobody else."""
    generator, server = await play(never, embed)
    asking = asyncio.ensure_future(generator.embed_query("x" * 9))
    await server.arrivals.get()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await generator.embed_query("") == pytest.approx((0.5**0.5, 0.5**0.5))
    assert generator._server._running == set()


async def test_closing_breaks_off_what_is_running(play: Play) -> None:
    """Whoever waits is told so; cancelling and closing at once is a cancellation."""
    generator, server = await play(never)
    asking = [asyncio.ensure_future(generator.embed_query("x")) for _ in range(2)]
    await server.arrivals.get()
    await server.arrivals.get()
    asking[1].cancel()
    await generator.aclose()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(outcomes[0], StorageUnavailable)
    assert isinstance(outcomes[1], asyncio.CancelledError)


@pytest.mark.parametrize("url", ["", "localhost:11434/v1", "ftp://host/v1", "http://", "http://host:port/v1", "/v1"])
async def test_urls_that_are_none(url: str) -> None:
    """They are refused before anything is asked."""
    with pytest.raises(InvalidInput, match="EMBEDDING_URL"):
        await OpenAiEmbedding.open(OpenAiEmbeddingOptions(url=url, model="m"))


@pytest.mark.parametrize("key", ["sk-\nsecret", "sk-secret\u00e9"])
async def test_keys_that_are_none(key: str) -> None:
    """They are refused without being shown."""
    with pytest.raises(InvalidInput, match="EMBEDDING_API_KEY") as raised:
        await OpenAiEmbedding.open(OpenAiEmbeddingOptions(url="http://host/v1", model="m", api_key=key))
    assert "secret" not in str(raised.value)


async def test_secrets_of_the_url_are_not_shown(play: Play) -> None:
    """Neither a password nor a token in the query; a reason of the server is shown without the key."""
    _, server = await play(refuse(500, "cannot use key-1234"))
    url = f"http://ada:hopper@127.0.0.1:{server.port}/v1?token=lovelace"
    with pytest.raises(StorageUnavailable, match=r"cannot use \*\*\*") as raised:
        await OpenAiEmbedding.open(OpenAiEmbeddingOptions(url=url, model="m", api_key="key-1234\n"))
    assert not {"hopper", "lovelace", "1234"} & set(str(raised.value).replace("=", " ").replace(":", " ").split())
    assert "hopper" not in str(raised.value)
    assert "lovelace" not in str(raised.value)
