"""A bare FastAPI endpoint that answers with the bytes of a file: ``python -m benchmarks.process.bare PORT FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response


def application(content: bytes) -> FastAPI:
    """One endpoint, nothing around it."""
    app = FastAPI()

    @app.get("/")
    async def answer() -> Response:
        return Response(content, media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[2]).read_bytes()), port=int(sys.argv[1]), log_level="warning", access_log=False
    )
