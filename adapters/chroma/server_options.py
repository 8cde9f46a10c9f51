"""Where the Chroma server is and how it is spoken to."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from domain.errors import InvalidInput

COLLECTION_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
LONGEST_SECONDS = 600.0
LARGEST_BATCH = 1000


@dataclass(frozen=True, slots=True)
class ChromaServerOptions:
    """How to reach one collection of a server.

    Chroma knows no keys. ``api_key`` is for a reverse proxy in front of it, and sent as ``Authorization: Bearer``.
    """

    url: str
    """``http`` or ``https``; a path is put in front of Chroma's own."""
    collection: str
    api_key: str | None = field(default=None, repr=False)
    tenant: str = "default_tenant"
    database: str = "default_database"
    seconds: float = 4.0
    """How long the answer to one request is waited for."""
    verify_tls: bool = True
    ca_file: Path | None = None
    """Certificates that are trusted instead of those of the system (PEM)."""
    batch: int = 100
    """Records that are written by one request."""

    def __post_init__(self) -> None:
        """Refuse what can never work.

        Raises:
            InvalidInput: the message names the setting, and never shows the key.
        """
        _check_url(self.url)
        if not COLLECTION_NAME.fullmatch(self.collection):
            raise InvalidInput(
                f"CHROMADB_COLLECTION is {self.collection!r}; accepted: 3 to 512 characters of a-z, A-Z, 0-9, '.', '_' "
                "and '-', beginning and ending with a letter or digit"
            )
        if self.api_key is not None and not (self.api_key and all("!" <= sign <= "~" for sign in self.api_key)):
            raise InvalidInput("CHROMADB_API_KEY is empty or has a character that a header cannot carry")
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise InvalidInput(f"the time limit of Chroma is {self.seconds} s; accepted: up to {LONGEST_SECONDS:g}")
        if not 1 <= self.batch <= LARGEST_BATCH:
            raise InvalidInput(f"a batch for Chroma is {self.batch} records; accepted: 1 to {LARGEST_BATCH}")

    @property
    def location(self) -> str:
        """The address of the collection, the same however the URL is written."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 80)
        place = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
        return f"chromadb:{place}/{quote(self.tenant, '')}/{quote(self.database, '')}#{self.collection}"

    def tls_context(self) -> ssl.SSLContext:
        """What certificates are checked with. Reads those that are trusted, if need be, which takes 20 ms or more.

        Raises:
            InvalidInput: ``ca_file`` cannot be read.
        """
        if urlsplit(self.url).scheme == "http":
            # Trusts nobody, and is not asked.
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            # An error in the content is an OSError too, without a text of the system.
            reason = error.strerror or "it holds no certificate"
            raise InvalidInput(f"the CA file {self.ca_file} of the Chroma server cannot be used: {reason}") from error
        if not self.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise InvalidInput("CHROMADB_URL holds a name or password, which would show in messages; use CHROMADB_API_KEY")
    if not usable or parts.query or parts.fragment:
        raise InvalidInput(f"CHROMADB_URL is {url!r}; expected: http://host:port or https://host:port/prefix")
