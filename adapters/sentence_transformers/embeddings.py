"""BGE-M3, or another model in the format of sentence-transformers, computed in this process.

BGE-M3 has 1024 dimensions and reads up to 8192 tokens in more than 100 languages. Source: Chen et al., "M3-Embedding",
ACL 2024.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from adapters.sentence_transformers.model import LoadedModel
from ports.capabilities import Closeable
from ports.embeddings import EmbeddingGenerator
from ports.errors import InvalidInput, StorageUnavailable
from ports.vectors import EmbeddingSpace, Vector

BATCH_CHARACTERS = 16_000
"""About 4,000 tokens, padding included. More at once is not faster, and a question waits until a batch is done."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceTransformersOptions:
    """Which model is computed, where and how."""

    model: str = "BAAI/bge-m3"
    """A folder with the model, or its name on the Hugging Face hub. The hub is never asked about a folder."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:0`` and so on, or ``mps``."""
    batch_size: int = 8
    max_length: int | None = None
    """Tokens that are read of a text; as many as the model can if None."""
    model_id: str | None = None
    """What the space of the vectors is called. If None, a name is made from the weights, the same for the same model
    wherever its files came from. Generators that share a collection of vectors must have the same."""


class SentenceTransformersEmbedding(EmbeddingGenerator, Closeable):
    """One model in one thread. Questions overtake a running import between its batches."""

    def __init__(self, options: SentenceTransformersOptions) -> None:
        """Use `open`, which loads the model."""
        if options.batch_size < 1 or (options.max_length is not None and options.max_length < 1):
            raise InvalidInput("EMBEDDING_BATCH_SIZE and EMBEDDING_MAX_LENGTH must be at least 1")
        if not _DEVICE.fullmatch(options.device):
            raise InvalidInput(
                f"EMBEDDING_DEVICE={options.device}; accepted: auto, cpu, mps, cuda, cuda:0, cuda:1, ..."
            )
        self._options = options
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sentence-transformers")
        self._model: LoadedModel | None = None
        self._space: EmbeddingSpace | None = None
        self._closed = False

    @classmethod
    async def open(cls, options: SentenceTransformersOptions) -> Self:
        """A generator with its model loaded, which takes seconds, and minutes if the model is downloaded first.

        Raises:
            InvalidInput: an option out of range.
            ModelUnusable: a package, a file or the device is missing; the message says what to do.
        """
        generator = cls(options)
        try:
            model = await generator._run(
                LoadedModel, options.model, options.device, options.max_length, options.model_id
            )
        except BaseException:
            await generator.aclose()
            raise
        generator._model, generator._space = model, model.space
        return generator

    @property
    def space(self) -> EmbeddingSpace:
        """See `EmbeddingGenerator`."""
        if self._space is None:
            raise StorageUnavailable("the embedding model is not open")
        return self._space

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """See `EmbeddingGenerator`."""
        model = self._open_model()
        vectors: list[Vector] = [()] * len(texts)
        for batch in _batches(texts, self._options.batch_size):
            embedded = await self._run(model.embed, [texts[index] for index in batch])
            for index, vector in zip(batch, embedded, strict=True):
                vectors[index] = vector
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """See `EmbeddingGenerator`."""
        vectors: list[Vector] = await self._run(partial(self._open_model().embed, [text], question=True))
        return vectors[0]

    async def aclose(self) -> None:
        """See `Closeable`."""
        self._closed = True
        if (model := self._model) is not None:
            self._model = None
            # Behind what is already waiting for the thread.
            self._executor.submit(model.release)
        await asyncio.to_thread(self._executor.shutdown, wait=True)

    def _open_model(self) -> LoadedModel:
        if self._model is None:
            raise StorageUnavailable("the embedding model is closed")
        return self._model

    async def _run(self, function: Any, *arguments: Any) -> Any:
        if self._closed:
            raise StorageUnavailable("the embedding model is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


def _batches(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """The positions of texts that are embedded together: of like length, since a batch is padded to its longest."""
    batch: list[int] = []
    for index in sorted(range(len(texts)), key=lambda index: len(texts[index])):
        if batch and (len(batch) == size or (len(batch) + 1) * len(texts[index]) > BATCH_CHARACTERS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
