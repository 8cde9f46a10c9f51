"""Adding, replacing, reading, updating and deleting vectors."""

import asyncio
import copy
from collections.abc import Mapping
from typing import Any

import pytest

from domain.errors import InvalidInput
from ports.errors import NotFound
from ports.vectors import MAX_ID_LENGTH, VectorRecord, VectorStore
from tests.contract.data import COMPOSED, DECOMPOSED, LEGAL_NUMBERS, LEGAL_TEXTS
from tests.contract.vectors.data import (
    MALFORMED_VECTORS,
    SPACE,
    a_record,
    a_vector,
    everything,
    ids,
    put,
    put_matrix,
    stored,
)
from tests.contract.vectors.data import clusters as rows_in_clusters

MALFORMED_METADATA: dict[str, dict[str, Any]] = {
    "nested": {"a": {"b": 1}},
    "list": {"a": ["b"]},
    "none": {"a": None},
    "nan": {"a": float("nan")},
    "2^63": {"a": 2**63},
    "operator": {"$eq": 1},
    "blank": {" ": 1},
    "nul": {"a": "b\0c"},
    "surrogate": {"a": "\ud800"},
    "number-as-field": {1: "a"},  # type: ignore[dict-item]
}
MALFORMED_TEXTS = {"nul": "a\0b", "surrogate": "a\ud800b"}
MALFORMED_IDS = {"empty": "", "too-long": "x" * (MAX_ID_LENGTH + 1), **MALFORMED_TEXTS}


