"""Embeddings of a server keep the contract."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np
import pytest

from adapters.hashing.embeddings import HashingEmbedding
from adapters.openai.embeddings import OpenAiEmbedding, OpenAiEmbeddingOptions
from ports.errors import StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.contract.embedding_generator import TEXTS, EmbeddingGeneratorContractTests, cosine
from tests.servers.openai import DIMENSION, KEY, MODEL, MOST_CHARACTERS, OpenAiServer


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAiServer]:
    """A server of the protocol."""
    server = OpenAiServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def options(server: OpenAiServer) -> OpenAiEmbeddingOptions:
    """How to reach it."""
    return OpenAiEmbeddingOptions(url=server.url, model=MODEL, api_key=KEY)


@pytest.fixture
async def embeddings(options: OpenAiEmbeddingOptions) -> AsyncIterator[OpenAiEmbedding]:
    """The generator as it is installed."""
    generator = await OpenAiEmbedding.open(options)
    yield generator
    await generator.aclose()


class TestOpenAiEmbedding(EmbeddingGeneratorContractTests):
    """The contract, by the words of the server's model."""

    adapter = "openai"


async def test_the_vectors_of_the_server(embeddings: OpenAiEmbedding) -> None:
    """They come out as the server's model has them, at length 1, whatever the order of its answer."""
    for vector, expected in zip(
        await embeddings.embed_documents(TEXTS), await HashingEmbedding().embed_documents(TEXTS), strict=True
    ):
        if vector != expected:
            assert cosine(vector, expected) == pytest.approx(1.0, abs=1e-6)


async def test_the_space_is_found_out(embeddings: OpenAiEmbedding) -> None:
    """Its name is the model's, its dimension that of a vector."""
    assert embeddings.space == EmbeddingSpace(MODEL, DIMENSION)


async def test_a_given_dimension_is_asked_for(options: OpenAiEmbeddingOptions) -> None:
    """The server makes shorter vectors, and the name of the space can be another one than the model's."""
    generator = await OpenAiEmbedding.open(replace(options, dimensions=64, model_id="few-words"))
    assert generator.space == EmbeddingSpace("few-words", 64)
    assert len(await generator.embed_query("disk full")) == 64
    await generator.aclose()


async def test_a_text_that_the_model_cannot_read_shortens_no_other(embeddings: OpenAiEmbedding) -> None:
    """Only the long one counts by its beginning."""
    texts = [f"{number} disk full " * 100 for number in range(5)] + ["kafka lag " * (MOST_CHARACTERS // 9)]
    together = await embeddings.embed_documents(texts)
    alone = [await embeddings.embed_query(text) for text in texts]
    assert together == alone
    assert cosine(together[-1], await embeddings.embed_query("kafka lag")) > 0.9


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_batches(options: OpenAiEmbeddingOptions, embeddings: OpenAiEmbedding, size: int) -> None:
    """How many texts go into a request changes nothing, even if the server takes fewer."""
    generator = await OpenAiEmbedding.open(replace(options, batch_size=size))
    texts = [f"{text} {number}" for number in range(5) for text in TEXTS]
    vectors = await generator.embed_documents(texts)
    assert np.allclose(vectors, await embeddings.embed_documents(texts), atol=1e-6)
    await generator.aclose()


async def test_wrong_key(options: OpenAiEmbeddingOptions) -> None:
    """The message names the setting, and not the key, even if the server repeats it."""
    with pytest.raises(StorageUnavailable, match="check EMBEDDING_API_KEY") as raised:
        await OpenAiEmbedding.open(replace(options, api_key="sk-secret"))
    assert "secret" not in str(raised.value)
    assert "sk-" not in repr(options)


async def test_wrong_model_or_path(options: OpenAiEmbeddingOptions, server: OpenAiServer) -> None:
    """The message names both settings and what the server says."""
    with pytest.raises(StorageUnavailable, match=r"The model gpt does not exist.*EMBEDDING_MODEL.*EMBEDDING_URL"):
        await OpenAiEmbedding.open(replace(options, model="gpt"))
    with pytest.raises(StorageUnavailable, match=r"HTTP 404: Not Found.*EMBEDDING_URL"):
        await OpenAiEmbedding.open(replace(options, url=server.url.removesuffix("/v1")))


async def test_a_server_that_comes_back(options: OpenAiEmbeddingOptions, server: OpenAiServer) -> None:
    """Away means unavailable at once; the first call afterwards is answered, over new connections."""
    generator = await OpenAiEmbedding.open(options)
    expected = await generator.embed_query("disk full")
    server.kill()
    async with asyncio.timeout(3):
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1.*check EMBEDDING_URL"):
            await generator.embed_query("disk full")
    await asyncio.to_thread(server.start)
    assert await generator.embed_query("disk full") == expected
    await generator.aclose()
