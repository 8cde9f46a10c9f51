"""Clients of servers on this machine, which need no certificates."""

from __future__ import annotations

import ssl
from typing import Final

import httpx

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody. A client without it reads all certificates of the system when it is made, for 60 ms of a processor."""


def answers(url: str) -> bool:
    """Whether a server answers there, and that all is well."""
    try:
        return httpx.get(url, timeout=2, trust_env=False, verify=NO_TLS).is_success
    except httpx.TransportError:
        return False
