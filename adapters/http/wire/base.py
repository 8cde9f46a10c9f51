"""The base of all shapes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """What a client sends: unknown fields are ignored, and null means absent."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Answer(BaseModel):
    """What a client gets."""

    model_config = ConfigDict(frozen=True)
