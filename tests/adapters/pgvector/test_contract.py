"""The vectors in PostgreSQL keep the contract, whichever way they are searched."""

import pytest
import pytest_asyncio

from adapters.pgvector import statements
from adapters.pgvector.vectors import PgVectorStore
from tests.adapters.pgvector.conftest import Open
from tests.contract.vector_store import Reopen, VectorStoreContractTests

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]


class TestPgVectorStore(VectorStoreContractTests):
    """The contract, in a table of which few records pass a filter: they are compared one by one."""

    adapter = "pgvector"

    @pytest_asyncio.fixture(loop_scope="module")
    async def separate(self, open_store: Open) -> PgVectorStore:
        """A store that the test may close."""
        return await open_store()

    @pytest.fixture
    def reopen(self, separate: PgVectorStore, open_store: Open) -> Reopen:
        """Close the store and open it again."""

        async def close_and_open() -> PgVectorStore:
            await separate.aclose()
            return await open_store()

        return close_and_open


class TestPgVectorIndex(TestPgVectorStore):
    """The contract, where everything counts as many: the index is asked first."""

    adapter = "pgvector-index"

    @pytest.fixture(autouse=True)
    def ask_the_index(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even one record is many."""
        monkeypatch.setattr(statements, "EXACT_ROWS", 0)
