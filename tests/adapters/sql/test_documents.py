"""Documents that are read again are not decoded again; a damaged one is never taken for one that was read before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.sql import documents
from adapters.sql.documents import decode_case, decode_knowledge, decode_user, encode
from ports.errors import StorageCorrupt
from tests.builders import a_case, a_user
from tests.contract.knowledge.samples import a_document

each_kind = pytest.mark.parametrize(
    ("decode", "make"),
    [(decode_case, a_case), (decode_knowledge, a_document), (decode_user, a_user)],
    ids=["case", "knowledge", "user"],
)


@each_kind
def test_what_was_read_last_is_kept(decode: Callable[[bytes, str], Any], make: Callable[[int], Any]) -> None:
    document, digest = encode(make(1))
    first = decode(digest, document)
    assert first == make(1)
    assert decode(digest, "".join(list(document))) is first
    another = encode(make(2))
    assert decode(another[1], another[0]) == make(2)


@each_kind
def test_damage_is_seen_although_the_document_was_read(
    decode: Callable[[bytes, str], Any], make: Callable[[int], Any]
) -> None:
    document, digest = encode(make(1))
    decode(digest, document)
    for damaged in (document.replace("1", "2", 1), document[:-1]):
        with pytest.raises(StorageCorrupt):
            decode(digest, damaged)
    with pytest.raises(StorageCorrupt):
        decode(bytes(32), document)


@pytest.mark.parametrize(
    ("decode", "make"), [(decode_case, a_case), (decode_knowledge, a_document)], ids=["case", "knowledge"]
)
def test_a_large_one_is_not_kept(
    decode: Callable[[bytes, str], Any], make: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    document, digest = encode(make(1))
    monkeypatch.setattr(documents, "LARGE", len(document) - 1)
    assert decode(digest, document) is not decode(digest, document)
