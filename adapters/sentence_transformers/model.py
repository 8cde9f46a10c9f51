"""A loaded model. Everything here is slow and belongs into a thread."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.sentence_transformers.files import ModelUnusable, model_folder, unusable
from ports.errors import StorageUnavailable
from ports.vectors import EmbeddingSpace, Vector

log = logging.getLogger("faultmaven.embeddings")

CHARACTERS_A_TOKEN = 32
"""What the tokenizer is given of a text: far more than the model reads, and little enough to be cut up quickly."""
_SAMPLE = 64
"""Numbers of each weight that the fingerprint is made of."""

_device_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""Two computations at once on a device are no faster, and need twice its memory."""


class LoadedModel:
    """The weights on a device. Used by one thread at a time, and by no other generator's thread on the same device."""

    def __init__(self, model: str, device: str, max_length: int | None, model_id: str | None) -> None:
        """Load it; see `SentenceTransformersOptions`.

        Raises:
            ModelUnusable: a package, a file or the device is missing; the message says what to do.
        """
        started = time.monotonic()
        self._torch, library = _packages()
        self.device = self._usable(device)
        folder = model_folder(model)
        try:
            self._model = library.SentenceTransformer(
                str(folder), device=self.device, local_files_only=True, trust_remote_code=False
            )
            # Half precision, in which some models are stored, would let the vector depend on the rest of the batch.
            self._model.float()
            self._model.eval()
        except Exception as error:
            raise unusable(model, f"it cannot be loaded ({type(error).__name__}: {error})") from error
        limits = [length for length in (max_length, self._model.max_seq_length) if length is not None]
        if limits:
            self._model.max_seq_length = min(limits)
        self._characters = CHARACTERS_A_TOKEN * min(limits, default=512)
        self.space = self._space(model_id)
        log.info(
            "embeddings by %s on %s, %d dimensions, loaded in %.1f s as %s",
            model,
            self.device,
            self.space.dimension,
            time.monotonic() - started,
            self.space.model_id,
        )

    def embed(self, texts: Sequence[str], *, question: bool = False) -> list[Vector]:
        """The unit vectors of the texts, in order.

        Raises:
            StorageUnavailable: the computation failed, as for lack of memory.
        """
        vectors: list[Vector] = self._encode(texts, question).tolist()
        return vectors

    def release(self) -> None:
        """Give the memory back at once. The model cannot be used afterwards."""
        # The model refers to itself, so it would stay until a collection that stops the whole process.
        self._model.to("meta")
        if self.device.startswith("cuda"):
            self._torch.cuda.empty_cache()

    def _encode(self, texts: Sequence[str], question: bool) -> NDArray[np.float32]:
        encode = self._model.encode_query if question else self._model.encode_document
        given = [text[: self._characters] for text in texts]
        with _device_locks[self.device]:
            try:
                encoded = encode(given, batch_size=len(given), normalize_embeddings=True, show_progress_bar=False)
            except RuntimeError as error:
                raise StorageUnavailable(
                    f"the embedding model failed on {self.device} ({str(error).splitlines()[0]}); if memory ran out, "
                    "lower EMBEDDING_BATCH_SIZE or EMBEDDING_MAX_LENGTH"
                ) from error
        vectors = np.asarray(encoded, dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise StorageUnavailable(f"the embedding model gives vectors on {self.device} that are not finite")
        return vectors

    def _space(self, model_id: str | None) -> EmbeddingSpace:
        dimension = self._encode(["connection refused"], False).shape[1]
        return EmbeddingSpace(model_id or f"sentence-transformers-{dimension}-{self._fingerprint()}", dimension)

    def _fingerprint(self) -> str:
        """Tells models apart by what they are, not by where they came from: a sample of each weight, how the tokens
        are pooled, and what is put before a text. Names of weights change with the library, so they do not count.
        """
        weights = []
        for weight in self._model.parameters():
            sample = weight.detach().flatten()[:_SAMPLE].cpu().numpy().astype("<f4")
            weights.append(hashlib.sha256(repr(tuple(weight.shape)).encode() + sample.tobytes()).digest())
        pooling = [_pooling(module) for module in self._model if type(module).__name__ == "Pooling"]
        prompts = sorted((name, text) for name, text in self._model.prompts.items() if text)
        rest = repr((pooling, prompts)).encode()
        return hashlib.sha256(b"".join([*sorted(weights), rest])).hexdigest()[:16]

    def _usable(self, device: str) -> str:
        torch = self._torch
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        kind, _, number = device.partition(":")
        if kind == "cuda" and torch.cuda.is_available():
            index = int(number or torch.cuda.current_device())
            if index < torch.cuda.device_count():
                return f"cuda:{index}"
        elif kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()):
            return kind
        raise ModelUnusable(f"EMBEDDING_DEVICE={device}: PyTorch finds no such device; set it to auto or cpu")


def _pooling(module: Any) -> str:
    # sentence-transformers 5 has the method, 6 the attribute.
    mode = getattr(module, "pooling_mode", None) or module.get_pooling_mode_str()
    return mode if isinstance(mode, str) else "+".join(mode)


def _packages() -> tuple[Any, Any]:
    # Read when PyTorch is first imported. Its waiting threads would otherwise spin and take the processor from the
    # event loop; where others want it too, a batch then takes several times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import sentence_transformers
        import torch
        from transformers.utils import logging as transformers_logging
    except (ImportError, OSError) as error:
        # An OSError is a library that PyTorch needs and does not find.
        raise ModelUnusable(
            f"EMBEDDING_TYPE=bge_m3 needs packages that cannot be imported ({error}): run `pip install "
            "'faultmaven[bge]'`. On a machine without a GPU install the CPU build of torch before that, as the README "
            "shows; it is several gigabytes smaller"
        ) from error
    transformers_logging.disable_progress_bar()
    return torch, sentence_transformers
