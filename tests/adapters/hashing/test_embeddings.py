"""The word-based embedding keeps the contract."""

import numpy as np
import pytest

from adapters.hashing.embeddings import HashingEmbedding
from tests.contract.embedding_generator import EmbeddingGeneratorContractTests, cosine


@pytest.fixture
def embeddings() -> HashingEmbedding:
    """The generator as it is installed."""
    return HashingEmbedding()


class TestHashingEmbedding(EmbeddingGeneratorContractTests):
    """The contract, by words."""

    adapter = "hashing"


async def test_the_dimension_is_part_of_the_space() -> None:
    """Vectors of different length never meet."""
    small = HashingEmbedding(64)
    assert small.space != HashingEmbedding().space
    assert len(await small.embed_query("disk full")) == 64


async def test_the_same_on_every_machine(embeddings: HashingEmbedding) -> None:
    """A stored vector stays valid: these components do not change as long as the space keeps its name."""
    vector = await embeddings.embed_query("disk full")
    largest = np.argsort(np.abs(vector))[-2:]
    assert {(int(row), round(vector[row], 4)) for row in largest} == {(881, 0.5538), (928, 0.5538)}


async def test_shared_words_and_pieces_of_words_count(embeddings: HashingEmbedding) -> None:
    """Order and endings matter little, other words nothing."""
    text = await embeddings.embed_query("replication lag on the standby server")
    assert cosine(text, await embeddings.embed_query("standby servers lag in replication")) > 0.6
    assert cosine(text, await embeddings.embed_query("replicated databases")) > 0.1
    assert abs(cosine(text, await embeddings.embed_query("coffee machine broken"))) < 0.2
