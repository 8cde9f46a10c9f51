"""What every `ports.embeddings.EmbeddingGenerator` must do."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from ports.capabilities import Closeable
from ports.embeddings import EmbeddingGenerator
from ports.errors import StorageUnavailable
from ports.vectors import Vector, check_vector
from tests.contract.data import LEGAL_TEXTS
from tests.contract.guard import ContractTests

TEXTS = [
    "The primary database refuses new connections: too many clients already.",
    "Disk usage of the log partition is at 100 percent",
    "",
    "TLS handshake fails because the certificate expired yesterday",
    "x",
    "Pods are evicted; the node reports memory pressure. " * 20,
    "Consumer lag grows on the orders topic after the last deployment",
    "Latency of the checkout service doubled since noon",
    "CrashLoopBackOff after a change of the readiness probe",
]


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of two unit vectors."""
    return float(np.dot(one, other))


class EmbeddingGeneratorContractTests(ContractTests):
    """A subclass provides the fixture ``embeddings``, and questions with the documents that answer them: whatever the
    generator understands to be alike.
    """

    contract = "EmbeddingGenerator"

    ANSWERS: ClassVar[Sequence[tuple[str, str]]] = (
        ("too many database connections", "The database refuses connections because there are too many of them."),
        ("certificate expired", "Renew the certificate before it has expired."),
        ("disk full of logs", "When logs fill the disk, rotate the logs and free the disk."),
        ("consumer lag in kafka", "Kafka consumer lag is reduced by adding a consumer."),
    )

    async def test_unit_vectors_of_the_space(self, embeddings: EmbeddingGenerator) -> None:
        """Each vector is one that a store of the space accepts, of length 1."""
        for vector in [*await embeddings.embed_documents(TEXTS), await embeddings.embed_query(TEXTS[0])]:
            check_vector(vector, embeddings.space.dimension)
            assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
            assert type(vector[0]) is float

    async def test_space(self, embeddings: EmbeddingGenerator) -> None:
        """The space has a name, and is compared by the cosine."""
        assert embeddings.space.model_id
        assert embeddings.space.metric == "cosine"

    async def test_same_text_same_vector(self, embeddings: EmbeddingGenerator) -> None:
        """Today and tomorrow, as often as it is asked."""
        assert await embeddings.embed_documents(TEXTS) == await embeddings.embed_documents(TEXTS)

    async def test_alone_or_in_a_batch(self, embeddings: EmbeddingGenerator) -> None:
        """What stands beside a text, before or behind it, does not change its vector; the order is kept."""
        together = await embeddings.embed_documents(TEXTS)
        backwards = await embeddings.embed_documents(TEXTS[::-1])
        for text, vector, other in zip(TEXTS, together, backwards[::-1], strict=True):
            (alone,) = await embeddings.embed_documents([text])
            assert cosine(vector, alone) == pytest.approx(1.0, abs=1e-5)
            assert cosine(vector, other) == pytest.approx(1.0, abs=1e-5)

    async def test_repeated_texts(self, embeddings: EmbeddingGenerator) -> None:
        """Each position has its vector, repeats too."""
        vectors = await embeddings.embed_documents([TEXTS[0]] * 20)
        assert len(vectors) == 20
        assert all(cosine(vector, vectors[0]) == pytest.approx(1.0, abs=1e-5) for vector in vectors)

    async def test_no_texts(self, embeddings: EmbeddingGenerator) -> None:
        """Nothing comes of nothing."""
        assert await embeddings.embed_documents([]) == []

    async def test_different_texts_differ(self, embeddings: EmbeddingGenerator) -> None:
        """No two of these texts come out as the same direction."""
        vectors = await embeddings.embed_documents(TEXTS)
        for row, vector in enumerate(vectors):
            assert all(cosine(vector, other) < 0.99 for other in vectors[:row])

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_hostile_text(self, embeddings: EmbeddingGenerator, text: str) -> None:
        """Any text has a direction."""
        (vector,) = await embeddings.embed_documents([text])
        check_vector(vector, embeddings.space.dimension)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize("text", ["", " ", "\n\t", ".", "\u200b", "\U0001f525"])
    async def test_text_without_words(self, embeddings: EmbeddingGenerator, text: str) -> None:
        """It has a direction too, the same as a document and as a question."""
        (document,) = await embeddings.embed_documents([text])
        assert np.linalg.norm(document) == pytest.approx(1.0, abs=1e-5)
        assert cosine(document, await embeddings.embed_query(text)) == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize("unit", ["word ", "x", "\u6570", "a-b_c.d ", " "])
    async def test_very_long_text(self, embeddings: EmbeddingGenerator, unit: str) -> None:
        """A megabyte counts by its beginning, and costs no more than what is read of it."""
        text = unit * (1_000_000 // len(unit))
        long, longer = await embeddings.embed_documents([text, f"{text} and something else at the end"])
        assert np.linalg.norm(long) == pytest.approx(1.0, abs=1e-5)
        assert cosine(long, longer) == pytest.approx(1.0, abs=1e-5)

    async def test_a_question_is_near_its_answer(self, embeddings: EmbeddingGenerator) -> None:
        """Nearer than to any other document."""
        documents = await embeddings.embed_documents([answer for _, answer in self.ANSWERS])
        for row, (question, _) in enumerate(self.ANSWERS):
            asked = await embeddings.embed_query(question)
            assert int(np.argmax([cosine(asked, document) for document in documents])) == row

    async def test_the_arguments_are_left_alone(self, embeddings: EmbeddingGenerator) -> None:
        """The list of texts is read only."""
        texts = list(TEXTS)
        await embeddings.embed_documents(texts)
        assert texts == TEXTS

    async def test_questions_overtake_an_import(self, embeddings: EmbeddingGenerator) -> None:
        """20 questions asked during the import of 200 documents are answered before it is done, and rightly."""
        documents = [f"{TEXTS[number % len(TEXTS)]} Case number {number}." for number in range(200)]
        expected = [await embeddings.embed_query(text) for text in TEXTS]
        importing = asyncio.ensure_future(embeddings.embed_documents(documents))
        await asyncio.sleep(0)
        asked = [TEXTS[number % len(TEXTS)] for number in range(20)]
        answers = await asyncio.gather(*(embeddings.embed_query(text) for text in asked))
        assert not importing.done()
        for number, answer in enumerate(answers):
            assert cosine(answer, expected[number % len(TEXTS)]) == pytest.approx(1.0, abs=1e-5)
        assert len(await importing) == 200

    async def test_cancelled_imports_do_no_harm(self, embeddings: EmbeddingGenerator) -> None:
        """Whoever comes afterwards is served."""
        tasks = [asyncio.ensure_future(embeddings.embed_documents(TEXTS)) for _ in range(10)]
        for task in tasks:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        (vector,) = await embeddings.embed_documents([TEXTS[0]])
        assert cosine(vector, await embeddings.embed_query(TEXTS[0])) == pytest.approx(1.0, abs=1e-5)

    async def test_close_refuses_every_call(self, embeddings: EmbeddingGenerator) -> None:
        """A closed generator says so, and what it was working on ends; one that holds nothing cannot be closed."""
        if not isinstance(embeddings, Closeable):
            assert not hasattr(embeddings, "aclose")
            return
        working = [asyncio.ensure_future(embeddings.embed_query(TEXTS[0])) for _ in range(5)]
        await asyncio.sleep(0)
        await embeddings.aclose()
        await embeddings.aclose()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*working, return_exceptions=True)
        assert all(isinstance(result, list | StorageUnavailable) for result in results)
        with pytest.raises(StorageUnavailable):
            await embeddings.embed_query("x")
        with pytest.raises(StorageUnavailable):
            await embeddings.embed_documents(TEXTS)
