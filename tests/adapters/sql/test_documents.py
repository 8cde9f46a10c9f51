"""Documents that are read again are not decoded again; a damaged one is never taken for one that was read before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.sql import documents
from adapters.sql.documents import decode_case, decode_user, encode
from ports.errors import StorageCorrupt
from tests.builders import a_case, a_user


@pytest.mark.parametrize(("decode", "make"), [(decode_case, a_case), (decode_user, a_user)], ids=["case", "user"])
def test_what_was_read_last_is_kept(decode: Callable[[bytes, str], Any], make: Callable[[int], Any]) -> None:
    document, digest = encode(make(1))
    first = decode(digest, document)
    assert first == make(1)
    assert decode(digest, "".join(list(document))) is first
    another = encode(make(2))
    assert decode(another[1], another[0]) == make(2)


@pytest.mark.parametrize(("decode", "make"), [(decode_case, a_case), (decode_user, a_user)], ids=["case", "user"])
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


def test_a_large_case_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    document, digest = encode(a_case(1))
    monkeypatch.setattr(documents, "LARGE", len(document) - 1)
    assert decode_case(digest, document) is not decode_case(digest, document)
