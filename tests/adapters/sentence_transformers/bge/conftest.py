"""Models that are made or opened once. Nothing here reaches the Hugging Face hub."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

# Before the first imports of the libraries that read them; the second as the adapter does it.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest

from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding, SentenceTransformersOptions
from tests.adapters.sentence_transformers.bge.models import make_bge_m3


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model with the layout of BGE-M3."""
    folder = tmp_path_factory.mktemp("models") / "bge-m3"
    make_bge_m3(folder)
    return folder


@pytest.fixture
async def small(small_model: Path) -> AsyncIterator[SentenceTransformersEmbedding]:
    """That model, open."""
    generator = await SentenceTransformersEmbedding.open(SentenceTransformersOptions(model=str(small_model)))
    yield generator
    await generator.aclose()
