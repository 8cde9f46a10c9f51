"""Embeddings from a server that speaks the OpenAI protocol, so that a machine with a GPU can serve BGE-M3."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import orjson

from adapters.openai.server import ModelServer, RequestRefused
from ports.capabilities import Closeable
from ports.embeddings import EmbeddingGenerator
from ports.errors import StorageUnavailable
from ports.vectors import EmbeddingSpace, Vector

log = logging.getLogger("faultmaven.embeddings")

SHORTEST = 256
"""Characters. A server that refuses a text as short as this has another reason than its length."""
PROBE = "connection refused"
SMALLEST_PEAK = 1e-12
"""Bounds the largest component of a vector, in both directions: beyond, its length has no meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiEmbeddingOptions:
    """Which model to ask, where and how."""

    url: str
    """The base of the API, such as http://localhost:11434/v1."""
    model: str
    """The model's name on that server."""
    api_key: str | None = field(default=None, repr=False)
    dimensions: int | None = None
    """Asked for with each request, for models that can shorten their vectors; nothing is asked if None."""
    model_id: str | None = None
    """What the space of the vectors is called; the model's name if None. Generators that share a collection of vectors
    must have the same."""
    batch_size: int = 32
    """Texts of a request."""
    max_characters: int = 8192
    """What is sent of a text."""
    timeout: float = 30.0
    """Seconds for a batch of documents, with its repetitions."""
    query_timeout: float = 5.0
    """Seconds for a question."""


class OpenAiEmbedding(EmbeddingGenerator, Closeable):
    """One model of one server."""

    def __init__(self, options: OpenAiEmbeddingOptions) -> None:
        """Prefer `open`, which asks the server for the dimension."""
        self._options = options
        self._server = ModelServer(options.url, options.api_key, "EMBEDDING")
        self._parameters: dict[str, Any] = {"model": options.model, "encoding_format": "float"}
        if options.dimensions is not None:
            self._parameters["dimensions"] = options.dimensions
        self._dimension = options.dimensions or 0

    @classmethod
    async def open(cls, options: OpenAiEmbeddingOptions) -> Self:
        """A generator whose space is known. Without ``dimensions`` that takes a request to the server.

        Raises:
            InvalidInput: the URL or the key cannot be used.
            StorageUnavailable: the server does not embed; the message says which setting to look at.
        """
        generator = cls(options)
        try:
            if options.dimensions is None:
                generator._dimension = len(await generator.embed_query(PROBE))
        except BaseException:
            await generator.aclose()
            raise
        log.info("embeddings by %s at %s, %d dimensions", options.model, generator._server.name, generator._dimension)
        return generator

    @property
    def space(self) -> EmbeddingSpace:
        """See `EmbeddingGenerator`."""
        return EmbeddingSpace(self._options.model_id or self._options.model, self._dimension)

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """See `EmbeddingGenerator`."""
        clock = asyncio.get_running_loop().time
        vectors: list[Vector] = []
        for start in range(0, len(texts), self._options.batch_size):
            batch = texts[start : start + self._options.batch_size]
            vectors += await self._embed(batch, lambda: clock() + self._options.timeout)
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """See `EmbeddingGenerator`."""
        deadline = asyncio.get_running_loop().time() + self._options.query_timeout
        return (await self._embed([text], lambda: deadline))[0]

    async def aclose(self) -> None:
        """See `Closeable`."""
        await self._server.aclose()

    async def _embed(self, texts: Sequence[str], deadline: Callable[[], float]) -> list[Vector]:
        # Some servers refuse the empty text.
        given = [text[: self._options.max_characters] or " " for text in texts]
        body = orjson.dumps({**self._parameters, "input": given})
        try:
            answer = await self._server.post("embeddings", body, deadline())
        except RequestRefused as refused:
            # How much a server takes shows only when it refuses more, and each says so in another way. Halves are
            # tried until the text that is too long is alone, so that no other text is shortened on its account.
            if len(given) > 1:
                half = len(given) // 2
                return [*await self._embed(given[:half], deadline), *await self._embed(given[half:], deadline)]
            if len(given[0]) > SHORTEST:
                return await self._embed([given[0][: len(given[0]) // 2]], deadline)
            raise StorageUnavailable(
                f"{self._server.name} refuses to embed a text of {len(given[0])} characters ({refused}); check "
                "EMBEDDING_MODEL and EMBEDDING_DIMENSIONS"
            ) from refused
        try:
            return await asyncio.to_thread(_vectors, answer, len(given), self._dimension)
        except ValueError as error:
            raise StorageUnavailable(
                f"{self._server.name} does not answer with the embeddings of {self._options.model}: {error}; check "
                "EMBEDDING_URL and EMBEDDING_MODEL"
            ) from error


def _vectors(answer: bytes, count: int, dimension: int) -> list[Vector]:
    """The unit vectors of an answer in the order of the texts; ``dimension`` 0 accepts any.

    Raises:
        ValueError: it is not that answer; the message says why.
    """
    try:
        parsed = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise ValueError("the answer is not JSON") from error
    data = parsed.get("data") if isinstance(parsed, dict) else None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise ValueError("the answer has no list `data`")
    rows = {item.get("index"): item.get("embedding") for item in data if isinstance(item.get("index"), int)}
    if len(data) != count or rows.keys() != set(range(count)):
        raise ValueError(f"{count} texts were sent, {len(data)} vectors with {len(rows)} numbers came back")
    lists = [rows[index] for index in range(count)]
    if not all(isinstance(row, list) and all(isinstance(value, int | float) for value in row) for row in lists):
        raise ValueError("a vector is not a list of numbers")
    expected = dimension or max(1, len(lists[0]))
    if any(len(row) != expected for row in lists):
        found = ", ".join(str(length) for length in sorted({len(row) for row in lists}))
        raise ValueError(f"vectors have {found} components, but the space has {expected}; was the model replaced?")
    matrix = np.array(lists, dtype=np.float64)
    peaks = np.abs(matrix).max(axis=1)
    if not ((peaks > SMALLEST_PEAK) & (peaks < 1 / SMALLEST_PEAK)).all():
        raise ValueError("a vector has no length that counts")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors: list[Vector] = (matrix / lengths).astype(np.float32).tolist()
    return vectors
