"""What the operator does at the machine itself, where no signed-in user stands behind a command.

Whoever can read the data folder is the operator: there is nothing to authorise.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.case import Case
from domain.message import Message
from domain.status import CaseStatus
from domain.user import User
from ports.cases import CaseFilter, CaseRepository
from ports.errors import NotFound
from ports.paging import MAX_LIMIT, Page
from ports.users import UserRepository


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case with its owner's name and all of its messages."""

    case: Case
    owner: str
    messages: tuple[Message, ...]


class Operations:
    """Looks into the cases of everybody."""

    def __init__(self, *, cases: CaseRepository, users: UserRepository) -> None:
        """Works on these ports."""
        self._cases = cases
        self._users = users

    async def list_cases(
        self, *, username: str | None = None, status: CaseStatus | None = None, limit: int = 50, offset: int = 0
    ) -> Page[Case]:
        """Cases, most recently active first; with ``username`` only those of this user.

        Raises:
            NotFound: there is no such user.
        """
        user_id = None if username is None else (await self.user_named(username)).user_id
        return await self._cases.list(CaseFilter(user_id=user_id, status=status), limit=limit, offset=offset)

    async def user_named(self, username: str) -> User:
        """The account with this name.

        Raises:
            NotFound: there is no such user.
        """
        user = await self._users.get_by_username(username)
        if user is None:
            raise NotFound("user", username)
        return user

    async def case_file(self, case_id: str) -> CaseFile:
        """Everything about one case.

        Raises:
            NotFound: there is no such case.
        """
        case = await self._cases.get(case_id)
        if case is None:
            raise NotFound("case", case_id)
        owner = await self._users.get(case.user_id)
        messages: list[Message] = []
        while len(messages) < case.message_count:
            page = await self._cases.get_messages(case_id, limit=MAX_LIMIT, offset=len(messages))
            if not page.items:
                break
            messages.extend(page.items)
        return CaseFile(case, owner.username if owner else case.user_id, tuple(messages))
