"""Everything about the HTTP interface that can be configured."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Sizes in bytes, times in seconds.

    ``cors_extension_ids`` are ids of Chromium (32 letters) or Firefox (UUID) extensions; ``cors_any_extension`` lets
    every extension call, which is for development only.
    """

    version: str = "unknown"
    cors_origins: tuple[str, ...] = ("http://localhost:3333", "http://127.0.0.1:3333")
    cors_extension_ids: tuple[str, ...] = ()
    cors_any_extension: bool = False
    dev_login: bool = False
    registration: bool = True
    deployment_mode: str = "self-hosted"
    dashboard_url: str = "http://127.0.0.1:3333"
    max_file_bytes: int = 10 * MIB
    max_files: int = 10
    max_upload_bytes: int = 50 * MIB
    """All files and fields of one upload together."""
    max_body_bytes: int = 2 * MIB
    """Any other body."""
    turn_timeout: float = 120.0
