"""The Chroma server keeps the contract."""

import pytest
import pytest_asyncio

from adapters.chroma.server import ChromaServerVectorStore
from tests.adapters.chroma.conftest import OpenOnServer
from tests.contract.transfer.checkpoints import forget_checkpoints
from tests.contract.vector_store import Reopen, VectorStoreContractTests
from tests.contract.vectors.data import everything, ids

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]


class TestChromaServerVectorStore(VectorStoreContractTests):
    """The contract, in a collection."""

    adapter = "chroma server"

    @pytest_asyncio.fixture(loop_scope="module")
    async def store(self, shared_on_server: ChromaServerVectorStore) -> ChromaServerVectorStore:
        """An emptied store."""
        await shared_on_server.delete(ids(await everything(shared_on_server)))
        await forget_checkpoints(shared_on_server)
        return shared_on_server

    @pytest_asyncio.fixture(loop_scope="module")
    async def separate(self, open_on_server: OpenOnServer) -> ChromaServerVectorStore:
        """A store that the test may close."""
        return await open_on_server()

    @pytest.fixture
    def reopen(self, separate: ChromaServerVectorStore, open_on_server: OpenOnServer) -> Reopen:
        """Close the collection and open it again."""

        async def close_and_open() -> ChromaServerVectorStore:
            await separate.aclose()
            return await open_on_server()

        return close_and_open
