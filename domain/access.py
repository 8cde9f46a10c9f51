"""Who may do what: one pure rule for the whole system."""

from __future__ import annotations

from enum import StrEnum

from domain.case import Case
from domain.knowledge import KnowledgeDocument, Scope, ScopeKind
from domain.session import Session
from domain.user import Role, User, UserId
from domain.values import Value


class Action(StrEnum):
    """What an actor wants to do with an object."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


class Actor(Value):
    """The authenticated person behind a request."""

    user_id: UserId
    username: str
    roles: tuple[Role, ...]

    @classmethod
    def of(cls, user: User) -> Actor:
        """The actor that ``user`` is."""
        return cls(user_id=user.user_id, username=user.username, roles=user.roles)

    @property
    def is_admin(self) -> bool:
        """True if the actor may administer the installation."""
        return Role.ADMIN in self.roles


Protected = Case | Session | User | KnowledgeDocument | Scope


def allowed(actor: Actor, action: Action, target: Protected) -> bool:
    """True if ``actor`` may do ``action`` with ``target``.

    Cases and sessions belong to one user; an administrator has no key to them. Global knowledge is read by everybody
    and written by administrators. The documents of a case follow the case: ask for the case instead.
    """
    match target:
        case Case() | Session():
            return target.user_id == actor.user_id
        case User():
            return target.user_id == actor.user_id or actor.is_admin
        case KnowledgeDocument():
            return allowed(actor, action, target.scope)
        case Scope(kind=ScopeKind.GLOBAL):
            return action is Action.READ or actor.is_admin
        case Scope(kind=ScopeKind.USER):
            return target.owner_id == actor.user_id
        case _:
            return False
