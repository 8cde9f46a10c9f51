"""The state machine of the vector store on a Chroma server."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from adapters.chroma.server import ChromaServerVectorStore
from adapters.chroma.server_options import ChromaServerOptions
from tests.contract.vectors.data import SPACE, everything
from tests.contract.vectors.data import ids as ids_of
from tests.stateful.profiles import MACHINE_SETTINGS
from tests.stateful.vectors import VectorStoreMachine

pytestmark = [pytest.mark.chroma, pytest.mark.slow]


class ChromaServerVectorMachine(VectorStoreMachine):
    """Runs on one collection, which each run finds empty."""

    options: ClassVar[ChromaServerOptions]
    runner: ClassVar[asyncio.Runner]
    opened: ClassVar[ChromaServerVectorStore]

    @classmethod
    async def start(cls) -> None:
        """Open the collection."""
        cls.opened = await ChromaServerVectorStore.open(cls.options, SPACE)

    def new_runner(self) -> asyncio.Runner:
        return self.runner

    async def open(self) -> ChromaServerVectorStore:
        await self.opened.delete(ids_of(await everything(self.opened)))
        return self.opened

    async def close(self) -> None:
        """The collection stays open."""

    @rule(lot=st.integers(0, 9))
    def restart(self, lot: int) -> None:
        # Reading the trusted certificates takes longer than any other step.
        if lot != 7:
            return

        async def work() -> ChromaServerVectorStore:
            await self.opened.aclose()
            await self.start()
            return self.opened

        self.store = self.run(work())

    def teardown(self) -> None:
        """The event loop goes on."""


@pytest.fixture(scope="module", autouse=True)
def collection(chroma_url: str) -> Iterator[None]:
    """The collection of all runs."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        ChromaServerVectorMachine.options = ChromaServerOptions(chroma_url, f"test-{uuid.uuid4().hex}")
        ChromaServerVectorMachine.runner = runner
        runner.run(ChromaServerVectorMachine.start())
        yield
        runner.run(ChromaServerVectorMachine.opened.aclose())


TestChromaServerVectors = ChromaServerVectorMachine.TestCase
TestChromaServerVectors.settings = MACHINE_SETTINGS
