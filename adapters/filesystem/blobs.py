"""Uploaded files on a local disk, or on a volume that several machines share."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from adapters.filesystem.blob_file import BlobReader, BlobWriter, read_info
from adapters.filesystem.checkpoints import CHECKPOINTS_NAME, CheckpointFolder
from adapters.filesystem.durable import STAGING_NAME, StagingFolder, make_folder, remove, storage_errors
from adapters.filesystem.lanes import Lanes
from ports.blobs import BlobInfo, BlobStore, check_blob_key
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck
from ports.errors import NotFound, StorageCorrupt
from ports.paging import check_page
from ports.transfer import SupportsCheckpoints, check_checkpoint

_LANES = 4
_PIECE_BYTES = 64 * 1024
_GATHERED_BYTES = 256 * 1024
"""So much is handed to a thread at once: a thread for each small piece would cost more than the writing."""

_SUFFIX = ".blob"
_NAME = re.compile(r"(?:[a-z0-9_-]|=[a-z])+")


class FileBlobStore(BlobStore, SupportsHealth, SupportsIntegrityCheck, SupportsCheckpoints, Closeable):
    """Keeps files below the folder ``root``; several processes may use it at once.

    The segments of a key are folders. All work of a process below one first segment runs in one thread.

    Raises:
        PortError: the folder cannot be created or written.
    """

    def __init__(self, root: Path) -> None:
        with storage_errors():
            make_folder(root)
            self._root = root.resolve()
            self._staging = StagingFolder(self._root)
        self._checkpoints = CheckpointFolder(self._root, self._staging)
        self._lanes = Lanes(_LANES, "blobs")

    async def put(self, key: str, content: AsyncIterator[bytes]) -> BlobInfo:
        lane = _lane(check_blob_key(key))
        writer = BlobWriter(key, self._staging.new_file())
        gathered = bytearray()
        try:
            async for piece in content:
                gathered += piece
                if len(gathered) >= _GATHERED_BYTES:
                    await self._lanes.run(lane, writer.write, bytes(gathered))
                    gathered.clear()
            return await self._lanes.run(lane, self._publish, writer, key, bytes(gathered))
        except BaseException:
            # Behind the job that may still run. A file that cannot be removed is removed at the next start.
            self._lanes.post(lane, writer.discard)
            raise

    async def open(self, key: str) -> AsyncIterator[bytes]:
        if await self.stat(key) is None:
            raise NotFound("blob", key)
        return self._pieces(key)

    async def stat(self, key: str) -> BlobInfo | None:
        return await self._lanes.run(_lane(check_blob_key(key)), self._stat, key)

    async def delete(self, key: str) -> bool:
        return await self._lanes.run(_lane(check_blob_key(key)), self._delete, key)

    async def scan(self, *, prefix: str = "", after: str | None = None, limit: int = 100) -> tuple[BlobInfo, ...]:
        check_page(limit)
        if prefix:
            check_blob_key(prefix)
        return await self._lanes.run(_lane(prefix), self._scan, prefix, after, limit)

    @property
    def location(self) -> str:
        """The path of the folder."""
        return f"file:{self._root}"

    async def read_checkpoint(self, name: str) -> str | None:
        check_checkpoint(name)
        return await self._lanes.run(0, self._checkpoints.read, name)

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        check_checkpoint(name, text)
        await self._lanes.run(0, self._checkpoints.write, name, text)

    async def check_health(self) -> None:
        await self._lanes.run(0, self._staging.probe)

    async def check_integrity(self) -> Sequence[str]:
        problems = [f"{path}: not part of the store" for path in await self._lanes.run(0, self._foreign)]
        for key in await self._lanes.run(0, self._keys):
            try:
                await self._verify(key)
            except StorageCorrupt as error:
                problems.append(str(error))
        return problems

    async def aclose(self) -> None:
        await self._lanes.aclose()

    async def _pieces(self, key: str) -> AsyncIterator[bytes]:
        lane = _lane(key)
        reader = BlobReader(key, await self._lanes.run(lane, self._path, key))
        # The last piece is held back until the end of the file has shown that all of them are right.
        held = b""
        try:
            while chunk := await self._next_chunk(lane, reader, key):
                for start in range(0, len(chunk), _PIECE_BYTES):
                    if held:
                        yield held
                    held = chunk[start : start + _PIECE_BYTES]
            if held:
                yield held
        finally:
            self._lanes.post(lane, reader.close)

    async def _next_chunk(self, lane: int, reader: BlobReader, key: str) -> bytes:
        def next_chunk() -> bytes:
            try:
                return reader.next_chunk()
            except FileNotFoundError:
                raise NotFound("blob", key) from None

        return await self._lanes.run(lane, next_chunk)

    async def _verify(self, key: str) -> None:
        lane = _lane(key)
        reader = BlobReader(key, await self._lanes.run(lane, self._path, key))
        try:
            while await self._next_chunk(lane, reader, key):
                pass
        except NotFound:
            return
        finally:
            self._lanes.post(lane, reader.close)

    # What follows runs in threads.

    def _path(self, key: str) -> Path:
        *folders, name = (_disk_name(segment) for segment in key.split("/"))
        path = self._root.joinpath(*folders, name + _SUFFIX)
        if not path.parent.resolve().is_relative_to(self._root):
            raise StorageCorrupt(f"blob {key!r} lies behind a symbolic link that leads out of {self._root}")
        return path

    def _publish(self, writer: BlobWriter, key: str, rest: bytes) -> BlobInfo:
        if rest:
            writer.write(rest)
        return writer.publish(self._path(key))

    def _stat(self, key: str) -> BlobInfo | None:
        try:
            return read_info(key, self._path(key))
        except FileNotFoundError:
            return None

    def _delete(self, key: str) -> bool:
        path = self._path(key)
        try:
            remove(path)
        except FileNotFoundError:
            return False
        for folder in path.relative_to(self._root).parents[:-1]:
            try:
                (self._root / folder).rmdir()
            except OSError:
                break  # other blobs are in it
        return True

    def _scan(self, prefix: str, after: str | None, limit: int) -> tuple[BlobInfo, ...]:
        found = (info for key in self._walk_prefix(prefix, after) if (info := self._stat(key)) is not None)
        return tuple(itertools.islice(found, limit))

    def _walk_prefix(self, prefix: str, after: str | None) -> Iterator[str]:
        if not prefix:
            yield from self._walk(self._root, "", after)
            return
        path = self._path(prefix)
        if path.is_file() and (after is None or after < prefix):
            yield prefix
        yield from self._walk(path.with_suffix(""), f"{prefix}/", after)

    def _walk(self, folder: Path, prefix: str, after: str | None) -> Iterator[str]:
        """The keys below the folder in order, each after ``after``.

        A folder sorts by its name with the slash that all the keys below it have there.
        """
        for key, child in sorted(_children(folder, prefix)):
            if not key.endswith("/"):
                if after is None or after < key:
                    yield key
            elif after is None or after < key or after.startswith(key):
                yield from self._walk(child, key, after)

    def _keys(self) -> list[str]:
        return list(self._walk(self._root, "", None))

    def _foreign(self) -> list[Path]:
        """What the store has not made: other names, symbolic links."""
        own = {self._root / STAGING_NAME, self._root / CHECKPOINTS_NAME}
        paths = (path for path in self._root.rglob("*") if own.isdisjoint((path, *path.parents)))
        return sorted(filter(_is_foreign, paths))


def _lane(key: str) -> int:
    return zlib.crc32(key.partition("/")[0].encode())


def _disk_name(segment: str) -> str:
    """The segment in lower case, so that a disk that ignores case keeps all keys apart."""
    return re.sub("[A-Z]", lambda letter: f"={letter[0].lower()}", segment)


def _segment(disk_name: str) -> str:
    return re.sub("=(.)", lambda letter: letter[1].upper(), disk_name)


def _is_foreign(path: Path) -> bool:
    """False for what has vanished in the meantime."""
    if path.is_symlink():
        return True
    if path.is_dir():
        return not _NAME.fullmatch(path.name)
    return path.is_file() and not (path.suffix == _SUFFIX and _NAME.fullmatch(path.stem))


def _children(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """The keys of the blobs in the folder, and of its folders with a slash behind them."""
    try:
        children = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in children:
        stem = child.name.removesuffix(_SUFFIX)
        if not _NAME.fullmatch(stem):
            continue
        if child.name != stem:
            yield prefix + _segment(stem), child
        elif child.is_dir() and not child.is_symlink():
            yield f"{prefix}{_segment(stem)}/", child
