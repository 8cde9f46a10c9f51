"""The file that holds one blob: a header of fixed length, then the bytes as they came.

Header and bytes are one file, so that they appear, change and vanish together. The header carries a check of itself
and of the key, so that a file that was moved to another name is not taken for that other blob.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from io import FileIO
from pathlib import Path

from adapters.filesystem.durable import StagedFile, read_descriptor
from ports.blobs import BlobInfo
from ports.errors import StorageCorrupt

_MAGIC = b"FMBLOB1\n"
_FIELDS = struct.Struct(">8sQ32s")
_CHECK_BYTES = 16
_HEADER_BYTES = _FIELDS.size + _CHECK_BYTES
_CHUNK_BYTES = 1024 * 1024


class BlobWriter:
    """Writes one blob to a staged file. Its methods run in threads, one at a time."""

    def __init__(self, key: str, staged: StagedFile) -> None:
        self._key = key
        self._staged = staged
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        if not self._size:
            self._staged.write(bytes(_HEADER_BYTES))
        self._staged.write(data)
        self._digest.update(data)
        self._size += len(data)

    def publish(self, target: Path) -> BlobInfo:
        """Complete the file and give it its name."""
        if not self._size:
            self._staged.write(bytes(_HEADER_BYTES))
        digest = self._digest.digest()
        self._staged.overwrite_start(_header(self._key, self._size, digest))
        self._staged.publish(target)
        return BlobInfo(self._key, self._size, digest.hex())

    def discard(self) -> None:
        """Remove what was written, unless it has been published."""
        self._staged.discard()


class BlobReader:
    """Reads and checks one blob. Its methods run in threads, one at a time; nothing is open before the first chunk."""

    def __init__(self, key: str, path: Path) -> None:
        self._key = key
        self._path = path
        self._file: FileIO | None = None
        self._info = BlobInfo(key, 0, "")
        self._digest = hashlib.sha256()
        self._read = 0

    def next_chunk(self) -> bytes:
        """The next bytes, at most 1 MiB; none at the end, and only if all that was read is what had been written.

        Raises:
            FileNotFoundError: there is no such blob.
            StorageCorrupt: it is not what had been written.
        """
        if self._file is None:
            self._file, self._info = _open(self._key, self._path)
        chunk = self._file.read(_CHUNK_BYTES)
        self._digest.update(chunk)
        self._read += len(chunk)
        if not chunk and (self._read, self._digest.hexdigest()) != (self._info.size, self._info.sha256):
            raise _corrupt(self._key, "the content is not what was written")
        return chunk

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_info(key: str, path: Path) -> BlobInfo:
    """What the header says.

    Raises:
        FileNotFoundError: there is no such blob.
        StorageCorrupt: the header is damaged or belongs to another blob, or the length is wrong.
    """
    file, info = _open(key, path)
    file.close()
    return info


def _open(key: str, path: Path) -> tuple[FileIO, BlobInfo]:
    """The file, positioned behind its checked header."""
    try:
        file = os.fdopen(read_descriptor(path), "rb", buffering=0)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _corrupt(key, "a symbolic link lies in its place") from error
        raise
    try:
        return file, _read_header(key, file)
    except BaseException:
        file.close()
        raise


def _read_header(key: str, file: FileIO) -> BlobInfo:
    header = file.read(_HEADER_BYTES)
    if len(header) != _HEADER_BYTES:
        raise _corrupt(key, "its header is incomplete")
    _, size, digest = _FIELDS.unpack_from(header)
    if header != _header(key, size, digest):
        raise _corrupt(key, "its header is damaged or belongs to another file")
    if os.fstat(file.fileno()).st_size != _HEADER_BYTES + size:
        raise _corrupt(key, f"it should have {size} bytes")
    return BlobInfo(key, size, digest.hex())


def _header(key: str, size: int, digest: bytes) -> bytes:
    fields = _FIELDS.pack(_MAGIC, size, digest)
    return fields + hashlib.sha256(fields + key.encode()).digest()[:_CHECK_BYTES]


def _corrupt(key: str, reason: str) -> StorageCorrupt:
    return StorageCorrupt(f"blob {key!r} cannot be read back: {reason}")
