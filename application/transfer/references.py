"""References between the kinds of content that lead nowhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container

from application.transfer.stores import Stores
from domain.case import Case
from domain.knowledge import Scope, ScopeKind
from ports.paging import MAX_LIMIT


def file_keys(case: Case) -> list[str]:
    """The keys of the files that belong to the case: what was uploaded, and the reports made of it."""
    uploaded = [file.content_ref for file in case.uploaded_files]
    return uploaded + [document.content_ref for document in case.documentation.documents_generated]


async def dangling_references(stores: Stores, *, files: Container[str] | None = None) -> AsyncIterator[str]:
    """Cases without an owner or a file, knowledge of users or cases that are gone, pieces without their vector.

    Takes one look-up for each reference. ``files`` are the keys of the files that there are; by default the store is
    asked.
    """
    async for text in _of_cases(stores, files):
        yield text
    async for text in _of_documents(stores):
        yield text


async def _of_cases(stores: Stores, files: Container[str] | None) -> AsyncIterator[str]:
    known: dict[str, bool] = {}
    after = None
    while cases := await stores.cases.scan(after=after, limit=MAX_LIMIT):
        after = cases[-1].case_id
        for case in cases:
            if case.user_id not in known:
                known[case.user_id] = await stores.users.get(case.user_id) is not None
            if not known[case.user_id]:
                yield f"case {case.case_id}: its owner {case.user_id} does not exist"
            for key in file_keys(case):
                there = key in files if files is not None else await stores.files.stat(key) is not None
                if not there:
                    yield f"case {case.case_id}: its file {key} does not exist"


async def _of_documents(stores: Stores) -> AsyncIterator[str]:
    after = None
    while documents := await stores.documents.scan(after=after, limit=20):
        after = documents[-1].document_id
        for document in documents:
            if not await _has_owner(document.scope, stores):
                yield f"document {document.document_id}: what it belongs to, {document.scope.key}, does not exist"
            if stores.vectors is None:
                continue
            ids = [chunk.chunk_id for chunk in await stores.documents.chunks_of(document.document_id)]
            found = {
                record.id
                for start in range(0, len(ids), MAX_LIMIT)
                for record in await stores.vectors.get(ids[start : start + MAX_LIMIT])
            }
            for chunk_id in ids:
                if chunk_id not in found:
                    yield f"document {document.document_id}: its piece {chunk_id} has no vector"


async def _has_owner(scope: Scope, stores: Stores) -> bool:
    match scope.kind:
        case ScopeKind.USER:
            return await stores.users.get(scope.owner_id or "") is not None
        case ScopeKind.CASE:
            return await stores.cases.get(scope.owner_id or "") is not None
    return True
