"""Sessions and caches in files: one file a key, named by the hash of the key.

A session may get lost, but is never wrong: a file that is damaged, or lies where it does not belong, reads as absent
and is overwritten by the next write; `check_integrity` reports it.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from adapters.filesystem.checkpoints import CHECKPOINTS_NAME, CheckpointFolder
from adapters.filesystem.durable import (
    STAGING_NAME,
    StagingFolder,
    make_folder,
    read_file,
    remove,
    storage_errors,
    sync_folder,
)
from adapters.filesystem.lanes import Lanes
from adapters.filesystem.session_file import DamagedFile, Entry, file_name, is_file_name
from domain.glob import glob_pattern
from domain.values import normalise_text
from ports.capabilities import Closeable, SupportsHealth, SupportsIntegrityCheck, SupportsSweep
from ports.clock import Clock
from ports.paging import check_page
from ports.sessions import (
    CacheStore,
    check_increment,
    check_key,
    check_pattern,
    check_ttl,
    check_value,
    incremented,
    ttl_milliseconds,
)
from ports.transfer import StoredValue, SupportsCheckpoints, SupportsValueTransfer, check_checkpoint, check_values

P = ParamSpec("P")
T = TypeVar("T")

_WRITE_LANES = 8
_READ_LANES = 2


class FileSessionStore(
    CacheStore,
    SupportsHealth,
    SupportsIntegrityCheck,
    SupportsSweep,
    SupportsValueTransfer,
    SupportsCheckpoints,
    Closeable,
):
    """Keeps values in the folder ``root``, its namespace, which this process must have to itself.

    All that changes a key runs in the one thread to which the key belongs, which makes each change atomic. Reading
    needs no such order: a file is replaced as a whole.

    Raises:
        PortError: the folder cannot be created or written.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self._root = root
        self._now = clock.unix_milliseconds
        with storage_errors():
            make_folder(root)
            self._location = f"file:{root.resolve()}"
            self._staging = StagingFolder(root)
        self._checkpoints = CheckpointFolder(root, self._staging)
        self._writers = Lanes(_WRITE_LANES, "session-writer")
        self._readers = Lanes(_READ_LANES, "session-reader")

    async def set(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        await self._change(check_key(key), self._save, check_value(value), check_ttl(ttl))
        return True

    async def get(self, key: str) -> str | None:
        key = check_key(key)
        name = file_name(key)
        # Asked for with every request, and to make a `Path` takes as long as to open the file.
        path = f"{self._root}/{name[:2]}/{name}"
        entry = await self._readers.read(_lane(name), self._load, path, key)
        return None if entry is None else entry.value

    async def delete(self, key: str) -> bool:
        return await self._change(check_key(key), self._delete)

    async def exists(self, key: str) -> bool:
        return await self.get(key) is not None

    async def expire(self, key: str, ttl: timedelta) -> bool:
        return await self._change(check_key(key), self._expire, ttl_milliseconds(ttl))

    async def keys(self, pattern: str) -> list[str]:
        matches = glob_pattern(check_pattern(pattern)).fullmatch
        return sorted(filter(matches, await self._all_keys()))

    async def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        places = {key: (self._path(file_name(normal)), normal) for key in keys for normal in (check_key(key),)}

        def load_all() -> dict[str, str]:
            loaded = {key: self._load(path, normal) for key, (path, normal) in places.items()}
            return {key: entry.value for key, entry in loaded.items() if entry is not None}

        return await self._readers.run(0, load_all)

    async def set_many(self, values: Mapping[str, str], ttl: timedelta | None = None) -> None:
        checked = {check_key(key): check_value(value) for key, value in values.items()}
        milliseconds = check_ttl(ttl)
        for key, value in checked.items():
            await self._change(key, self._save, value, milliseconds)

    async def add(self, key: str, value: str, ttl: timedelta | None = None) -> bool:
        return await self._change(check_key(key), self._swap, None, check_value(value), check_ttl(ttl))

    async def compare_and_set(
        self, key: str, expected: str | None, value: str | None, ttl: timedelta | None = None
    ) -> bool:
        if value is not None:
            check_value(value)
        return await self._change(check_key(key), self._swap, expected, value, check_ttl(ttl))

    async def increment(self, key: str, by: int = 1, ttl: timedelta | None = None) -> int:
        return await self._change(check_key(key), self._increment, check_increment(by), check_ttl(ttl))

    async def clear(self) -> int:
        return await self._for_each_folder(self._clear_folder)

    async def stored_value(self, key: str) -> StoredValue | None:
        key = check_key(key)
        found = await self._readers.run(0, self._first_values, (key,), 1)
        return found[0] if found else None

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[StoredValue, ...]:
        """Reads every file for each page: the names of files say nothing about keys."""
        check_page(limit)
        after = "" if after is None else normalise_text(after)
        keys = sorted(key for key in await self._all_keys() if key > after)
        return await self._readers.run(0, self._first_values, keys, limit)

    async def put_many(self, values: Sequence[StoredValue]) -> None:
        for each in check_values(values):
            await self._change(each.key, self._put, each)

    async def sweep(self) -> int:
        return await self._for_each_folder(self._sweep_folder)

    @property
    def location(self) -> str:
        """The path of the folder."""
        return self._location

    async def read_checkpoint(self, name: str) -> str | None:
        check_checkpoint(name)
        return await self._readers.run(0, self._checkpoints.read, name)

    async def write_checkpoint(self, name: str, text: str | None) -> None:
        check_checkpoint(name, text)
        await self._writers.run(0, self._checkpoints.write, name, text)

    async def check_health(self) -> None:
        await self._writers.run(0, self._staging.probe)

    async def check_integrity(self) -> Sequence[str]:
        problems = await self._readers.run(0, self._foreign_names)
        for folder in await self._readers.run(0, self._folders):
            problems += await self._readers.run(0, self._problems, folder)
        return problems

    async def aclose(self) -> None:
        await self._writers.aclose()
        await self._readers.aclose()

    async def _change(
        self, key: str, job: Callable[Concatenate[Path, str, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        name = file_name(key)
        return await self._writers.run(_lane(name), job, self._path(name), key, *args, **kwargs)

    async def _all_keys(self) -> list[str]:
        found: list[str] = []
        for folder in await self._readers.run(0, self._folders):
            found += await self._readers.run(0, self._live_keys, folder)
        return found

    async def _for_each_folder(self, job: Callable[[Path], int]) -> int:
        """The sum of what the job gives for the folders, each in the thread that alone writes there."""
        total = 0
        for folder in await self._readers.run(0, self._folders):
            total += await self._writers.run(_lane(folder.name), job, folder)
        return total

    def _path(self, name: str) -> Path:
        return self._root.joinpath(name[:2], name)

    # What follows runs in threads.

    def _expiry(self, ttl: int | None) -> int | None:
        return None if ttl is None else self._now() + ttl

    def _load(self, path: Path | str, key: str) -> Entry | None:
        try:
            entry = _read(path)
        except (FileNotFoundError, DamagedFile):
            return None
        return entry if entry.key == key and self._is_live(entry) else None

    def _is_live(self, entry: Entry) -> bool:
        return entry.expires_at is None or self._now() < entry.expires_at

    def _save(self, path: Path, key: str, value: str, ttl: int | None) -> None:
        self._staging.write(path, Entry(key, value, self._expiry(ttl)).encode())

    def _put(self, path: Path, key: str, given: StoredValue) -> None:
        entry = Entry(key, given.value, given.expires_at)
        if self._is_live(entry):
            self._staging.write(path, entry.encode())
        else:
            self._delete(path, key)

    def _first_values(self, keys: Sequence[str], limit: int) -> tuple[StoredValue, ...]:
        """The values of the first of the keys that still have one."""
        loaded = (self._load(self._path(file_name(key)), key) for key in keys)
        found = (StoredValue(entry.key, entry.value, entry.expires_at) for entry in loaded if entry is not None)
        return tuple(itertools.islice(found, limit))

    def _delete(self, path: Path, key: str) -> bool:
        existed = self._load(path, key) is not None
        try:
            remove(path)
        except FileNotFoundError:
            return False
        return existed

    def _expire(self, path: Path, key: str, ttl: int) -> bool:
        entry = self._load(path, key)
        if entry is None:
            return False
        self._save(path, key, entry.value, ttl)
        return True

    def _swap(self, path: Path, key: str, expected: str | None, value: str | None, ttl: int | None) -> bool:
        entry = self._load(path, key)
        if (None if entry is None else entry.value) != expected:
            return False
        if value is not None:
            self._save(path, key, value, ttl)
        elif entry is not None:
            remove(path)
        return True

    def _increment(self, path: Path, key: str, by: int, ttl: int | None) -> int:
        entry = self._load(path, key)
        total = incremented(None if entry is None else entry.value, by)
        expires_at = self._expiry(ttl) if entry is None else entry.expires_at
        self._staging.write(path, Entry(key, str(total), expires_at).encode())
        return total

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._root.iterdir() if _is_folder_name(path.name) and path.is_dir())

    def _live_keys(self, folder: Path) -> list[str]:
        return [entry.key for _, entry in _entries(folder) if entry is not None and self._is_live(entry)]

    def _sweep_folder(self, folder: Path) -> int:
        expired = [path for path, entry in _entries(folder) if entry is not None and not self._is_live(entry)]
        for path in expired:
            path.unlink()
        return len(expired)

    def _clear_folder(self, folder: Path) -> int:
        count = 0
        for path, entry in list(_entries(folder)):
            count += entry is not None and self._is_live(entry)
            path.unlink()
        sync_folder(folder)
        return count

    def _foreign_names(self) -> list[str]:
        known = (path for path in self._root.iterdir() if path.name not in (STAGING_NAME, CHECKPOINTS_NAME))
        return [f"{path}: not part of the store" for path in sorted(known) if not _is_folder_name(path.name)]

    def _problems(self, folder: Path) -> list[str]:
        problems = [f"{path}: not part of the store" for path in sorted(folder.iterdir()) if not is_file_name(path)]
        return problems + [f"{path}: damaged; its value is lost" for path, entry in _entries(folder) if entry is None]


def _lane(name: str) -> int:
    """Files of one folder have one lane."""
    return int(name[:2], 16)


def _is_folder_name(name: str) -> bool:
    return len(name) == 2 and set(name) <= set("0123456789abcdef")


def _read(path: Path | str) -> Entry:
    try:
        return Entry.decode(read_file(path))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedFile from error
        raise


def _entries(folder: Path) -> Iterator[tuple[Path, Entry | None]]:
    """The files of the folder with what they hold: None for a damaged one or one that belongs elsewhere."""
    for path in sorted(folder.iterdir()):
        if not is_file_name(path):
            continue
        try:
            entry = _read(path)
        except FileNotFoundError:
            continue
        except DamagedFile:
            yield path, None
        else:
            yield path, entry if file_name(entry.key) == path.name else None
