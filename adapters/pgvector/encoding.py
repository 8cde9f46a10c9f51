"""Vectors and metadata on their way to the server and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import orjson
from pgvector import Vector as PgVector

from adapters.postgres.pool import Connection
from domain.filter import MetadataValue

_EXACT_INTEGERS = 2**53
"""Up to here the shortest form of a float lies on the same side of every integer as the float itself."""

_SCHEMA = """
    SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'
"""


async def register_vectors(connection: Connection) -> None:
    """Teach a connection to send and receive vectors in binary form; nothing happens while the extension is missing."""
    schema = await connection.fetchval(_SCHEMA)
    if schema is not None:
        await connection.set_type_codec(
            "vector", schema=schema, encoder=PgVector.to_binary, decoder=PgVector.from_binary, format="binary"
        )


def to_json(value: MetadataValue) -> str:
    """A value as JSON that PostgreSQL's ``jsonb`` compares and gives back as what it is.

    It holds numbers as decimals: exact, but without an exponent and without the sign of zero. So a float is written in
    full and with a decimal point, by which it is told from an integer when it comes back, and from 2^53 on with all its
    digits, since there its shortest form would compare wrongly with integers.
    """
    if not isinstance(value, float):
        return orjson.dumps(value).decode()
    if abs(value) >= _EXACT_INTEGERS:
        return f"{int(value)}.0"
    return format(Decimal(float.__repr__(value)), "f")


def metadata_to_json(metadata: Mapping[str, MetadataValue]) -> str:
    """Metadata as JSON, with values as in `to_json`."""
    return f"{{{','.join(f'{to_json(field)}:{to_json(value)}' for field, value in metadata.items())}}}"


def metadata_from_json(written: str) -> dict[str, MetadataValue]:
    """The metadata that the server has given back."""
    metadata: dict[str, MetadataValue] = orjson.loads(written)
    return metadata
