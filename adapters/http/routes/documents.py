"""Knowledge documents: each user's own, and the global ones that administrators keep. And the search over them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.datastructures import FormData

from adapters.http.dependencies import (
    CurrentActor,
    CurrentAdmin,
    DocumentId,
    Limit,
    Offset,
    OptionsDep,
    ServicesDep,
    checked_id,
)
from adapters.http.errors import FAILURES
from adapters.http.forms import ALLOWED_DOCUMENTS, check_extension, files_of, form_of, text_field
from adapters.http.options import HttpOptions
from adapters.http.services import Services
from adapters.http.wire.knowledge import DocumentAnswer, DocumentList, Hit, SearchAnswer
from application.decoding import HEAD_BYTES, encoding_of
from domain.access import Actor
from domain.errors import InvalidInput
from domain.knowledge import GLOBAL, KnowledgeType, Scope
from ports.errors import NotFound

personal = APIRouter(prefix="/api/v1/documents", tags=["documents"], responses=FAILURES)
admin = APIRouter(prefix="/api/v1/admin/kb/documents", tags=["global knowledge"], responses=FAILURES)
knowledge = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"], responses=FAILURES)

RESERVED = (KnowledgeType.EVIDENCE, KnowledgeType.SOLUTION_PATTERN)
"""Types that only the program gives."""
UPLOADABLE = tuple(kind.value for kind in KnowledgeType if kind not in RESERVED)

_TEXT = {"type": "string"}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {**_TEXT, "maxLength": 500},
                        "document_type": {**_TEXT, "enum": list(UPLOADABLE)},
                        "tags": {**_TEXT, "description": "Joined by commas."},
                        "description": _TEXT,
                        "source_url": _TEXT,
                        "category": _TEXT,
                    },
                }
            }
        },
    }
}
TypeFilter = Annotated[str | None, Query(description="Only documents of this type.")]


@personal.get("")
async def list_own(
    actor: CurrentActor,
    services: ServicesDep,
    limit: Limit = 20,
    offset: Offset = 0,
    document_type: TypeFilter = None,
) -> DocumentList:
    """The caller's own documents, newest first."""
    return await _list(services, actor, Scope.for_user(actor.user_id), document_type, limit, offset)


@personal.post("/upload", status_code=201, openapi_extra=_FORM)
async def upload_own(
    request: Request, actor: CurrentActor, services: ServicesDep, options: OptionsDep
) -> DocumentAnswer:
    """Add a document of the caller's own."""
    return await _upload(request, services, options, actor, Scope.for_user(actor.user_id))


@personal.delete("/{document_id}", status_code=204)
async def delete_own(document_id: DocumentId, actor: CurrentActor, services: ServicesDep) -> Response:
    """Delete a document of the caller's own."""
    return await _delete(services, actor, Scope.for_user(actor.user_id), document_id)


@admin.get("")
async def list_global(
    actor: CurrentAdmin,
    services: ServicesDep,
    limit: Limit = 20,
    offset: Offset = 0,
    document_type: TypeFilter = None,
) -> DocumentList:
    """The global documents, newest first."""
    return await _list(services, actor, GLOBAL, document_type, limit, offset)


@admin.post("", status_code=201, openapi_extra=_FORM)
async def upload_global(
    request: Request, actor: CurrentAdmin, services: ServicesDep, options: OptionsDep
) -> DocumentAnswer:
    """Add a global document."""
    return await _upload(request, services, options, actor, GLOBAL)


@admin.delete("/{document_id}", status_code=204)
async def delete_global(document_id: DocumentId, actor: CurrentAdmin, services: ServicesDep) -> Response:
    """Delete a global document."""
    return await _delete(services, actor, GLOBAL, document_id)


@knowledge.get("/documents/{document_id}")
async def read_document(document_id: DocumentId, actor: CurrentActor, services: ServicesDep) -> DocumentAnswer:
    """One document that the caller may read."""
    return DocumentAnswer.of(await services.knowledge.get_document(actor, document_id))


@knowledge.get("/search")
async def search(
    actor: CurrentActor,
    services: ServicesDep,
    query: Annotated[str, Query(min_length=1, max_length=2000, description="The question.")],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
    case_id: Annotated[str | None, Query(description="Search the evidence of this case, too.")] = None,
) -> SearchAnswer:
    """Documents that fit the question by words or by meaning: global ones, the caller's own, and those of the case."""
    case = await services.cases.get_case(actor, checked_id("case", case_id)) if case_id else None
    result = await services.knowledge.search(actor, query, case=case, limit=limit)
    return SearchAnswer(
        query=query,
        results=[Hit.of(hit) for hit in result.hits],
        total_count=len(result.hits),
        degraded=result.degraded,
    )


async def _list(
    services: Services, actor: Actor, scope: Scope, document_type: str | None, limit: int, offset: int
) -> DocumentList:
    wanted = _type(document_type, tuple(KnowledgeType)) if document_type else None
    page = await services.knowledge.list_documents(actor, scope, document_type=wanted, limit=limit, offset=offset)
    return DocumentList.of(page, limit, offset)


async def _upload(
    request: Request, services: Services, options: HttpOptions, actor: Actor, scope: Scope
) -> DocumentAnswer:
    async with form_of(request, options) as form:
        filename, content = await _content(form)
        category = text_field(form, "category")
        document = await services.knowledge.add_document(
            actor,
            scope,
            title=text_field(form, "title") or PurePath(filename).stem,
            content=content,
            document_type=_type(text_field(form, "document_type") or KnowledgeType.OTHER),
            tags=_tags(text_field(form, "tags")),
            description=text_field(form, "description"),
            source_url=text_field(form, "source_url"),
            metadata={"filename": filename, **({"category": category} if category else {})},
        )
    return DocumentAnswer.of(document)


async def _content(form: FormData) -> tuple[str, str]:
    files = files_of(form, "file")
    if len(files) != 1:
        raise InvalidInput(f"file: one file was expected, {len(files)} were sent")
    name = files[0].filename or "unnamed.txt"
    check_extension(name, ALLOWED_DOCUMENTS)
    data = await files[0].read()
    text = data.decode(encoding_of(name, data[:HEAD_BYTES]), errors="replace")
    if not text.strip():
        raise InvalidInput("file: it is empty")
    return name, text


async def _delete(services: Services, actor: Actor, scope: Scope, document_id: str) -> Response:
    document = await services.knowledge.get_document(actor, document_id)
    if document.scope != scope:
        raise NotFound("document", document_id)
    await services.knowledge.delete_document(actor, document_id)
    return Response(status_code=204)


def _type(word: str, accepted: tuple[str, ...] = UPLOADABLE) -> KnowledgeType:
    if word not in accepted:
        raise InvalidInput(f"document_type: accepted are {', '.join(accepted)}")
    return KnowledgeType(word)


def _tags(joined: str | None) -> tuple[str, ...]:
    tags = dict.fromkeys(tag.strip() for tag in (joined or "").split(","))
    return tuple(tag for tag in tags if tag)
