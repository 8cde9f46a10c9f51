"""Users.

Promise: user names and e-mail addresses are unique under `domain.user.fold_name`, also when two are saved at once.

Every operation raises `InvalidInput` for a text argument that cannot be stored (`domain.values.check_storable`).
"""

from __future__ import annotations

from typing import Protocol

from domain.user import User
from ports.paging import Page


class UserRepository(Protocol):
    """Keeps users."""

    async def save(self, user: User) -> User:
        """Insert the user (``version`` 0) or update it, and return it as stored with ``version`` + 1.

        Raises:
            AlreadyExists: another user has the same ``username`` or ``email`` (the field is named).
            Conflict: see `ports.cases.CaseRepository.save`; it is checked first.

        Nothing has changed after an error. A name that a user gives up is free again.
        """
        ...

    async def get(self, user_id: str) -> User | None:
        """The user, or None."""
        ...

    async def get_by_username(self, username: str) -> User | None:
        """The user with this name, upper and lower case alike; None if there is none."""
        ...

    async def get_by_email(self, email: str) -> User | None:
        """The user with this address, upper and lower case alike; None if there is none."""
        ...

    async def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        """Users ordered by (``created_at`` descending, ``user_id``); ``total`` counts all of them.

        Raises:
            InvalidInput: see `ports.paging.check_page`.
        """
        ...

    async def delete(self, user_id: str) -> bool:
        """Remove the user. True if it existed. Its name and address are free again."""
        ...

    async def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        """The next users by ``user_id`` after the given one (which need not exist); an empty tuple at the end. A user
        that is there all the time is met exactly once, whatever is written meanwhile.

        Raises:
            InvalidInput: ``limit`` is outside the limits of a page.
        """
        ...
