"""Writing files so that a crash at any moment leaves the old content or the new one, never a part of it.

A file is written under a temporary name in a staging folder, synchronised with the disk, renamed to its place, and the
folder of its place is synchronised. What a crash leaves in the staging folder is removed when it is opened again.
Several processes may write to one folder: each holds a lock on the files that it has not finished.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ports.errors import OutcomeUnknown, PortError, StorageFull, StorageUnavailable

STAGING_NAME = ".staging"
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_ATTEMPTS = 10
_READ_BYTES = 65_536
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turns the errors of the operating system into those of the ports."""
    try:
        yield
    except OSError as error:
        raise _port_error(error) from error


def _port_error(error: OSError) -> PortError:
    reason = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    if error.errno in _NO_ROOM:
        return StorageFull(f"no room to write {reason}")
    return StorageUnavailable(f"the file system refused the operation: {reason}")


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create ``folder`` and what is missing above it, for its owner alone, durably."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def read_descriptor(path: Path | str) -> int:
    """A file descriptor for reading ``path`` itself, not what a symbolic link there leads to."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def read_file(path: Path | str) -> bytes:
    """The content of ``path`` itself, by four system calls, where a file object makes seven."""
    descriptor = read_descriptor(path)
    try:
        parts = []
        while part := os.read(descriptor, _READ_BYTES):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def remove(path: Path) -> None:
    """Remove the file, durably.

    Raises:
        FileNotFoundError: there is none.
        OutcomeUnknown: it is gone, but may come back after a power failure.
    """
    path.unlink()
    _sync_outcome(path)


def _sync_outcome(path: Path) -> None:
    folder = path.parent
    try:
        while True:
            try:
                sync_folder(folder)
            except FileNotFoundError:
                # Another process has emptied and removed it in the meantime, which is for the folder above to keep.
                folder = folder.parent
            else:
                return
    except OSError as error:
        raise OutcomeUnknown(f"the change of {path} may not survive a power failure: {error.strerror}") from error


class StagedFile:
    """A file on its way: written piece by piece, then published under its name or discarded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        descriptor = self._opened()
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def overwrite_start(self, data: bytes) -> None:
        """Replace the first bytes of what has been written."""
        if os.pwrite(self._opened(), data, 0) != len(data):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self._path))

    def publish(self, target: Path) -> None:
        """Synchronise the file and give it its name.

        Raises:
            OutcomeUnknown: it is in its place, but may not survive a power failure.
        """
        os.fsync(self._opened())
        self._rename(target)
        self._close()
        _sync_outcome(target)

    def discard(self) -> None:
        """Remove what was written, unless it has been published."""
        self._close()
        self._path.unlink(missing_ok=True)

    def _rename(self, target: Path) -> None:
        for _ in range(_ATTEMPTS):
            try:
                self._path.rename(target)
            except FileNotFoundError:
                # The folder is missing, perhaps because another process has just taken the last file out of it. It may
                # do so again while the folder is made, or just when it was found to exist.
                with suppress(FileNotFoundError, FileExistsError):
                    make_folder(target.parent)
            else:
                return
        self._path.rename(target)

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while self._descriptor is None:
            descriptor = os.open(self._path, flags, _FILE_MODE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                self._descriptor = descriptor
            else:
                # A process that was starting has taken it for a left-over, before the lock was there.
                os.close(descriptor)
        return self._descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class StagingFolder:
    """Where the files of one store are written before they get their names."""

    def __init__(self, root: Path) -> None:
        self._folder = root / STAGING_NAME
        self._mine = secrets.token_hex(8)
        self._numbers = itertools.count()
        make_folder(self._folder)
        for path in self._folder.iterdir():
            _remove_if_stale(path)

    def new_file(self) -> StagedFile:
        """A file that nobody else writes; it comes into being with the first write."""
        return StagedFile(self._folder / f"{self._mine}-{next(self._numbers)}")

    def write(self, target: Path, data: bytes) -> None:
        """Replace the content of ``target``, all or nothing."""
        staged = self.new_file()
        try:
            staged.write(data)
            staged.publish(target)
        except BaseException:
            staged.discard()
            raise

    def probe(self) -> None:
        """Write, synchronise and remove a file."""
        target = self._folder / f"{self._mine}-probe"
        self.write(target, b"probe")
        target.unlink(missing_ok=True)


def _remove_if_stale(path: Path) -> None:
    """Remove the file unless a process is writing it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
