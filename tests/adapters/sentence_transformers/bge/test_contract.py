"""A model of sentence-transformers keeps the contract, and MiniLM comes out as in the packaged ONNX file."""

import asyncio
from collections.abc import Iterator

import pytest

from adapters.onnx.embeddings import OnnxEmbedding
from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding, SentenceTransformersOptions
from tests.adapters.sentence_transformers.bge.models import minilm_folder
from tests.contract.embedding_generator import EmbeddingGeneratorContractTests, cosine

pytestmark = pytest.mark.sentence_transformers


OPTIONS = SentenceTransformersOptions(model=str(minilm_folder()))


@pytest.fixture(scope="module")
def opened() -> Iterator[list[SentenceTransformersEmbedding]]:
    """The generators of the tests before, the last one maybe open: loading it takes longer than most of the tests."""
    generators: list[SentenceTransformersEmbedding] = []
    yield generators
    for generator in generators:
        asyncio.run(generator.aclose())


@pytest.fixture
async def embeddings(opened: list[SentenceTransformersEmbedding]) -> SentenceTransformersEmbedding:
    """The generator with a real model; a new one after a test that closed it."""
    if not opened or opened[-1]._closed:
        opened.append(await SentenceTransformersEmbedding.open(OPTIONS))
    return opened[-1]


class TestSentenceTransformersEmbedding(EmbeddingGeneratorContractTests):
    """The contract, by meaning. The adapter is called what the setting calls it."""

    adapter = "bge_m3"

    ANSWERS = (
        ("out of disk space", "The volume is full: delete old files or extend the file system."),
        ("the website is slow", "High response times of the web front end under load."),
        ("cannot sign in", "Users fail to log on because their password is rejected."),
        ("container keeps dying", "The pod restarts again and again after it runs out of memory."),
    )


async def test_the_same_model_in_another_format(embeddings: SentenceTransformersEmbedding) -> None:
    """The weights of the ONNX file are rounded to 8 bits; apart from that it is the same model."""
    sentences = [text for pair in TestSentenceTransformersEmbedding.ANSWERS for text in pair]
    other = OnnxEmbedding()
    for vector, expected in zip(
        await embeddings.embed_documents(sentences), await other.embed_documents(sentences), strict=True
    ):
        assert cosine(vector, expected) >= 0.999
    await other.aclose()
