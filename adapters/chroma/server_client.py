"""Requests to a Chroma server (REST API v2), and what its answers and failures mean.

The client of the package chromadb is not used: its instances share one connection pool and the headers of the first,
check no certificates unless told to, wait for ever, and take a second to import.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import orjson

from adapters.chroma.server_connections import Connections
from adapters.chroma.server_options import ChromaServerOptions
from domain.errors import InvalidInput
from ports.errors import OutcomeUnknown, PortError, StorageFull, StorageUnavailable
from ports.vectors import EmbeddingSpace

CONNECTIONS = 20
GRACE_SECONDS = 0.5
"""How much longer than each of its steps a request may take altogether."""
INLINE_BYTES = 250_000
"""Up to so much is decoded at once, in a millisecond or two; what is longer in a thread."""
INDEX = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200, "sync_threshold": 100}
"""With the threshold of Chroma's own, 1,000, the first write after the first question takes up to 12 seconds."""

T = TypeVar("T")


class ChromaServerClient:
    """One collection of a server. Each client has connections, headers and certificates of its own."""

    def __init__(self, options: ChromaServerOptions, space: EmbeddingSpace, tls: ssl.SSLContext) -> None:
        """Connects with the first request."""
        self._options = options
        self._space = space
        self._collection: str | None = None
        self._resolving = asyncio.Lock()
        self._closed = False
        base = f"{options.url.rstrip('/')}/api/v2/tenants/{quote(options.tenant, '')}/databases"
        self._base = f"{base}/{quote(options.database, '')}/collections"
        key = options.api_key
        self._headers = {"Accept": "application/json", "User-Agent": "faultmaven"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._extensions = {"timeout": httpx.Timeout(options.seconds).as_dict()}
        # Below the client of httpx, which looks for cookies, passwords, proxies and redirections: nothing may carry the
        # key elsewhere, and to look takes an eighth of the processor time of a question.
        self._connections = Connections(CONNECTIONS, options.seconds, lambda: httpx.AsyncHTTPTransport(verify=tls))

    def check_open(self) -> None:
        """Refuse to work after `aclose`.

        Raises:
            StorageUnavailable: it was called.
        """
        if self._closed:
            raise StorageUnavailable("the vector store is closed")

    async def resolve(self) -> str:
        """The id of the collection, which is made if it does not exist.

        Raises:
            InvalidInput: it belongs to another embedding space, or the server does not accept its name.
            PortError: the server does not answer.
        """
        if self._collection is None:
            async with self._resolving:
                if self._collection is None:
                    self._collection = await self._get_or_create()
        return self._collection

    async def read(
        self, operation: str, body: Mapping[str, Any] | None = None, decode: Callable[[bytes], T] = orjson.loads
    ) -> T:
        """The answer to a question about the collection; ``decode`` may run in a thread."""
        # A vector as the shortest digits that mean the same 32 bits is half as long.
        question = None if body is None else orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        content = await self._call(operation, question, writes=False)
        return decode(content) if len(content) <= INLINE_BYTES else await asyncio.to_thread(decode, content)

    async def write(self, operation: str, body: bytes) -> None:
        """Do something to the collection that may be done twice.

        Whoever cancels this waits for the answer all the same: what is on its way cannot be called back, and would
        otherwise arrive after a later write.

        Raises:
            OutcomeUnknown: there was no answer.
            PortError: nothing was written.
        """
        writing = asyncio.ensure_future(self._call(operation, body, writes=True))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            # Nobody is left to be told how it ended.
            if not writing.cancelled():
                writing.exception()
            raise

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        await self._connections.aclose()

    async def stored_space(self) -> EmbeddingSpace | None:
        """The space that the collection has been made for; None if there is none, or it does not say.

        Raises:
            PortError: the server does not answer.
        """
        answer = await self._send("GET", f"{self._base}/{self._options.collection}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        metadata = self._object(answer, writes=False).get("metadata") or {}
        if "model_id" not in metadata or "dimension" not in metadata:
            return None
        return EmbeddingSpace(metadata["model_id"], metadata["dimension"])

    async def _get_or_create(self) -> str:
        name, space = self._options.collection, self._space
        answer = await self._send("GET", f"{self._base}/{name}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            wanted = {
                "name": name,
                "metadata": {"model_id": space.model_id, "dimension": space.dimension},
                "configuration": {"hnsw": INDEX},
                # Another process may make it at the same time.
                "get_or_create": True,
            }
            answer = await self._send("POST", self._base, orjson.dumps(wanted), writes=True)
            if answer.status_code in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):
                raise InvalidInput(
                    f"the Chroma server at {self._options.url} (CHROMADB_URL) does not make a collection {name!r}: "
                    f"it has no database {self._options.database!r} of a tenant {self._options.tenant!r}"
                )
        found = self._object(answer, writes=False)
        metadata = found.get("metadata") or {}
        metric = ((found.get("configuration_json") or {}).get("hnsw") or {}).get("space")
        known = (metadata.get("model_id"), metadata.get("dimension"))
        if known != (space.model_id, space.dimension):
            raise InvalidInput(
                f"the collection {name!r} holds vectors of {known[0]} with {known[1]} dimensions, but the chosen "
                f"embedder is {space.model_id} with {space.dimension}. Choose the one that filled it, "
                "or name another collection (CHROMADB_COLLECTION) and run `faultmaven knowledge reindex`."
            )
        if metric != space.metric:
            raise InvalidInput(
                f"the collection {name!r} compares vectors by {metric}, not by {space.metric}; name another collection "
                "(CHROMADB_COLLECTION) and run `faultmaven knowledge reindex`"
            )
        return str(found["id"])

    async def _call(self, operation: str, content: bytes | None, *, writes: bool) -> bytes:
        collection = await self.resolve()
        method = "GET" if content is None else "POST"
        url = _parsed(f"{self._base}/{collection}/{operation}")
        answer = await self._send(method, url, content, writes=writes)
        if answer.status_code == httpx.codes.NOT_FOUND:
            # Made again by the next call, like one that was never there.
            self._collection = None
            raise StorageUnavailable(
                f"the collection {self._options.collection!r} (CHROMADB_COLLECTION) was removed from the Chroma "
                "server; run `faultmaven knowledge reindex`"
            )
        self._check(answer, writes=writes)
        return answer.content

    async def _send(
        self, method: str, url: str | httpx.URL, content: bytes | None = None, *, writes: bool = False
    ) -> httpx.Response:
        """The answer, whatever it says.

        Whatever is sent may be sent twice, so a connection that breaks is replaced once: a server that was away has
        closed those of before.
        """
        headers = self._headers if content is None else {**self._headers, "Content-Type": "application/json"}
        request = httpx.Request(method, url, headers=headers, content=content, extensions=self._extensions)
        sent = False
        while True:
            self.check_open()
            try:
                async with asyncio.timeout(self._options.seconds + GRACE_SECONDS):
                    return await self._connections.send(request)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                raise self._no_answer(error, unknown=writes and sent) from error
            except (httpx.TimeoutException, TimeoutError) as error:
                raise self._no_answer(error, unknown=writes) from error
            except httpx.TransportError as error:
                if sent:
                    raise self._no_answer(error, unknown=writes) from error
                sent = True

    def _no_answer(self, error: Exception, *, unknown: bool) -> PortError:
        where = f"the Chroma server at {self._options.url} (CHROMADB_URL)"
        if _is_caused_by(error, ssl.SSLCertVerificationError):
            return StorageUnavailable(f"{where} shows a certificate that is not trusted")
        if isinstance(error, httpx.PoolTimeout):
            return StorageUnavailable(f"{where} has more to do than it can answer; {CONNECTIONS} requests are waiting")
        if isinstance(error, httpx.TimeoutException | TimeoutError):
            reason = f"did not answer within {self._options.seconds:g} s"
        else:
            reason = "cannot be reached" if isinstance(error, httpx.ConnectError) else "broke off the connection"
        if unknown:
            return OutcomeUnknown(f"{where} {reason} during a write; repeat it")
        return StorageUnavailable(f"{where} {reason}")

    def _check(self, answer: httpx.Response, *, writes: bool) -> None:
        """Refuse an answer that is none."""
        status = answer.status_code
        if status == httpx.codes.OK:
            return
        where = f"the Chroma server at {self._options.url} (CHROMADB_URL)"
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise StorageUnavailable(f"{where} refused the key (CHROMADB_API_KEY): status {status}")
        if status == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            raise InvalidInput(f"{where} does not take so much at once: status {status}")
        if status == httpx.codes.INSUFFICIENT_STORAGE:
            raise StorageFull(f"{where} has no space left")
        if writes and status in (
            httpx.codes.INTERNAL_SERVER_ERROR,
            httpx.codes.BAD_GATEWAY,
            httpx.codes.GATEWAY_TIMEOUT,
        ):
            raise OutcomeUnknown(f"{where} failed during a write: status {status}; repeat it")
        raise StorageUnavailable(f"{where} answered with status {status}; is that the address of a Chroma server?")

    def _object(self, answer: httpx.Response, *, writes: bool) -> dict[str, Any]:
        self._check(answer, writes=writes)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or "id" not in found:
            raise StorageUnavailable(
                f"what answers at {self._options.url} (CHROMADB_URL) is not a Chroma server with API version 2"
            )
        return found


@lru_cache
def _parsed(url: str) -> httpx.URL:
    """An address that is used again and again: to take it apart takes 0.1 ms."""
    return httpx.URL(url)


def _is_caused_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
