"""Password hashing with argon2id, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import InvalidInput
from domain.values import normalise_text

T = TypeVar("T")

MIN_LENGTH = 8
MAX_LENGTH = 128
MEMORY_KIB = 46 * 1024
PARALLEL_HASHES = 2


def check_password(password: str) -> str:
    """``password`` in normal form.

    Raises:
        InvalidInput: it does not have 8 to 128 characters, or is not storable text.
    """
    normal = normalise_text(password)
    if not MIN_LENGTH <= len(normal) <= MAX_LENGTH:
        raise InvalidInput(
            f"password: it has {len(normal)} characters; accepted are {MIN_LENGTH} to {MAX_LENGTH}, of any kind"
        )
    return normal


class Passwords:
    """Hashes and verifies, at most two at a time, because each takes 46 MiB."""

    def __init__(self, memory_kib: int = MEMORY_KIB) -> None:
        """Hashes with this much memory; a stored hash of other parameters asks for a new one at the next sign-in."""
        self._hasher = PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(PARALLEL_HASHES, thread_name_prefix="argon2")
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash.

        Raises:
            InvalidInput: see `check_password`.
        """
        return await self._run(self._hasher.hash, check_password(password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """True if ``password`` belongs to the hash. Without a hash it is False, after the same amount of work."""
        try:
            candidate = check_password(password)
        except InvalidInput:
            candidate, encoded = "", None
        if encoded is None:
            self._decoy = self._decoy or await self._run(self._hasher.hash, "a password that nobody has")
        matches = await self._run(self._verify, encoded or self._decoy or "", candidate)
        return matches and encoded is not None

    def needs_rehash(self, encoded: str) -> bool:
        """True if the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _verify(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function: Callable[..., T], *args: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *args)
