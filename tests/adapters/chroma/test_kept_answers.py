"""Answers of the embedded Chroma are kept; the child process tells whether they still hold."""

import os
import signal
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.chroma import vectors
from adapters.chroma.vectors import ChromaVectorStore
from tests.adapters.chroma.conftest import Open, child_of
from tests.adapters.chroma.test_process import wait_for_restart
from tests.contract.vectors.data import a_record, a_vector, ids, put

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]

Told = list[bool]


def told_by(store: ChromaVectorStore, monkeypatch: pytest.MonkeyPatch) -> Told:
    """For each question from now on, whether the child told the answer instead of that it is the same."""
    told: Told = []
    call = store._process.call

    async def noted(operation: str, header: Mapping[str, Any], *given: Any, **options: Any) -> Any:
        answer = await call(operation, header, *given, **options)
        if operation == "query":
            told.append("ids" in answer[0])
        return answer

    monkeypatch.setattr(store._process, "call", noted)
    return told


async def test_answered_once(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until something is written."""
    store = await open_folder()
    told = told_by(store, monkeypatch)
    await put(store, a_record(1))
    first = await store.query(a_vector(1.0), 3)
    assert await store.query(a_vector(1.0), 3) == first
    assert await store.query(a_vector(1.0), 2) == first
    assert told == [True, False, True]
    await store.delete(["unknown"])
    assert await store.query(a_vector(1.0), 3) == first
    await put(store, a_record(2))
    assert len(await store.query(a_vector(1.0), 3)) == 2
    assert told == [True, False, True, False, True]


async def test_another_child_knows_nothing_of_it(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its marks are others, although it has counted as many changes."""
    store = await open_folder()
    await put(store, a_record(1))
    assert ids(await store.query(a_vector(1.0), 3)) == [a_record(1).id]
    told = told_by(store, monkeypatch)
    os.kill(child_of(store).pid, signal.SIGKILL)
    await wait_for_restart(store)
    assert ids(await store.query(a_vector(1.0), 3)) == [a_record(1).id]
    assert told == [True]


async def test_no_more_than_so_many(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more answers the latest are kept, and nothing of a state that is past."""
    monkeypatch.setattr(vectors, "KEPT_HITS", 7)
    store = await open_folder()
    await put(store, a_record(1), a_record(2), a_record(3))
    told = told_by(store, monkeypatch)
    for number in (1, 2, 1, 3, 1, 2):
        assert (await store.query(a_vector(1.0), number))[0].document == "Document 1"
    assert told == [True, True, False, True, False, True]
    assert len(store._rows) == 3
    await store.delete([a_record(1).id])
    assert (await store.query(a_vector(1.0), 1))[0].document == "Document 2"
    assert len(store._answers) == len(store._rows) == 1


async def test_answer_without_a_mark_is_not_kept(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given out as it was sent, also beside what is known of the same records."""
    store = await open_folder()
    await put(store, a_record(1))
    assert (await store.query(a_vector(1.0), 3))[0].document == "Document 1"
    row = {"ids": [a_record(1).id], "documents": ["changed"], "metadatas": [{}], "distances": [0.5]}

    async def amid(*_: Any, **__: Any) -> Any:
        return {"mark": None, **row}, b""

    with monkeypatch.context() as patched:
        patched.setattr(store._process, "call", amid)
        (hit,) = await store.query(a_vector(1.0), 3)
    assert (hit.document, hit.distance) == ("changed", 0.5)
    assert (await store.query(a_vector(1.0), 3))[0].document == "Document 1"
