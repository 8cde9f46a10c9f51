"""The state machine of the vectors in PostgreSQL."""

import asyncio
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from adapters.pgvector.vectors import PgVectorStore
from tests.adapters.pgvector.conftest import COLLECTION, empty, options_of
from tests.contract.vectors.data import SPACE
from tests.stateful.profiles import MACHINE_SETTINGS
from tests.stateful.vectors import VectorStoreMachine

pytestmark = pytest.mark.postgres


class PgVectorMachine(VectorStoreMachine):
    """Runs on one open store, which each run finds empty."""

    dsn: ClassVar[str]
    runner: ClassVar[asyncio.Runner]
    opened: ClassVar[PgVectorStore]

    @classmethod
    async def start(cls) -> None:
        """Open the store."""
        cls.opened = await PgVectorStore.open(options_of(cls.dsn), COLLECTION, SPACE)

    def new_runner(self) -> asyncio.Runner:
        return self.runner

    async def open(self) -> PgVectorStore:
        await empty(self.opened)
        return self.opened

    async def close(self) -> None:
        """The store stays open; no step may leave a connection in use."""
        assert self.opened._database.checked_out == 0

    # Connecting takes longer than all other steps.
    @rule(lot=st.integers(0, 9))
    def restart(self, lot: int) -> None:
        if lot != 7:
            return

        async def work() -> PgVectorStore:
            await self.opened.aclose()
            await self.start()
            return self.opened

        self.store = self.run(work())

    def teardown(self) -> None:
        """The event loop goes on."""
        self.run(self.close())


@pytest.fixture(scope="module", autouse=True)
def _store_of_the_machine(module_dsn: str) -> Iterator[None]:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        PgVectorMachine.dsn = module_dsn
        PgVectorMachine.runner = runner
        runner.run(PgVectorMachine.start())
        yield
        runner.run(PgVectorMachine.opened.aclose())


TestPgVectors = PgVectorMachine.TestCase
TestPgVectors.settings = MACHINE_SETTINGS
