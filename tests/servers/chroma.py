"""A Chroma server, from the package `chromadb`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.plain_http import answers
from tests.servers.process import ServerProcess


class ChromaServer(ServerProcess):
    """One server with a folder."""

    name = "chroma"

    def command(self) -> Sequence[str]:
        chroma = Path(sys.executable).with_name("chroma")
        return [
            str(chroma),
            "run",
            "--path",
            str(self.folder / "data"),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]

    def is_ready(self) -> bool:
        return answers(f"{self.url}/api/v2/heartbeat")

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.port}"