class VectorWritingTests:
    """What is added comes back equal, and what is malformed leaves no trace."""

    async def test_empty_at_start(self, store: VectorStore) -> None:
        """A new store has no record, and that is no error."""
        assert store.space == SPACE
        assert await store.count() == 0
        assert await store.get(["a"]) == ()
        assert await store.scan() == ()
        assert await store.query(a_vector(1.0)) == ()
        assert await store.delete(["a"]) == 0

    async def test_add_and_get(self, store: VectorStore) -> None:
        """Every part comes back, each value of its own kind, components as 32-bit floats."""
        metadata = {"text": "a", "whole": 7, "real": 1.0, "yes": True, "no": False, "blank": ""}
        await store.add_documents(["Text"], [a_vector(0.1, -0.2)], [metadata], ["a"])
        (record,) = await store.get(["a"])
        assert record == VectorRecord("a", "Text", stored(a_vector(0.1, -0.2)), metadata)
        assert {field: type(value) for field, value in record.metadata.items()} == {
            field: type(value) for field, value in metadata.items()
        }
        assert type(record.embedding[0]) is float

    async def test_add_several(self, store: VectorStore) -> None:
        """Each position is one record."""
        records = [a_record(number) for number in range(5)]
        await put(store, *records)
        assert await everything(store) == records
        assert await store.count() == 5

    async def test_add_nothing(self, store: VectorStore) -> None:
        """An empty call does nothing."""
        await store.add_documents([], [], [], [])
        assert await store.count() == 0

    @pytest.mark.quirk("Chroma", "an upsert merges the new metadata into the old, so a field that was left out stays")
    async def test_add_replaces_as_a_whole(self, store: VectorStore) -> None:
        """Nothing of the old record is left, least of all a field of its metadata."""
        await store.add_documents(["Old"], [a_vector(1.0)], [{"scope": "global", "old": 1}], ["a"])
        await store.add_documents(["New"], [a_vector(0.0, 1.0)], [{"scope": "case", "new": 2}], ["a"])
        expected = VectorRecord("a", "New", stored(a_vector(0.0, 1.0)), {"scope": "case", "new": 2})
        assert await store.get(["a"]) == (expected,)
        assert await store.count() == 1
        (hit,) = await store.query(a_vector(0.0, 1.0))
        assert (hit.id, hit.document, hit.metadata) == ("a", "New", {"scope": "case", "new": 2})
        assert hit.distance == pytest.approx(0, abs=1e-6)

    async def test_add_replaces_by_nothing(self, store: VectorStore) -> None:
        """An empty text and empty metadata replace too."""
        await store.add_documents(["Old"], [a_vector(1.0)], [{"old": 1}], ["a"])
        await store.add_documents([""], [a_vector(1.0)], [{}], ["a"])
        assert await store.get(["a"]) == (VectorRecord("a", "", stored(a_vector(1.0)), {}),)
        (hit,) = await store.query(a_vector(1.0))
        assert (hit.document, hit.metadata) == ("", {})

    @pytest.mark.quirk("Chroma", "`add` of an id that is there already does nothing, without an error")
    async def test_add_new_and_known_in_one_call(self, store: VectorStore) -> None:
        """Known ids are replaced, new ones added, others left alone."""
        await put(store, *(a_record(number) for number in range(4)))
        await put(store, a_record(9), a_record(2, changed=True), a_record(8))
        expected = [a_record(0), a_record(1), a_record(2, changed=True), a_record(3), a_record(8), a_record(9)]
        assert await everything(store) == expected

    async def test_add_is_idempotent(self, store: VectorStore) -> None:
        """A repeat changes nothing."""
        for _ in range(3):
            await put(store, a_record(1), a_record(2))
        assert await everything(store) == [a_record(1), a_record(2)]

    @pytest.mark.parametrize("pair", [("a", "a"), (COMPOSED, DECOMPOSED)], ids=["same", "same-when-normalised"])
    async def test_add_refuses_an_id_twice(self, store: VectorStore, pair: tuple[str, str]) -> None:
        """Two records of one call cannot have one id, and then neither is stored."""
        with pytest.raises(InvalidInput):
            await store.add_documents(["b", "1", "2"], [a_vector(1.0)] * 3, [{}] * 3, ["b", *pair])
        assert await store.count() == 0

    @pytest.mark.parametrize("vector", MALFORMED_VECTORS.values(), ids=MALFORMED_VECTORS.keys())
    async def test_add_refuses_malformed_vectors(self, store: VectorStore, vector: list[float]) -> None:
        """Not even the sound records before and behind it are stored."""
        await put(store, a_record(1))
        with pytest.raises(InvalidInput):
            await store.add_documents(
                ["1", "2", "3"], [a_vector(1.0), vector, a_vector(1.0)], [{}] * 3, ["a", "b", a_record(1).id]
            )
        assert await everything(store) == [a_record(1)]

    @pytest.mark.parametrize("metadata", MALFORMED_METADATA.values(), ids=MALFORMED_METADATA.keys())
    @pytest.mark.quirk("Chroma", "a value None, NaN or infinity vanishes without an error, and 2^63 becomes a float")
    async def test_add_refuses_malformed_metadata(self, store: VectorStore, metadata: dict[str, Any]) -> None:
        """What no filter could ask for is not stored, nor are the sound records of the call."""
        with pytest.raises(InvalidInput):
            await store.add_documents(["1", "2"], [a_vector(1.0)] * 2, [{}, metadata], ["a", "b"])
        assert await store.count() == 0

    @pytest.mark.parametrize("record_id", MALFORMED_IDS.values(), ids=MALFORMED_IDS.keys())
    async def test_add_refuses_malformed_ids(self, store: VectorStore, record_id: str) -> None:
        """An id that cannot be stored is refused before anything is."""
        with pytest.raises(InvalidInput):
            await store.add_documents(["1", "2"], [a_vector(1.0)] * 2, [{}] * 2, ["a", record_id])
        assert await store.count() == 0

    @pytest.mark.parametrize("text", MALFORMED_TEXTS.values(), ids=MALFORMED_TEXTS.keys())
    @pytest.mark.quirk(
        "PostgreSQL", "neither text nor JSONB can hold U+0000; Chroma, SQLite and Redis can, so all refuse it"
    )
    async def test_add_refuses_malformed_texts(self, store: VectorStore, text: str) -> None:
        """A text that cannot be stored is refused before anything is."""
        with pytest.raises(InvalidInput):
            await store.add_documents(["1", text], [a_vector(1.0)] * 2, [{}] * 2, ["a", "b"])
        assert await store.count() == 0

    @pytest.mark.parametrize("missing", ["documents", "embeddings", "metadatas", "ids"])
    async def test_add_refuses_sequences_of_different_length(self, store: VectorStore, missing: str) -> None:
        """A position without one of its parts is no record."""
        parts: dict[str, list[Any]] = {
            "documents": ["1", "2"],
            "embeddings": [a_vector(1.0)] * 2,
            "metadatas": [{}, {}],
            "ids": ["a", "b"],
        }
        parts[missing].pop()
        with pytest.raises(InvalidInput):
            await store.add_documents(**parts)
        assert await store.count() == 0

    async def test_add_leaves_the_arguments_alone(self, store: VectorStore) -> None:
        """The store neither changes what it is given, nor notices later changes to it."""
        documents, vectors, metadatas, names = (
            ["1", "2"],
            [a_vector(1.0), a_vector(2.0)],
            [{"n": 1}, {"n": 2}],
            ["a", "b"],
        )
        arguments: tuple[list[Any], ...] = (documents, vectors, metadatas, names)
        before = copy.deepcopy(arguments)
        await store.add_documents(*arguments)
        assert arguments == before
        documents[0], vectors[0][0], metadatas[0]["n"], names[0] = "9", 9.0, 9, "z"
        assert await store.get(["a"]) == (VectorRecord("a", "1", stored(a_vector(1.0)), {"n": 1}),)

    async def test_what_was_read_is_detached(self, store: VectorStore) -> None:
        """A reader that changes the metadata of a record changes nobody else's."""
        await put(store, a_record(1))
        (record,), (hit,) = await store.get([a_record(1).id]), await store.query(a_vector(1.0))
        for metadata in (record.metadata, hit.metadata):
            try:
                metadata["number"] = 9  # type: ignore[index]
            except TypeError:
                assert isinstance(metadata, Mapping)
        assert await store.get([a_record(1).id]) == (a_record(1),)

    @pytest.mark.quirk("Chroma", "`get` gives the records in its own order, not in that of the ids")
    async def test_get_keeps_the_order_asked_for(self, store: VectorStore) -> None:
        """Unknown ids are left out, repeated ones repeated."""
        await put(store, *(a_record(number) for number in range(5)))
        asked = [a_record(number).id for number in (3, 9, 0, 3, 4)]
        assert ids(await store.get(asked)) == [a_record(number).id for number in (3, 0, 3, 4)]
        assert await store.get([]) == ()

    @pytest.mark.parametrize("text", LEGAL_TEXTS.values(), ids=LEGAL_TEXTS.keys())
    async def test_hostile_text_is_text(self, store: VectorStore, text: str) -> None:
        """As id, document, name of a field and value, and in a filter."""
        field = f"x{text}"
        await put(store, a_record(1))
        await store.add_documents([text], [a_vector(1.0)], [{field: text}], [text])
        record = VectorRecord(text, text, stored(a_vector(1.0)), {field: text})
        assert await store.get([text]) == (record,)
        assert record in await store.scan()
        assert await store.delete([text]) == 1
        assert await everything(store) == [a_record(1)]

    async def test_text_is_normalised(self, store: VectorStore) -> None:
        """Composed or not, it is the same id, text and field."""
        await store.add_documents([DECOMPOSED], [a_vector(1.0)], [{DECOMPOSED: DECOMPOSED}], [DECOMPOSED])
        expected = VectorRecord(COMPOSED, COMPOSED, stored(a_vector(1.0)), {COMPOSED: COMPOSED})
        assert await store.get([DECOMPOSED]) == await store.get([COMPOSED]) == (expected,)
        assert await store.scan(after=DECOMPOSED) == ()
        await store.update([DECOMPOSED], documents=["New"])
        assert (await store.get([COMPOSED]))[0].document == "New"
        assert await store.delete([DECOMPOSED]) == 1

    async def test_ids_that_no_record_can_have(self, store: VectorStore) -> None:
        """Text that is no text is refused where it is looked up, too."""
        for record_id in MALFORMED_TEXTS.values():
            with pytest.raises(InvalidInput):
                await store.get([record_id])
            with pytest.raises(InvalidInput):
                await store.delete([record_id])
            with pytest.raises(InvalidInput):
                await store.scan(after=record_id)

    async def test_long_ids_and_documents(self, store: VectorStore) -> None:
        """The longest id and a document of half a megabyte are kept whole."""
        record = VectorRecord(
            "\u6570" * MAX_ID_LENGTH, "disk full\n" * 50_000, stored(a_vector(1.0)), {"a": "b" * 50_000}
        )
        await put(store, record)
        assert await store.get([record.id]) == (record,)

    @pytest.mark.parametrize("number", LEGAL_NUMBERS.values(), ids=LEGAL_NUMBERS.keys())
    @pytest.mark.quirk(
        "PostgreSQL", "JSONB writes a large float without its exponent, so that it is read as an integer"
    )
    @pytest.mark.quirk("Chroma", "a float of 16 digits may lose its last bit")
    async def test_numbers_are_kept_exactly(self, store: VectorStore, number: float) -> None:
        """Neither whole numbers beyond 2^53 nor the extremes of floats lose anything."""
        await store.add_documents(["x"], [a_vector(1.0)], [{"number": number}], ["a"])
        (record,) = await store.get(["a"])
        assert record.metadata == {"number": number}
        assert type(record.metadata["number"]) is type(number)

    @pytest.mark.parametrize(
        "field", ["#document", "#id", "chroma:document", "chroma:x", "id", "document", "\\#a", "a.b", "\\float:a"]
    )
    @pytest.mark.quirk(
        "Chroma", "a field that begins with `chroma:` vanishes without an error, one that begins with `#` is refused"
    )
    async def test_no_field_is_taken(self, store: VectorStore, field: str) -> None:
        """Names that an engine keeps for itself are free to use, and replaced like others."""
        await store.add_documents(["Text"], [a_vector(1.0)], [{field: "a", "other": 1}], ["a"])
        assert (await store.get(["a"]))[0].metadata == {field: "a", "other": 1}
        await store.add_documents(["Text"], [a_vector(1.0)], [{"other": 2}], ["a"])
        (record,) = await store.get(["a"])
        assert (record.document, record.metadata) == ("Text", {"other": 2})

    @pytest.mark.quirk("Chroma", "a call takes at most 5,461 records")
    async def test_thousands_in_one_call(self, store: VectorStore) -> None:
        """More than an engine takes at once: 6,000 records are added, read and deleted by one call each."""
        matrix = rows_in_clusters(seed=1, groups=60, size=100)
        names = await put_matrix(store, matrix)
        assert await store.count() == 6000
        assert ids(await store.get(names)) == names
        assert ids(await store.query(matrix[4321].tolist(), 1)) == [names[4321]]
        assert await store.delete(names) == 6000
        assert await store.count() == 0
        assert await store.query(matrix[0].tolist()) == ()


