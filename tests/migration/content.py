"""Generated content of every kind, hostile in all its texts, and a way to fill a store with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from application.transfer.collections import Collection, collection_of
from application.transfer.items import IndexedDocument, Item, Kind
from domain.case import Case
from domain.chunking import chunk_document
from domain.knowledge import GLOBAL, KnowledgeType, Origin, Scope
from domain.message import Message
from domain.user import User
from domain.values import normalise_text
from ports.transfer import StoredValue
from ports.vectors import VectorRecord
from tests.builders import an_id
from tests.contract.knowledge.samples import a_document
from tests.contract.sessions.data import HOSTILE_KEYS, HOSTILE_VALUES
from tests.contract.vectors.data import SPACE
from tests.scalars import instants, texts
from tests.strategies import cases, messages, users

T = TypeVar("T")

NUMBER = 200
"""Entities of each kind that a test moves."""

FAR = 4_102_444_800_000
"""Milliseconds from 1970 to the year 2100."""


def generated(strategy: st.SearchStrategy[T], number: int) -> list[T]:
    """So many values of the strategy, the same ones in every run."""
    values: list[T] = []

    @seed(20)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        if len(values) < number:
            values.append(value)

    while len(values) < number:
        collect()
    return values


_documents = st.fixed_dictionaries(
    {
        "version": st.integers(1, 50),
        "title": texts(1, 100),
        "content": texts(1, 3000),
        "scope": st.sampled_from([GLOBAL, Scope.for_user("user_000000000001"), Scope.for_case("case_1")]),
        "document_type": st.sampled_from(KnowledgeType),
        "origin": st.sampled_from(Origin),
        "description": st.none() | texts(1, 200),
        "source_key": st.none() | texts(1, 60),
        "created_at": instants(),
        "metadata": st.dictionaries(texts(1, 20), st.none() | st.booleans() | st.integers(-5, 5) | texts(), max_size=3),
    }
)
_records = st.tuples(
    texts(1, 20),
    texts(),
    st.lists(st.floats(-1, 1, width=32, allow_subnormal=False), min_size=SPACE.dimension, max_size=SPACE.dimension),
    st.dictionaries(
        st.sampled_from(["scope", "document_id", "n", "é", "x y"]),
        st.booleans() | st.integers(-(2**31), 2**31) | st.floats(-1e6, 1e6) | texts(1),
        max_size=4,
    ),
)
_spoken = st.lists(messages("case_000000000000"), max_size=4)


def _case(number: int, case: Case, spoken: Sequence[Message]) -> list[Item]:
    case_id = an_id("case", number)
    own = [
        message.replace(case_id=case_id, message_id=f"msg_{number:06x}{index:06x}")
        for index, message in enumerate(spoken)
    ]
    # An activity never lies before that of a message, in whichever store.
    activity = max((case.last_activity_at, *(message.created_at for message in own)))
    moved = case.replace(case_id=case_id, version=number % 50 + 1, message_count=len(own), last_activity_at=activity)
    return [Item(case_id, part, each) for part, each in enumerate((moved, *own))]


def _user(number: int, user: User) -> Item:
    moved = user.replace(
        user_id=an_id("user", number),
        version=max(user.version, 1),
        username=f"{user.username[:90]}{number}",
        email=f"{number}{user.email}",
    )
    return Item(moved.user_id, 0, moved)


def _document(number: int, values: dict[str, Any]) -> Item:
    source_key = values["source_key"] and f"{number} {values['source_key']}"
    document = a_document(number, **{**values, "source_key": source_key})
    chunks = chunk_document(document.document_id, document.title, document.content)
    return Item(document.document_id, 0, IndexedDocument(document, tuple(chunks)))


def _record(number: int, name: str, text: str, components: list[float], metadata: dict[str, Any]) -> Item:
    components[number % len(components)] = 0.5  # none of length 0
    record = VectorRecord(normalise_text(f"{name} {number}"), text, tuple(components), metadata)
    return Item(record.id, 0, record)


def _value(number: int) -> Item:
    key = HOSTILE_KEYS[number] if number < len(HOSTILE_KEYS) else f"session:{number}"
    expires_at = None if number % 3 == 0 else FAR + number
    return Item(key, 0, StoredValue(normalise_text(key), HOSTILE_VALUES[number % len(HOSTILE_VALUES)], expires_at))


@cache
def content(kind: Kind, number: int = NUMBER) -> tuple[Item, ...]:
    """So many entities with all their parts, in the order in which a store has them."""
    match kind:
        case Kind.CASES:
            drawn = zip(generated(cases(), number), generated(_spoken, number), strict=True)
            return tuple(item for index, each in enumerate(drawn, 1) for item in _case(index, *each))
        case Kind.USERS:
            return tuple(_user(*each) for each in enumerate(generated(users(), number), 1))
        case Kind.DOCUMENTS:
            return tuple(_document(*each) for each in enumerate(generated(_documents, number), 1))
        case Kind.VECTORS:
            records = (_record(index, *each) for index, each in enumerate(generated(_records, number), 1))
            return tuple(sorted(records, key=lambda item: item.key))
        case Kind.SESSIONS:
            return tuple(sorted(map(_value, range(number)), key=lambda item: item.key))
    raise ValueError(kind)


def again(cases: Sequence[Item], start: int) -> list[Item]:
    """The same cases with other ids, numbered on from ``start``."""
    items = []
    for item in cases:
        case_id = an_id("case", start + int(item.key.removeprefix("case_"), 16))
        changes = {"case_id": case_id}
        if isinstance(item.content, Message):
            changes["message_id"] = f"msg_{case_id.removeprefix('case_')}{item.part:04x}"
        assert isinstance(item.content, Case | Message)
        items.append(Item(case_id, item.part, item.content.model_copy(update=changes)))
    return items


async def fill(store: object, items: Sequence[Item]) -> Collection:
    """Put the items into the store, in small batches."""
    collection = collection_of(store)
    for start in range(0, len(items), 100):
        await collection.put(items[start : start + 100])
    return collection


async def everything(collection: Any) -> list[Item]:
    """All items of a collection."""
    return [item async for item in collection.items()]
