"""An archive as a ZIP file: deflated members, in the 64-bit form where one is large, written without seeking back."""

from __future__ import annotations

import errno
import io
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from application.transfer.archive_format import ArchiveReader, ArchiveRefused, ArchiveWriter
from ports.errors import StorageCorrupt, StorageFull, StorageUnavailable

_PIECE = 64 * 1024
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    KeyError,
    OverflowError,
)
"""What the library raises for files that are no good ZIP files."""


class ZipArchiveWriter(ArchiveWriter):
    """Made by `writing`."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file = file

    @contextmanager
    def member(self, name: str) -> Iterator[Callable[[bytes], object]]:
        # All members have one time, so that equal contents give equal bytes.
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._file.open(info, "w", force_zip64=True) as member:
            yield member.write


@contextmanager
def writing(path: Path, *, overwrite: bool = False) -> Iterator[ZipArchiveWriter]:
    """A new archive, readable by its owner only. It has its name only once the block has ended well, and then it is on
    the disk.

    Raises:
        ArchiveRefused: the file exists, without ``overwrite``.
        StorageFull, StorageUnavailable: it cannot be written.
    """
    if not overwrite and os.path.lexists(path):
        raise ArchiveRefused(f"{path} exists already; choose another name, or say --overwrite")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    with _disk_errors():
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with _disk_errors(), os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(_Stream(file), "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
                yield ZipArchiveWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        with _disk_errors():
            _give_name(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)


class ZipArchiveReader(ArchiveReader):
    """Reads the archive in ``file``. Made by `reading`."""

    def __init__(self, file: BinaryIO) -> None:
        with _damage("it is no ZIP file, or its end is missing"):
            self._file = zipfile.ZipFile(file)
            self._names = tuple(info.filename for info in self._file.infolist())
        if len(set(self._names)) != len(self._names):
            raise StorageCorrupt("the archive has two members with the same name")

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    def pieces(self, name: str, limit: int) -> Iterator[bytes]:
        if name not in self._file.NameToInfo:
            raise StorageCorrupt(f"the archive has no {name}")
        read = 0
        with _damage(f"{name} is damaged"), self._file.open(name) as member:
            while piece := member.read(_PIECE):
                read += len(piece)
                if read > limit:
                    raise StorageCorrupt(f"{name} is longer than the {limit} bytes that it should have")
                yield piece


@contextmanager
def reading(path: Path) -> Iterator[ZipArchiveReader]:
    """An existing archive.

    Raises:
        ArchiveRefused: there is no such file, or it cannot be opened.
        StorageCorrupt: it is no archive.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ArchiveRefused(f"{path} cannot be read: {error.strerror}") from error
    with file:
        yield ZipArchiveReader(file)


class _Stream(io.RawIOBase):
    """Bytes go out in order: the library writes the sizes behind a member instead of going back to its head."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()


def _give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
    else:
        try:
            os.link(temporary, path)  # unlike a renaming, it does not replace what has come there meanwhile
        except FileExistsError:
            raise ArchiveRefused(f"{path} exists already; choose another name, or say --overwrite") from None
        except OSError:
            temporary.replace(path)  # a file system without links
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        if error.errno in _NO_ROOM:
            raise StorageFull(f"no room to write the archive: {where}{error.strerror}") from error
        raise StorageUnavailable(f"the archive cannot be written: {where}{error.strerror}") from error


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise StorageCorrupt(f"the archive cannot be read: {what}") from error
    except OSError as error:
        raise StorageCorrupt(f"the archive cannot be read: {what} ({error.strerror})") from error
