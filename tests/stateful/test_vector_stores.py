"""The state machines of the vector stores."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from adapters.chroma.vectors import ChromaVectorStore
from adapters.memory.vectors import InMemoryVectorStore
from tests.contract.vectors.data import SPACE, everything
from tests.contract.vectors.data import ids as ids_of
from tests.stateful.profiles import MACHINE_SETTINGS
from tests.stateful.vectors import VectorStoreMachine


class InMemoryVectorMachine(VectorStoreMachine):
    async def open(self) -> InMemoryVectorStore:
        return InMemoryVectorStore(SPACE)


class ChromaVectorMachine(VectorStoreMachine):
    """Runs on one open folder, which each run finds empty: starting the engine takes longer than a run."""

    folder: ClassVar[Path]
    runner: ClassVar[asyncio.Runner]
    opened: ClassVar[ChromaVectorStore]

    @classmethod
    async def start(cls) -> None:
        """Open the folder."""
        cls.opened = await ChromaVectorStore.open(cls.folder, "knowledge", SPACE)

    def new_runner(self) -> asyncio.Runner:
        return self.runner

    async def open(self) -> ChromaVectorStore:
        await self.opened.delete(ids_of(await everything(self.opened)))
        return self.opened

    async def close(self) -> None:
        """The folder stays open."""

    # A restart takes a second, so only a few of the draws lead to one.
    @rule(lot=st.integers(0, 99))
    def restart(self, lot: int) -> None:
        if lot != 7:
            return

        async def work() -> ChromaVectorStore:
            await self.opened.aclose()
            await self.start()
            return self.opened

        self.store = self.run(work())

    def teardown(self) -> None:
        """The event loop goes on."""


@pytest.fixture(scope="module", autouse=True)
def folder() -> Iterator[None]:
    """The folder of all runs."""
    with tempfile.TemporaryDirectory() as path, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        ChromaVectorMachine.folder = Path(path, "folder")
        ChromaVectorMachine.runner = runner
        runner.run(ChromaVectorMachine.start())
        yield
        runner.run(ChromaVectorMachine.opened.aclose())


TestInMemoryVectors = InMemoryVectorMachine.TestCase
TestInMemoryVectors.settings = MACHINE_SETTINGS
TestChromaVectors = ChromaVectorMachine.TestCase
TestChromaVectors.settings = MACHINE_SETTINGS
