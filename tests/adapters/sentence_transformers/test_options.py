"""What can be said about the adapter without its packages, which `make test` does not install."""

import sys

import pytest

from adapters.sentence_transformers.embeddings import (
    BATCH_CHARACTERS,
    SentenceTransformersEmbedding,
    SentenceTransformersOptions,
    _batches,
)
from adapters.sentence_transformers.files import ModelUnusable
from domain.errors import InvalidInput
from ports.errors import StorageUnavailable


async def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install, in which order, and why it is wanted."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelUnusable, match=r"EMBEDDING_TYPE=bge_m3 .*pip install 'faultmaven\[bge\]'.*CPU build"):
        await SentenceTransformersEmbedding.open(SentenceTransformersOptions())


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:x", "cpu:0", "meta"])
async def test_unknown_device(device: str) -> None:
    """It is refused before anything is loaded."""
    with pytest.raises(InvalidInput, match=f"EMBEDDING_DEVICE={device}; accepted: auto, cpu"):
        await SentenceTransformersEmbedding.open(SentenceTransformersOptions(device=device))


@pytest.mark.parametrize("numbers", [{"batch_size": 0}, {"max_length": 0}, {"max_length": -1}])
async def test_numbers_out_of_range(numbers: dict[str, int]) -> None:
    """They are refused before anything is loaded."""
    with pytest.raises(InvalidInput, match="must be at least 1"):
        await SentenceTransformersEmbedding.open(SentenceTransformersOptions(**numbers))  # type: ignore[arg-type]


async def test_not_opened() -> None:
    """A generator without a model says so, and can be closed."""
    generator = SentenceTransformersEmbedding(SentenceTransformersOptions())
    for _ in range(2):
        with pytest.raises(StorageUnavailable, match="not open"):
            _ = generator.space
        with pytest.raises(StorageUnavailable, match="closed"):
            await generator.embed_query("x")
        await generator.aclose()


def test_batches_are_of_like_length() -> None:
    """Each position once, the short texts first, and no batch of more text than fits."""
    texts = ["x" * length for length in (6000, 1, 9000, 3, 7000, 2, 30_000, 4, 5)]
    batches = list(_batches(texts, 3))
    assert batches == [[1, 5, 3], [7, 8], [0, 4], [2], [6]]
    assert list(_batches([], 3)) == []
    assert list(_batches(["x" * BATCH_CHARACTERS] * 2, 3)) == [[0], [1]]
