"""A blob store beside a dictionary: whatever is done to both, they agree."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ports.blobs import BlobInfo, BlobStore
from ports.capabilities import SupportsIntegrityCheck
from ports.errors import NotFound

T = TypeVar("T")

KEYS = st.sampled_from(["a", "A", "a/a", "a/b", "a/b/c", "a-", "a-/a", "a0/a"])
PREFIXES = st.sampled_from(["", "a", "a/b", "a-", "c"])
CONTENTS = st.lists(
    st.one_of(st.binary(max_size=20), st.sampled_from([65_536, 65_537, 300_000]).map(bytes)), max_size=5
)


class Interrupted(Exception):
    """Raised by content that breaks off."""


class BlobMachine(RuleBasedStateMachine):
    """Compares with a dictionary of bytes. A subclass opens the store."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, bytes] = {}

    def open_store(self) -> BlobStore:
        """A store on what earlier stores of this machine have written."""
        raise NotImplementedError

    async def close_store(self, store: BlobStore) -> None:
        """Close what `open_store` gave."""

    def teardown(self) -> None:
        self.run(self.close_store(self.store))
        self.runner.close()

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    @initialize()
    def open(self) -> None:
        async def open_inside_the_loop() -> BlobStore:
            return self.open_store()

        self.store = self.run(open_inside_the_loop())

    @rule(key=KEYS, content=CONTENTS)
    def put(self, key: str, content: list[bytes]) -> None:
        self.model[key] = b"".join(content)
        assert self.run(self.store.put(key, pieces(content))) == self.info(key)

    @rule(key=KEYS, content=CONTENTS)
    def put_what_breaks_off(self, key: str, content: list[bytes]) -> None:
        try:
            self.run(self.store.put(key, pieces(content, breaks_off=True)))
        except Interrupted:
            return
        raise AssertionError("content that breaks off was stored")

    @rule(key=KEYS)
    def read(self, key: str) -> None:
        async def read_all() -> bytes:
            return b"".join([piece async for piece in await self.store.open(key)])

        try:
            assert self.run(read_all()) == self.model[key]
        except NotFound:
            assert key not in self.model

    @rule(key=KEYS)
    def stat(self, key: str) -> None:
        assert self.run(self.store.stat(key)) == (self.info(key) if key in self.model else None)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        existed = self.model.pop(key, None) is not None
        assert self.run(self.store.delete(key)) is existed

    @rule(prefix=PREFIXES, after=st.none() | KEYS, limit=st.integers(0, 12))
    def scan(self, prefix: str, after: str | None, limit: int) -> None:
        keys = [key for key in self.model if not prefix or key == prefix or key.startswith(f"{prefix}/")]
        expected = [self.info(key) for key in sorted(keys) if after is None or key > after]
        assert list(self.run(self.store.scan(prefix=prefix, after=after, limit=limit))) == expected[:limit]

    @invariant()
    def holds_the_same_blobs(self) -> None:
        assert list(self.run(self.store.scan())) == [self.info(key) for key in sorted(self.model)]

    def info(self, key: str) -> BlobInfo:
        data = self.model[key]
        return BlobInfo(key, len(data), hashlib.sha256(data).hexdigest())


class DurableBlobMachine(BlobMachine):
    """Restarts in between, too."""

    @rule()
    def reopen(self) -> None:
        self.run(self.close_store(self.store))
        self.open()

    @rule()
    def check_integrity(self) -> None:
        assert isinstance(self.store, SupportsIntegrityCheck)
        assert list(self.run(self.store.check_integrity())) == []


async def pieces(content: list[bytes], *, breaks_off: bool = False) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece
    if breaks_off:
        raise Interrupted
