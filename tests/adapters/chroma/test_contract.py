"""The embedded Chroma keeps the contract."""

import pytest
import pytest_asyncio

from adapters.chroma.vectors import ChromaVectorStore
from tests.adapters.chroma.conftest import Open
from tests.contract.transfer.checkpoints import forget_checkpoints
from tests.contract.vector_store import Reopen, VectorStoreContractTests
from tests.contract.vectors.data import everything, ids

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]


class TestChromaVectorStore(VectorStoreContractTests):
    """The contract, in a folder."""

    adapter = "chroma"
    # Chroma gives back components that differ in the last bit from those that it was given, see docs/adr/0005.
    noise = 1e-8

    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, shared: ChromaVectorStore) -> ChromaVectorStore:
        """An emptied store."""
        await shared.delete(ids(await everything(shared)))
        await forget_checkpoints(shared)
        return shared

    @pytest_asyncio.fixture(loop_scope="module")
    async def separate(self, open_folder: Open) -> ChromaVectorStore:
        """A store that the test may close."""
        return await open_folder()

    @pytest.fixture
    def reopen(self, separate: ChromaVectorStore, open_folder: Open) -> Reopen:
        """Close the folder and open it again."""

        async def close_and_open() -> ChromaVectorStore:
            await separate.aclose()
            return await open_folder()

        return close_and_open
