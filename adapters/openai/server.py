"""Asking a server that speaks the OpenAI protocol: one request with its repetitions, and what its refusals mean.

Certificates are verified. Proxies and certificate authorities are taken from the environment (``HTTPS_PROXY``,
``NO_PROXY``, ``SSL_CERT_FILE`` and so on), as by most programs.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx
import orjson

from ports.errors import InvalidInput, StorageUnavailable

PAUSES = (0.1, 0.4)
"""Seconds before the first and the second repetition, unless the server says how long to wait."""
LONGEST_PAUSE = 10.0
"""A server that wants a longer one counts as away."""
CONNECT_SECONDS = 3.0
IDLE_CONNECTIONS = 4
MAX_ANSWER = 64 * 2**20
"""Bytes. 32 vectors of 4,096 numbers take about 3 MB."""

_REFUSALS = frozenset({400, 413, 422})
_MAX_REASON = 300


class RequestRefused(Exception):
    """The server understood the request and does not accept what is in it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"HTTP {status}: {reason}")


class _Busy(Exception):
    """No answer that counts; a repetition may succeed. ``pause`` are the seconds that the server asks for."""

    def __init__(self, problem: str, pause: float | None = None) -> None:
        super().__init__(problem)
        self.pause = pause


class ModelServer:
    """A connection pool to one server."""

    def __init__(self, url: str, api_key: str | None, settings: str) -> None:
        """``url`` is the base, such as ``http://localhost:11434/v1``; ``settings`` is the prefix of the environment
        variables that the messages name, such as ``EMBEDDING``.

        Raises:
            InvalidInput: no usable URL or key.
        """
        self._settings = settings
        self._url = self._checked_url(url)
        self._key = self._checked_key(api_key)
        self.name = str(self._url.copy_with(username=None, password=None, query=None))
        """The URL as it may be shown."""
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            # Without TLS a context that trusts nobody, and is not asked: to read the certificates takes 60 ms.
            verify=True if self._url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            # Each call has a time of its own, which covers its repetitions too.
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            # The pool may lose the place of a request that is cancelled; without a limit, places do not run out.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS),
        )
        self._running: set[asyncio.Task[bytes]] = set()
        self._closed = False

    async def post(self, path: str, body: bytes, deadline: float) -> bytes:
        """The body of the answer to this JSON. Repeats at most twice what a busy or restarting server did not answer.

        Args:
            path: below the base URL.
            body: JSON.
            deadline: until when, in the time of the event loop.

        Raises:
            RequestRefused: the server does not accept the content of the request.
            StorageUnavailable: it cannot be reached, is too slow or too busy, or does not know the key or the model.
        """
        if self._closed:
            raise self._closing()
        task = asyncio.ensure_future(self._attempts(path, body, deadline))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await self._outcome(task)

    async def aclose(self) -> None:
        """Break off what is running and close the connections."""
        self._closed = True
        for task in tuple(self._running):
            task.cancel()
        await self._client.aclose()

    async def _outcome(self, task: asyncio.Task[bytes]) -> bytes:
        try:
            return await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self._closed and not (caller and caller.cancelling()):
                raise self._closing() from None
            raise

    async def _attempts(self, path: str, body: bytes, deadline: float) -> bytes:
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        try:
            async with asyncio.timeout_at(deadline):
                for pause in (*PAUSES, None):
                    try:
                        return await self._attempt(path, body)
                    except _Busy as busy:
                        wanted = pause if busy.pause is None else busy.pause
                        if pause is None or wanted is None or clock() + wanted > deadline or wanted > LONGEST_PAUSE:
                            hint = "" if busy.pause is None else f" and asks to wait for {busy.pause:g} s"
                            raise StorageUnavailable(f"{self.name} {busy}{hint}") from busy
                        await asyncio.sleep(wanted)
        except TimeoutError as error:
            seconds = clock() - asked_at
            raise StorageUnavailable(f"{self.name} did not answer within {seconds:.1f} s") from error
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, path: str, body: bytes) -> bytes:
        # The answer is a few hundred kilobytes of digits from a server that is near; packing them costs more than it
        # saves, and a few bytes must not unfold to gigabytes.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        url = self._url.copy_with(path=f"{self._url.path.rstrip('/')}/{path}")
        try:
            async with self._client.stream("POST", url, content=body, headers=headers) as response:
                content = await self._content(response)
        except httpx.ConnectTimeout as error:
            raise StorageUnavailable(self._away(f"no connection within {CONNECT_SECONDS:g} s")) from error
        except httpx.ConnectError as error:
            raise _Busy(f"cannot be reached ({error}); check {self._settings}_URL and that the server runs") from error
        except httpx.RequestError as error:
            raise _Busy(f"broke the connection off ({type(error).__name__})") from error
        if response.status_code == httpx.codes.OK:
            return content
        raise self._refusal(response, content)

    async def _content(self, response: httpx.Response) -> bytes:
        parts = bytearray()
        async for part in response.aiter_raw():
            parts += part
            if len(parts) > MAX_ANSWER:
                raise StorageUnavailable(self._away(f"its answer is longer than {MAX_ANSWER // 2**20} MiB"))
        return bytes(parts)

    def _refusal(self, response: httpx.Response, content: bytes) -> Exception:
        status = response.status_code
        reason = self._reason(content)
        if status in (401, 403):
            # Some servers repeat the key that they were given, so their words are left out.
            return StorageUnavailable(f"{self.name} refuses the key (HTTP {status}); check {self._settings}_API_KEY")
        if status == 404:
            return StorageUnavailable(
                f"{self.name} knows no such model or path (HTTP 404: {reason}); check {self._settings}_MODEL, and that "
                f"{self._settings}_URL is the base of the API, which ends in /v1 on most servers"
            )
        if status in _REFUSALS:
            return RequestRefused(status, reason)
        if status in (408, 425, 429) or status >= 500:
            return _Busy(f"answers HTTP {status}: {reason}", _retry_after(response))
        return StorageUnavailable(self._away(f"it answers HTTP {status}: {reason}"))

    def _reason(self, content: bytes) -> str:
        """What the server says, made short."""
        try:
            said: Any = orjson.loads(content)
        except orjson.JSONDecodeError:
            said = content[: 4 * _MAX_REASON].decode(errors="replace")
        for name in ("error", "message", "detail"):
            if isinstance(said, dict) and name in said:
                said = said[name]
        text = " ".join(str(said).split())
        if self._key:
            text = text.replace(self._key, "***")
        return text[:_MAX_REASON] or "no reason given"

    def _away(self, problem: str) -> str:
        return f"{self.name} is no usable model server: {problem}; check {self._settings}_URL"

    def _closing(self) -> StorageUnavailable:
        return StorageUnavailable(f"the connection to {self.name} is closed")

    def _checked_url(self, url: str) -> httpx.URL:
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise InvalidInput(f"{self._settings}_URL is not a URL: {error}") from error
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise InvalidInput(f"{self._settings}_URL must look like http://localhost:11434/v1")
        return parsed

    def _checked_key(self, api_key: str | None) -> str | None:
        # Files with secrets tend to end in a line break.
        key = (api_key or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise InvalidInput(f"{self._settings}_API_KEY has characters that an HTTP header cannot carry")
        return key or None


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds that the server asks to wait for. A date, which model servers do not send, counts as nothing."""
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
