"""Identifiers and secrets from the random source of the operating system."""

from __future__ import annotations

import secrets

from ports.ids import IdSource

_SECRET_BYTES = 32


class RandomIds(IdSource):
    """Cryptographically random: no id tells anything about another."""

    def new(self, prefix: str, digits: int = 12) -> str:
        return f"{prefix}_{secrets.token_hex((digits + 1) // 2)[:digits]}"

    def secret(self) -> str:
        return secrets.token_urlsafe(_SECRET_BYTES)
