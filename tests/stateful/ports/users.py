"""Users under few names."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from ports.users import UserRepository
from tests import strategies
from tests.builders import an_id
from tests.stateful import users
from tests.stateful.agreement import Port
from tests.stateful.machine import Call, call
from tests.stateful.ports.common import asking, hostile, limits, offsets
from tests.stateful.users import UserModel

user_ids = st.one_of(*[users.numbers.map(lambda number: an_id("user", number))] * 9, hostile)


class UserPort(Port[UserRepository, UserModel]):
    """Users under few names."""

    name = "users"
    commands = st.one_of(
        users.sign_ups,
        users.sign_ups,
        users.edits,
        users.edits,
        asking("save", strategies.users().map(lambda user: user.replace(version=0))),
        asking("delete", user_ids),
        asking("get", user_ids),
        asking("get_by_username", users.usernames | hostile),
        asking("get_by_email", users.emails | hostile),
        asking("list", limit=limits, offset=offsets),
        asking("scan", after=st.none() | user_ids, limit=limits),
    )

    def new_model(self) -> UserModel:
        return UserModel()

    def last_calls(self, model: UserModel) -> Sequence[Call]:
        return [call("scan", limit=200), call("list", limit=200)]
