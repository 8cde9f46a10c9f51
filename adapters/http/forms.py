"""Multipart forms, read as they arrive: a file that grows beyond the limit ends the request at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from adapters.http.options import HttpOptions
from application.errors import UnsupportedFile, UploadTooLarge
from domain.errors import InvalidInput

MAX_FIELDS = 30
PIECE = 64 * 1024
ALLOWED_EVIDENCE = (".md", ".txt", ".log", ".json", ".csv")
ALLOWED_DOCUMENTS = (".md", ".txt", ".json", ".csv")


class _CountingParser(MultiPartParser):
    """Starlette's parser spools a file to the disk before anybody looks at its size; this one counts first."""

    def __init__(self, request: Request, limits: HttpOptions) -> None:
        super().__init__(
            request.headers,
            request.stream(),
            max_files=limits.max_files,
            max_fields=MAX_FIELDS,
            max_part_size=limits.max_file_bytes,
        )
        self._limit = limits.max_file_bytes
        self._size = 0

    def on_part_begin(self) -> None:
        self._size = 0
        super().on_part_begin()

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limit:
            raise UploadTooLarge(self._limit)
        super().on_part_data(data, start, end)


async def read_form(request: Request, limits: HttpOptions) -> FormData:
    """The form of the request; the caller closes it.

    Raises:
        UploadTooLarge: a file or field is larger than ``limits.max_file_bytes``; the rest has not been read.
        UnsupportedFile: the body is no multipart form.
        HTTPException: status 400 for a malformed form, 413 if all parts together are too large.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedFile("Send the fields as multipart/form-data.")
    try:
        return await _CountingParser(request, limits).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"The form cannot be read: {error.message}") from error


@contextlib.asynccontextmanager
async def form_of(request: Request, limits: HttpOptions) -> AsyncIterator[FormData]:
    """The form of the request, closed at the end of the block; see `read_form`."""
    form = await read_form(request, limits)
    try:
        yield form
    finally:
        await form.close()


def text_field(form: FormData, name: str) -> str | None:
    """The text of the field; None if it is absent or blank.

    Raises:
        InvalidInput: a file was sent in its place.
    """
    value = form.get(name)
    if isinstance(value, UploadFile):
        raise InvalidInput(f"{name}: a text was expected, not a file")
    return value if value and value.strip() else None


def files_of(form: FormData, name: str) -> list[UploadFile]:
    """The files of the field; an empty file input of a browser counts as none.

    Raises:
        InvalidInput: a text was sent in place of a file.
    """
    found = []
    for value in form.getlist(name):
        if not isinstance(value, UploadFile):
            raise InvalidInput(f"{name}: a file was expected, not a text")
        if value.filename or value.size:
            found.append(value)
    return found


def check_extension(filename: str, allowed: tuple[str, ...]) -> None:
    """Refuse a file by its name.

    Raises:
        UnsupportedFile: the extension is none of those.
    """
    if not filename.lower().endswith(allowed):
        raise UnsupportedFile(f"{filename[:100]!r} cannot be read here. Accepted are files named {', '.join(allowed)}.")


async def pieces(file: UploadFile) -> AsyncIterator[bytes]:
    """The bytes of the file."""
    await file.seek(0)
    while piece := await file.read(PIECE):
        yield piece