class VectorChangingTests:
    """Deleting and updating."""

    @pytest.mark.quirk("Chroma", "`delete` counts ids that no record has")
    async def test_delete_tells_what_there_was(self, store: VectorStore) -> None:
        """Unknown ids do not count, repeated ones count once."""
        await put(store, *(a_record(number) for number in range(4)))
        first, second = a_record(1).id, a_record(2).id
        assert await store.delete([first, "unknown", first, second]) == 2
        assert await store.delete([first, second]) == 0
        assert await store.delete([]) == 0
        assert await everything(store) == [a_record(0), a_record(3)]

    async def test_deleted_records_are_gone(self, store: VectorStore) -> None:
        """No way leads to them."""
        await put(store, a_record(1), a_record(2))
        await store.delete([a_record(1).id])
        assert await store.get([a_record(1).id]) == ()
        assert await store.count() == 1
        assert ids(await store.query(a_record(1).embedding)) == [a_record(2).id]
        assert await store.scan() == (a_record(2),)

    async def test_delete_and_add_again(self, store: VectorStore) -> None:
        """A deleted id is as good as new, without anything of its past."""
        for round_number in range(5):
            await put(store, a_record(1, **{f"round{round_number}": True}), a_record(2))
            assert (await store.get([a_record(1).id]))[0].metadata == {f"round{round_number}": True}
            assert await store.delete([a_record(1).id]) == 1
        assert await everything(store) == [a_record(2)]

    @pytest.mark.quirk("Chroma", "`update` of an id that no record has does nothing, without an error")
    async def test_update_unknown_changes_nothing(self, store: VectorStore) -> None:
        """One unknown id stops the whole call."""
        await put(store, a_record(1), a_record(2))
        with pytest.raises(NotFound) as missing:
            await store.update([a_record(1).id, "unknown", a_record(2).id], documents=["x", "y", "z"])
        assert missing.value.key == "unknown"
        assert await everything(store) == [a_record(1), a_record(2)]

    @pytest.mark.parametrize("part", ["documents", "embeddings", "metadatas"])
    async def test_update_changes_the_given_part_only(self, store: VectorStore, part: str) -> None:
        """The others stay, and metadata is replaced as a whole."""
        await put(store, a_record(1, a=1, b=2), a_record(2))
        new = {"documents": "New", "embeddings": a_vector(0.0, 0.0, 3.0), "metadatas": {"b": 3, "c": 4}}
        await store.update([a_record(1).id], **{part: [new[part]]})  # type: ignore[arg-type]
        old = a_record(1, a=1, b=2)
        expected = VectorRecord(
            old.id,
            "New" if part == "documents" else old.document,
            stored(a_vector(0.0, 0.0, 3.0)) if part == "embeddings" else old.embedding,
            {"b": 3, "c": 4} if part == "metadatas" else old.metadata,
        )
        assert await everything(store) == [expected, a_record(2)]
        nearest = await store.query(expected.embedding, 1)
        assert (nearest[0].id, nearest[0].document, nearest[0].metadata) == (
            expected.id,
            expected.document,
            expected.metadata,
        )

    async def test_update_everything_of_several(self, store: VectorStore) -> None:
        """Each id gets what stands at its position."""
        await put(store, *(a_record(number) for number in range(3)))
        await store.update(
            [a_record(2).id, a_record(0).id],
            documents=["Two", "Zero"],
            embeddings=[a_vector(2.0), a_vector(0.0, 1.0)],
            metadatas=[{}, {"zero": True}],
        )
        assert await everything(store) == [
            VectorRecord(a_record(0).id, "Zero", stored(a_vector(0.0, 1.0)), {"zero": True}),
            a_record(1),
            VectorRecord(a_record(2).id, "Two", stored(a_vector(2.0)), {}),
        ]

    async def test_update_nothing(self, store: VectorStore) -> None:
        """Without a part, or without an id, nothing changes."""
        await put(store, a_record(1))
        await store.update([a_record(1).id])
        await store.update([], documents=[])
        assert await everything(store) == [a_record(1)]

    @pytest.mark.parametrize(
        "parts",
        [
            {"documents": ["x"]},
            {"embeddings": [a_vector(1.0)]},
            {"metadatas": [{}]},
            {"embeddings": [a_vector(1.0), a_vector()]},
            {"metadatas": [{"a": 1}, {"a": None}]},
            {"documents": ["x", "a\0b"]},
        ],
        ids=["short-documents", "short-embeddings", "short-metadatas", "zero-vector", "none", "nul"],
    )
    async def test_update_refuses_malformed_parts(self, store: VectorStore, parts: dict[str, Any]) -> None:
        """And changes nothing."""
        await put(store, a_record(1), a_record(2))
        with pytest.raises(InvalidInput):
            await store.update([a_record(1).id, a_record(2).id], **parts)
        assert await everything(store) == [a_record(1), a_record(2)]

    async def test_update_refuses_an_id_twice(self, store: VectorStore) -> None:
        """Nobody could say which of the two is meant."""
        await put(store, a_record(1))
        with pytest.raises(InvalidInput):
            await store.update([a_record(1).id] * 2, documents=["x", "y"])
        assert await everything(store) == [a_record(1)]

    async def test_updates_of_different_parts_do_not_undo_each_other(self, store: VectorStore) -> None:
        """Text and metadata of one record, changed at once, both change."""
        names = [a_record(number).id for number in range(10)]
        await put(store, *(a_record(number) for number in range(10)))
        await asyncio.gather(
            *(store.update([name], documents=["New"]) for name in names),
            *(store.update([name], metadatas=[{"new": True}]) for name in names),
        )
        assert {(record.document, tuple(record.metadata)) for record in await everything(store)} == {("New", ("new",))}

    async def test_cancelled_calls_leave_the_store_whole(self, store: VectorStore) -> None:
        """Whenever a call is cancelled, later answers belong to later calls."""
        await put(store, *(a_record(number) for number in range(10)))
        tasks = [
            asyncio.ensure_future(call)
            for number in range(25)
            for call in (
                store.get([a_record(number % 10).id]),
                store.query(a_vector(1.0), 3),
                put(store, a_record(number % 10)),
                store.count(),
            )
        ]
        for turn, task in enumerate(tasks):
            if turn % 5 == 0:
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await everything(store) == [a_record(number) for number in range(10)]
        assert ids(await store.query(a_record(7).embedding, 1)) == [a_record(7).id]
        assert await store.count() == 10
