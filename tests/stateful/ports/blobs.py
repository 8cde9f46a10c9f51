"""Blobs."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from adapters.memory.blobs import InMemoryBlobStore
from ports.blobs import BlobStore
from tests.stateful import blobs
from tests.stateful.agreement import Port, attempt
from tests.stateful.machine import Call, call
from tests.stateful.ports.common import asking, limits

blob_keys = st.one_of(*[blobs.KEYS] * 6, st.sampled_from(["", "/a", "a//b", "a/..", "é", "/".join("a" * 9)]))


class BlobPort(Port[BlobStore, BlobStore]):
    """The store in memory is the model."""

    name = "blobs"
    commands = st.one_of(
        *[asking("put", blob_keys, blobs.CONTENTS, st.just(False))] * 4,
        asking("put", blob_keys, blobs.CONTENTS, st.just(True)),
        *[asking("open", blob_keys)] * 2,
        asking("stat", blob_keys),
        *[asking("delete", blob_keys)] * 2,
        asking("scan", prefix=blobs.PREFIXES | st.just("/"), after=st.none() | blobs.KEYS, limit=limits),
    )

    def new_model(self) -> BlobStore:
        return InMemoryBlobStore()

    async def ask_model(self, model: BlobStore, what: Call) -> object:
        return await self.ask(model, what)

    async def ask(self, store: BlobStore, what: Call) -> object:
        method, arguments, _ = what
        if method == "put":
            key, content, breaks_off = arguments
            try:
                return await attempt(store.put(key, blobs.pieces(content, breaks_off=breaks_off)))
            except blobs.Interrupted:
                return blobs.Interrupted
        if method == "open":
            return await attempt(_read(store, *arguments))
        return await super().ask(store, what)

    def last_calls(self, model: BlobStore) -> Sequence[Call]:
        return [call("scan", limit=200)]


async def _read(store: BlobStore, key: str) -> bytes:
    return b"".join([piece async for piece in await store.open(key)])
