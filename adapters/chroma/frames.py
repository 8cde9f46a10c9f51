"""Messages between the two processes: a JSON header and raw 32-bit floats, each with its length in front."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import orjson

LENGTHS = struct.Struct("!QQ")


def pack(header: dict[str, Any], floats: bytes = b"") -> bytes:
    """One message."""
    body = orjson.dumps(header)
    return LENGTHS.pack(len(body), len(floats)) + body + floats


def read(stream: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next message of a blocking stream; None at its end."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header_length, floats_length = LENGTHS.unpack(lengths)
    header, floats = stream.read(header_length), stream.read(floats_length)
    if len(floats) < floats_length or len(header) < header_length:
        return None
    return orjson.loads(header), floats
