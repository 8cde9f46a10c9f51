"""Sessions: one user on one client. A session authenticates nothing and owns no case."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from domain.user import UserId
from domain.values import NO_ATTRIBUTES, Attributes, Instant, Label50, Label255, Value

SessionId = Annotated[str, StringConstraints(pattern=r"^sess_[0-9a-f]{32}$")]


class Session(Value):
    """The working context of a user on one client, e.g. one browser."""

    session_id: SessionId
    user_id: UserId
    client_id: Label255
    session_type: Label50 = "troubleshooting"
    created_at: Instant
    last_activity_at: Instant
    expires_at: Instant
    metadata: Attributes = NO_ATTRIBUTES

    @model_validator(mode="after")
    def _times_are_in_order(self) -> Self:
        if not self.created_at <= self.last_activity_at <= self.expires_at:
            raise ValueError("a session is created, then active, then expires")
        return self

    def is_active(self, at: datetime) -> bool:
        """True until the session expires; at ``expires_at`` itself it is over."""
        return at < self.expires_at
