"""Messages of a case. They are not part of the `Case` aggregate: they are appended to it and read in pages."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from domain.errors import InvalidInput
from domain.evidence import FileId
from domain.values import NO_ATTRIBUTES, Attributes, Count, Instant, Label255, Text, Value

MAX_CONTENT = 200_000

MessageId = Annotated[str, StringConstraints(pattern=r"^msg_[0-9a-f]{12,32}$")]


class MessageRole(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MessageType(StrEnum):
    """What the message is about."""

    USER_QUERY = "user_query"
    AGENT_RESPONSE = "agent_response"
    SYSTEM_EVENT = "system_event"
    DATA_UPLOAD = "data_upload"
    CASE_NOTE = "case_note"
    STATUS_CHANGE = "status_change"


def _not_blank(content: str) -> str:
    if not content.strip():
        raise InvalidInput("a message must not be blank")
    return content


class Message(Value):
    """One utterance in a case. ``message_id`` makes a repeated append harmless."""

    message_id: MessageId
    case_id: Label255
    turn_number: Count
    role: MessageRole
    type: MessageType
    content: Annotated[Text, StringConstraints(max_length=MAX_CONTENT), AfterValidator(_not_blank)]
    created_at: Instant
    author_id: Label255 | None = None
    file_ids: tuple[FileId, ...] = ()
    metadata: Attributes = NO_ATTRIBUTES
