"""The demonstration of the ticket that asked for the factory, as it stands there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from application.transfer.migrator import StoreMigrator
from bootstrap.stores import StoreFactory
from ports.vectors import EmbeddingSpace


@pytest.mark.chroma
@pytest.mark.postgres
async def test_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.chdir(tmp_path)
    embeddings = [[1.0, float(n), 0.5] for n in range(20)]
    metadata = [{"number": n} for n in range(20)]
    query_vector = [1.0, 7.0, 0.5]

    # Development configuration
    dev_store = StoreFactory.create_vector_store({"type": "chromadb", "path": "./chroma_data"})

    # Production configuration (same interface)
    prod_store = StoreFactory.create_vector_store({"type": "pgvector", "connection": database, "pool_size": 10})

    # Use stores identically
    ids = await dev_store.add_vectors(embeddings, metadata)
    results = await prod_store.search(query_vector, k=10)

    assert results == ()
    assert (tmp_path / "chroma_data").is_dir()
    found = await dev_store.search(query_vector, k=10)
    assert found[0].id == ids[7]
    assert found[0].metadata == {"number": 7}
    assert len(found) == 10

    # Easy migration
    migrator = StoreMigrator(source=dev_store, target=prod_store)
    await migrator.migrate_all()

    assert prod_store.space == dev_store.space == EmbeddingSpace("unspecified", 3)
    assert (await migrator.verify()).is_clean
    moved = await prod_store.search(query_vector, k=10)
    assert [replace(hit, distance=0.0) for hit in moved] == [replace(hit, distance=0.0) for hit in found]
    assert [hit.distance for hit in moved] == pytest.approx([hit.distance for hit in found], abs=1e-6)
    await dev_store.aclose()
    await prod_store.aclose()
