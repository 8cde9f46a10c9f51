"""The one gate that every request of a person passes."""

from __future__ import annotations

from application.errors import Forbidden
from domain.access import Action, Actor, Protected, allowed
from ports.errors import NotFound


def authorize(actor: Actor, action: Action, target: Protected, *, kind: str, key: str) -> None:
    """Let the actor through, or refuse in words that give nothing away.

    Args:
        actor: who asks.
        action: what for.
        target: the object itself.
        kind: what the object is called in the refusal, e.g. ``case``.
        key: under which id the actor asked for it.

    Raises:
        NotFound: the actor may not even read it, so it looks like a missing one.
        Forbidden: the actor may read it, but not do this with it.
    """
    if allowed(actor, action, target):
        return
    if action is not Action.READ and allowed(actor, Action.READ, target):
        raise Forbidden(f"You may read this {kind}, but not {action} it.")
    raise NotFound(kind, key)
