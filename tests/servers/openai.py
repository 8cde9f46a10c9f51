"""A server of embeddings that speaks the OpenAI protocol, in a process of its own. It embeds by words."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse

from adapters.hashing.embeddings import HashingEmbedding
from tests.plain_http import answers
from tests.servers.process import ServerProcess

MODEL = "words"
KEY = "sk-of-the-tests"
DIMENSION = 1024
MOST_CHARACTERS = 4000
"""A longer text is refused, as by a real server whose model reads no more."""
MOST_TEXTS = 16
SECONDS_A_TEXT = 0.002
ROOT = Path(__file__).parents[2]

app = FastAPI()


def refusal(status: int, message: str) -> JSONResponse:
    """An error in the form of the protocol."""
    return JSONResponse({"error": {"message": message, "type": "invalid_request_error"}}, status)


@app.get("/health")
async def health() -> None:
    """Answers once the server is up."""


@app.post("/v1/embeddings")
async def embeddings(request: dict[str, Any], authorization: Annotated[str, Header()] = "") -> JSONResponse:
    """One vector for each text, the last text first; longer than 1, as many models give them."""
    texts = request["input"]
    if authorization != f"Bearer {KEY}":
        return refusal(401, f"Incorrect API key provided: {authorization}")
    if request["model"] != MODEL:
        return refusal(404, f"The model {request['model']} does not exist")
    if len(texts) > MOST_TEXTS:
        return refusal(413, f"batch size {len(texts)} > maximum allowed batch size {MOST_TEXTS}")
    if any(len(text) > MOST_CHARACTERS or not text for text in texts):
        return refusal(400, f"This model's maximum context length is {MOST_CHARACTERS}")
    await asyncio.sleep(SECONDS_A_TEXT * len(texts))
    vectors = await HashingEmbedding(request.get("dimensions", DIMENSION)).embed_documents(texts)
    data = [
        {"object": "embedding", "index": index, "embedding": [3 * value for value in vector]}
        for index, vector in enumerate(vectors)
    ]
    return JSONResponse({"object": "list", "model": MODEL, "data": data[::-1]})


class OpenAiServer(ServerProcess):
    """One server."""

    name = "openai"

    def command(self) -> Sequence[str]:
        where = ("--app-dir", str(ROOT), "--host", "127.0.0.1", "--port", str(self.port))
        return [sys.executable, "-m", "uvicorn", "tests.servers.openai:app", *where, "--log-level", "warning"]

    def is_ready(self) -> bool:
        return answers(f"http://127.0.0.1:{self.port}/health")

    @property
    def url(self) -> str:
        """The base of the API."""
        return f"http://127.0.0.1:{self.port}/v1"
