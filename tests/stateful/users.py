"""The state machine of `ports.users.UserRepository`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from domain.user import User, fold_name
from domain.values import check_storable
from ports.errors import AlreadyExists, Conflict
from ports.paging import Page, check_page
from ports.users import UserRepository
from tests import strategies
from tests.builders import a_user, an_id, later
from tests.stateful.machine import Ask, Call, Command, StoreMachine, call

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass
class UserModel:
    """What the port promises, over a dictionary."""

    users: dict[str, User] = field(default_factory=dict)

    def save(self, user: User) -> User:
        stored = self.users.get(user.user_id)
        if user.version != (stored.version if stored else 0):
            raise Conflict("user", user.user_id, user.version, stored.version if stored else None)
        others = [other for other in self.users.values() if other.user_id != user.user_id]
        for name in ("username", "email"):
            if fold_name(getattr(user, name)) in {fold_name(getattr(other, name)) for other in others}:
                raise AlreadyExists("user", name)
        self.users[user.user_id] = user.replace(version=user.version + 1)
        return self.users[user.user_id]

    def get(self, user_id: str) -> User | None:
        check_storable(user_id)
        return self.users.get(user_id)

    def get_by_username(self, username: str) -> User | None:
        check_storable(username)
        return next((user for user in self.users.values() if fold_name(user.username) == fold_name(username)), None)

    def get_by_email(self, email: str) -> User | None:
        check_storable(email)
        return next((user for user in self.users.values() if fold_name(user.email) == fold_name(email)), None)

    def list(self, *, limit: int = 50, offset: int = 0) -> Page[User]:
        check_page(limit, offset)
        ordered = sorted(self.users.values(), key=lambda user: (LATEST - user.created_at, user.user_id))
        return Page(tuple(ordered[offset : offset + limit]), len(ordered))

    def delete(self, user_id: str) -> bool:
        check_storable(user_id)
        return self.users.pop(user_id, None) is not None

    def scan(self, *, after: str | None = None, limit: int = 100) -> tuple[User, ...]:
        check_storable(after or "")
        check_page(limit)
        return tuple(self.users[user_id] for user_id in sorted(self.users) if user_id > (after or ""))[:limit]


# Few ids and names, so that they are taken. A step asks for a name or for an address, never for both: the port leaves
# open which of two errors is told.
numbers = st.integers(1, 5)
usernames = st.sampled_from(["alice", "ALICE", "Straße", "STRASSE", "al_ce", "café", "CAFE\u0301", "bob"])
emails = st.sampled_from(["a@example.org", "A@Example.org", "a_@example.org", "jörg@example.org", "JÖRG@example.org"])


@dataclass(frozen=True)
class SignUp:
    """Save a user as new, though id and name may be taken."""

    number: int
    username: str
    minute: int

    def on(self, model: UserModel) -> Call:
        created = later(self.minute)
        return call("save", a_user(self.number, username=self.username, created_at=created, updated_at=created))


@dataclass(frozen=True)
class Edit:
    """Save a user that was read before, under a name or an address that may be taken, perhaps an older version."""

    number: int
    changes: dict[str, str]
    ahead: int

    def on(self, model: UserModel) -> Call:
        read = model.get(an_id("user", self.number)) or a_user(self.number, version=1)
        return call("save", read.replace(**self.changes, version=max(0, read.version + self.ahead)))


sign_ups = st.builds(SignUp, numbers, usernames, st.integers(0, 2))
edits = st.builds(
    Edit,
    numbers,
    st.fixed_dictionaries({"username": usernames}) | st.fixed_dictionaries({"email": emails}),
    st.sampled_from([0, 0, 0, -1, 1]),
)


class UserRepositoryMachine(StoreMachine[UserRepository, UserModel]):
    """Writers, readers, races for a name and restarts in any order."""

    def new_model(self) -> UserModel:
        return UserModel()

    @rule(command=sign_ups)
    def sign_up(self, command: Command[UserModel]) -> None:
        """A new user."""
        self.step(command)

    @rule(command=edits)
    def edit(self, command: Command[UserModel]) -> None:
        """Another name or address."""
        self.step(command)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        """Delete a user, known or not."""
        self.step(Ask(call("delete", an_id("user", number))))

    @rule(user=strategies.users())
    def save_any(self, user: User) -> None:
        """A user with any legal content comes back as it was."""
        self.step(Ask(call("save", user.replace(version=0))))
        self.step(Ask(call("get", user.user_id)))
        self.step(Ask(call("delete", user.user_id)))

    @rule(writers=st.integers(2, 5), username=usernames)
    def race_for_a_name(self, writers: int, username: str) -> None:
        """Of several new users who ask for one name at most one gets it."""
        wanted = [a_user(100 + each, username=username) for each in range(writers)]

        async def work() -> list[User | BaseException]:
            return await asyncio.gather(*map(self.store.save, wanted), return_exceptions=True)

        taken = self.model.get_by_username(username) is not None
        results = self.run(work())
        winners = [result for result in results if isinstance(result, User)]
        assert len(winners) == (0 if taken else 1)
        assert all(isinstance(result, User | AlreadyExists) for result in results)
        for winner in winners:
            assert self.model.save(winner.replace(version=0)) == winner
            self.step(Ask(call("delete", winner.user_id)))

    @rule(number=numbers, username=usernames, email=emails)
    def find(self, number: int, username: str, email: str) -> None:
        """A user by id, by name and by address."""
        self.step(Ask(call("get", an_id("user", number))))
        self.step(Ask(call("get_by_username", username)))
        self.step(Ask(call("get_by_email", email)))

    @rule(limit=st.integers(0, 4), offset=st.integers(0, 4))
    def list_some(self, limit: int, offset: int) -> None:
        """Any page of the list, and a walk from any place."""
        self.step(Ask(call("list", limit=limit, offset=offset)))
        self.step(Ask(call("scan", after=an_id("user", offset), limit=limit)))

    @invariant()
    def all_users_match(self) -> None:
        """The walk over all users is that of the model."""
        self.step(Ask(call("scan", limit=200)))
