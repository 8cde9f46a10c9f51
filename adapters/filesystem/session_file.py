"""The content of the file that holds one value of a session store."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"FMKV1\n"
_DIGEST_BYTES = 32
_PREFIX_BYTES = len(_MAGIC) + _DIGEST_BYTES
_FIELDS = struct.Struct(">qI")
_NEVER = -(2**63)


class DamagedFile(Exception):
    """The file is not one that a store has written completely."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A value with its key and its expiry in milliseconds since 1970; None if it does not expire."""

    key: str
    value: str
    expires_at: int | None

    def encode(self) -> bytes:
        """Mark of the format, SHA-256 of what follows, expiry, length of the key, key, value."""
        key = self.key.encode()
        expires_at = _NEVER if self.expires_at is None else self.expires_at
        content = b"".join((_FIELDS.pack(expires_at, len(key)), key, self.value.encode()))
        return b"".join((_MAGIC, hashlib.sha256(content).digest(), content))

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """The entry that was encoded.

        Raises:
            DamagedFile: it was something else, or is no longer whole.
        """
        content = memoryview(data)[_PREFIX_BYTES:]
        if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : _PREFIX_BYTES] != hashlib.sha256(content).digest():
            raise DamagedFile
        try:
            expires_at, key_length = _FIELDS.unpack_from(content)
            key_end = _FIELDS.size + key_length
            key, value = str(content[_FIELDS.size : key_end], "utf-8"), str(content[key_end:], "utf-8")
        except (struct.error, UnicodeDecodeError) as error:
            raise DamagedFile from error
        return cls(key, value, None if expires_at == _NEVER else expires_at)


def file_name(key: str) -> str:
    """The name of the file for ``key``: 64 hexadecimal digits, whatever the key holds."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_file_name(path: Path) -> bool:
    """True for a name that `file_name` makes, in the folder that belongs to it."""
    name = path.name
    return len(name) == 2 * _DIGEST_BYTES and set(name) <= set("0123456789abcdef") and name[:2] == path.parent.name
