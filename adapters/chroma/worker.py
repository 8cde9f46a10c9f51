"""The child process: owns the Chroma engine of one folder and answers requests from its standard input.

It ends when its input ends, so it never outlives its parent. It is the only one that writes to the folder, so it may
keep the records in memory. Questions are answered from there; what is read by its id comes from Chroma.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from itertools import starmap
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from adapters.chroma import checkpoints
from adapters.chroma.catalogue import MARGIN, Catalogue
from adapters.chroma.frames import pack, read
from adapters.chroma.where import from_json, original_field, stored_field, to_chroma
from domain.filter import MetadataValue

EXACT_COMPONENTS = 20_000_000
"""Up to so many components are compared one by one, in about 10 ms. The index of Chroma serves what is larger: after
many deletions it misses records (measured: 11 % recall once 2,000 records were replaced by others), numbers do not.
"""
PAGE = 1000
READERS = 4
LOCK_SECONDS = 3.0
"""How long the folder is waited for: the child of a parent that was killed finishes what it is doing."""
_FLOAT = "\\float:"
"""Begins the name of a field that is kept as the text of a float. No name of `stored_field` begins like this."""

Answer = tuple[dict[str, Any], bytes]


class Refusal(Exception):
    """Something that the parent has to report under the given kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Engine:
    """One collection. Reads run side by side, writes one at a time."""

    def __init__(self, folder: Path, collection: str, model_id: str, dimension: int) -> None:
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import NotFoundError

        self._dimension = dimension
        self._writing = threading.Lock()
        # The types of its results are unions over everything that can be included; what comes back here is known.
        self._collection: Any
        client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))

        def open_collection(name: str, model_id: str, dimension: int) -> Any:
            try:
                return client.get_collection(name, embedding_function=None)
            except NotFoundError:
                return client.create_collection(
                    name,
                    metadata={"model_id": model_id, "dimension": dimension},
                    configuration={
                        "hnsw": {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}
                    },
                    embedding_function=None,
                )

        self._collection = open_collection(collection, model_id, dimension)
        # Made when it is needed for the first time.
        self._open_checkpoints: Callable[[], Any] = cache(
            partial(
                open_collection,
                checkpoints.collection_of(collection),
                checkpoints.SPACE.model_id,
                checkpoints.SPACE.dimension,
            )
        )
        found = self._collection.metadata or {}
        if (found.get("model_id"), found.get("dimension")) != (model_id, dimension):
            raise Refusal(
                "space",
                f"the collection {collection!r} holds vectors of {found.get('model_id')} with {found.get('dimension')} "
                f"dimensions, but the chosen embedder is {model_id} with {dimension}. Choose the one that filled it, "
                "or name another collection (CHROMADB_COLLECTION) and run `faultmaven knowledge reindex`.",
            )
        self._catalogue = Catalogue(dimension)
        for offset in range(0, self._collection.count(), PAGE):
            page = self._collection.get(limit=PAGE, offset=offset, include=["documents", "metadatas", "embeddings"])
            vectors = np.asarray(page["embeddings"], dtype=np.float32)
            columns = _columns(page["ids"], page, range(len(page["ids"])))
            self._catalogue.put(page["ids"], vectors, columns["documents"], columns["metadatas"])

    def add(self, header: Mapping[str, Any], floats: bytes) -> Answer:
        """Store records; one that exists is replaced as a whole."""
        ids: list[str] = header["ids"]
        with self._writing:
            # Chroma merges metadata; a field that has to go is set to None.
            metadatas = [
                {**dict.fromkeys(self._stored_fields(record_id)), **dict(starmap(_stored, metadata.items()))} or None
                for record_id, metadata in zip(ids, header["metadatas"], strict=True)
            ]
            vectors = self._matrix(floats)
            self._collection.upsert(ids=ids, embeddings=vectors, documents=header["documents"], metadatas=metadatas)
            self._catalogue.put(ids, vectors, header["documents"], header["metadatas"])
        return {}, b""

    def delete(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """Remove records; tells how many there were."""
        with self._writing:
            known = [record_id for record_id in dict.fromkeys(header["ids"]) if record_id in self._catalogue]
            if known:
                self._collection.delete(ids=known)
                self._catalogue.remove(known)
        return {"count": len(known)}, b""

    def get(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """Records in the order asked for."""
        return self._records([record_id for record_id in header["ids"] if record_id in self._catalogue])

    def scan(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """The next records by id."""
        return self._records(self._catalogue.page(header["after"], header["limit"]))

    def count(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """How many records pass the filter."""
        where = header["where"]
        return {"count": len(self._catalogue) if where is None else len(self._catalogue.passing(from_json(where)))}, b""

    def query(self, header: Mapping[str, Any], floats: bytes) -> Answer:
        """The nearest records that pass the filter, unless the parent knows them: it says which mark they had.

        What was found while records changed may be of several states, and has no mark.
        """
        mark = self._catalogue.mark
        if header["known"] == mark:
            return {"mark": mark}, b""
        wanted: int = header["n_results"]
        condition = None if header["where"] is None else from_json(header["where"])
        vector = self._matrix(floats)[0]
        passing = None if condition is None else self._catalogue.passing(condition)
        candidates = len(self._catalogue) if passing is None else len(passing)
        if candidates * self._dimension > EXACT_COMPONENTS:
            native = to_chroma(condition) if condition else None
            if native is not None or condition is None:
                index = self._collection.query(
                    query_embeddings=vector[None],
                    n_results=min(candidates, wanted + MARGIN),
                    where=native,
                    include=[],
                )
                if len(index["ids"][0]) >= min(wanted, candidates):
                    passing = index["ids"][0]
        near = self._catalogue.nearest(vector, wanted, passing)
        columns = ([found[column] for found in near] for column in range(4))
        steady = mark if self._catalogue.mark == mark else None
        return {"mark": steady, **dict(zip(("ids", "documents", "metadatas", "distances"), columns, strict=True))}, b""

    def read_checkpoint(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """The text under a name, or None."""
        # The lock is for making the collection.
        with self._writing:
            found = self._open_checkpoints().get(ids=[header["name"]], include=["documents"])
        return {"text": (found["documents"][0] or "") if found["ids"] else None}, b""

    def write_checkpoint(self, header: Mapping[str, Any], _floats: bytes) -> Answer:
        """Keep or remove the text under a name."""
        name, text = header["name"], header["text"]
        with self._writing:
            collection = self._open_checkpoints()
            if text is not None:
                collection.upsert(ids=[name], embeddings=[list(checkpoints.VECTOR)], documents=[text])
            elif collection.get(ids=[name], include=[])["ids"]:
                collection.delete(ids=[name])
        return {}, b""

    def _stored_fields(self, record_id: str) -> list[str]:
        """The names under which Chroma keeps the fields of a record; none if there is no such record."""
        if record_id not in self._catalogue:
            return []
        return [_stored(field, value)[0] for field, value in self._catalogue.metadata(record_id).items()]

    def _records(self, ids: Sequence[str]) -> Answer:
        if not ids:
            return {"ids": [], "documents": [], "metadatas": []}, b""
        unique = list(dict.fromkeys(ids))
        found = self._collection.get(ids=unique, include=["documents", "metadatas", "embeddings"])
        rows = {record_id: row for row, record_id in enumerate(found["ids"])}
        order = [rows[record_id] for record_id in ids if record_id in rows]
        vectors = np.asarray(found["embeddings"], dtype=np.float32)[order]
        return _columns(found["ids"], found, order), vectors.tobytes()

    def _matrix(self, floats: bytes) -> NDArray[np.float32]:
        return np.frombuffer(floats, dtype=np.float32).reshape(-1, self._dimension)


def _columns(ids: Sequence[str], found: Mapping[str, Any], order: Sequence[int]) -> dict[str, Any]:
    return {
        "ids": [ids[row] for row in order],
        "documents": [found["documents"][row] or "" for row in order],
        "metadatas": [_original(found["metadatas"][row]) for row in order],
    }


def _stored(field: str, value: MetadataValue) -> tuple[str, str | int | bool]:
    """Name and value under which Chroma keeps a field. A float goes as text: Chroma may lose its last bit."""
    return (f"{_FLOAT}{field}", repr(value)) if isinstance(value, float) else (stored_field(field), value)


def _original(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return dict(starmap(_field, (metadata or {}).items()))


def _field(name: str, value: Any) -> tuple[str, MetadataValue]:
    return (name[len(_FLOAT) :], float(value)) if name.startswith(_FLOAT) else (original_field(name), value)


def _stored_space(folder: Path, collection: str) -> dict[str, Any]:
    """Which model and dimension the collection has been made for; both None if there is none, or it does not say."""
    import chromadb
    from chromadb.config import Settings
    from chromadb.errors import NotFoundError

    client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
    try:
        metadata = client.get_collection(collection, embedding_function=None).metadata or {}
    except NotFoundError:
        metadata = {}
    return {"model_id": metadata.get("model_id"), "dimension": metadata.get("dimension")}


def _hold(folder: Path) -> FileLock:
    """The folder as this process's own, made if need be; the lock is gone with the process, however that ends."""
    lock = FileLock(folder / "lock", timeout=LOCK_SECONDS, mode=0o600)
    # The server, which a person can end; not this process, which goes with it.
    holder = folder / "holder"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        who = f"process {holder.read_text()}" if holder.exists() else "another process"
        raise Refusal("folder", f"the vector folder {folder} is in use by {who}; stop that one first") from None
    except OSError as error:
        raise Refusal("folder", f"the vector folder {folder} cannot be used: {error.strerror}") from error
    # It only serves the message above, so a full disk does not keep the store from being read.
    with suppress(OSError):
        holder.write_text(str(os.getppid()))
    return lock


def main() -> None:
    """Open the engine as the first request says, then answer requests until the input ends.

    Without a dimension it only tells the space of the collection, and ends.
    """
    # A service manager signals all processes at once; this one ends after its parent has finished.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The engine must not write into the stream of answers: what it prints goes to standard error.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: BinaryIO = sys.stdin.buffer
    sending = threading.Lock()

    def send(header: dict[str, Any], floats: bytes = b"") -> None:
        with sending:
            answers.write(pack(header, floats))
            answers.flush()

    # It takes a second, beside which the parent does other things. If it fails, it fails below, where that is told.
    with suppress(Exception):
        importlib.import_module("chromadb")
    opening = read(requests)
    if opening is None:
        return
    number, options = opening[0]["number"], opening[0]
    try:
        lock = _hold(Path(options["folder"]))
        if options["dimension"] is None:
            send({"number": number, **_stored_space(Path(options["folder"]), options["collection"])})
            return
        engine = Engine(Path(options["folder"]), options["collection"], options["model_id"], options["dimension"])
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to be told
        send({"number": number, **_describe(error)})
        return
    send({"number": number})
    operations: dict[str, Callable[[Mapping[str, Any], bytes], Answer]] = {
        name: getattr(engine, name)
        for name in ("add", "delete", "get", "scan", "count", "query", "read_checkpoint", "write_checkpoint")
    }

    def answer(header: dict[str, Any], floats: bytes) -> None:
        try:
            result, out = operations[header["operation"]](header, floats)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent has to be told
            send({"number": header["number"], **_describe(error)})
        else:
            send({"number": header["number"], **result}, out)

    with lock, ThreadPoolExecutor(READERS) as pool:
        while (request := read(requests)) is not None:
            pool.submit(answer, *request)


def _describe(error: Exception) -> dict[str, str]:
    if isinstance(error, Refusal):
        return {"error": error.kind, "message": str(error)}
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return {"error": "full" if full else "failed", "message": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
