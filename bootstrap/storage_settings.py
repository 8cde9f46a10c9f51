"""The settings of the adapters: which one each port uses, and where its backend is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field, SecretStr

from bootstrap.setting_types import DatabaseUrl, HttpUrl, LocalPath, Name, Port, RedisUrl, Seconds, accepts

BGE_M3_UNRELATED = 0.25
"""From published cosines of BGE-M3: 0.30 to 0.40 between texts of different subjects (its model card has 0.35), 0.48 to
0.72 for answers. With the mean of the former some published answers would no longer count as fitting.
"""


class StoreChoices(BaseModel):
    """Which adapter each port uses, one by one or by a profile."""

    faultmaven_profile: Annotated[
        Literal["development", "singlenode", "production"], Field(description="Set of defaults to start from.")
    ] = "singlenode"
    case_storage_type: Annotated[
        Literal["inmemory", "sqlite", "postgres"], Field(description="Where cases and knowledge documents are kept.")
    ] = "sqlite"
    user_storage_type: Annotated[
        Literal["inmemory", "sqlite", "postgres"], Field(description="Where users are kept.")
    ] = "sqlite"
    session_storage_type: Annotated[
        Literal["inmemory", "file", "sqlite", "redis"],
        Field(description="Where sessions, tokens, counters and caches are kept."),
    ] = "file"
    vector_storage_type: Annotated[
        Literal["inmemory", "chromadb", "pgvector"],
        Field(
            description="Where the vectors of the knowledge are kept; chromadb is a server if CHROMADB_URL is set, "
            "else a folder of this machine."
        ),
    ] = "chromadb"
    blob_storage_type: Annotated[
        Literal["inmemory", "file"],
        Field(description="Where uploaded files are kept. Several machines share a folder (BLOB_FILE_PATH)."),
    ] = "file"
    embedding_type: Annotated[
        Literal["hashing", "onnx", "bge_m3", "openai"],
        Field(
            description="How texts become vectors: by their words (hashing); by meaning with MiniLM (onnx), with "
            "BGE-M3 or another model of sentence-transformers (bge_m3, needs the extra bge), or by a server that "
            "speaks the protocol of OpenAI (openai)."
        ),
    ] = "onnx"
    language_model_type: Annotated[
        Literal["playbook"], Field(description="What leads an investigation: rules and the knowledge, without a model.")
    ] = "playbook"


class LocalStores(BaseModel):
    """Files of this machine."""

    faultmaven_data_dir: Annotated[
        LocalPath, Field(description="Folder for everything that is kept on this machine.", validate_default=True)
    ] = Path("data")
    sqlite_db_path: Annotated[
        LocalPath | None, Field(description="Database file; by default faultmaven.db in the data folder.")
    ] = None
    sqlite_synchronous: Annotated[
        Literal["FULL", "NORMAL"],
        Field(description="FULL keeps each acknowledged write through a power loss; NORMAL may lose the last ones."),
    ] = "FULL"
    session_file_path: Annotated[
        LocalPath | None, Field(description="Folder of the sessions; by default sessions in the data folder.")
    ] = None
    session_sqlite_path: Annotated[
        LocalPath | None,
        Field(
            description="File of the sessions if they are kept in SQLite; by default sessions.db in the data folder."
        ),
    ] = None
    blob_file_path: Annotated[
        LocalPath | None, Field(description="Folder of the uploaded files; by default files in the data folder.")
    ] = None

    @property
    def sqlite_file(self) -> Path:
        """The database file."""
        return self.sqlite_db_path or self.faultmaven_data_dir / "faultmaven.db"

    @property
    def session_folder(self) -> Path:
        """The folder of the file session store."""
        return self.session_file_path or self.faultmaven_data_dir / "sessions"

    @property
    def session_database(self) -> Path:
        """The file of the SQLite session store."""
        return self.session_sqlite_path or self.faultmaven_data_dir / "sessions.db"

    @property
    def blob_folder(self) -> Path:
        """The folder of the file blob store."""
        return self.blob_file_path or self.faultmaven_data_dir / "files"


class Databases(BaseModel):
    """PostgreSQL: one database for cases and documents, one for users, one for vectors; all may be the same."""

    cases_db_url: Annotated[
        DatabaseUrl | None,
        Field(repr=False, description="PostgreSQL database of cases, instead of the five settings below."),
    ] = None
    cases_db_host: Annotated[Name, Field(description="Its host, a name or an address.")] = "localhost"
    cases_db_port: Annotated[Port, Field(description="Its port.")] = 5432
    cases_db_name: Annotated[Name, Field(description="Its name.")] = "cases_db"
    cases_db_user: Annotated[Name, Field(description="The role that signs in.")] = "case_service"
    cases_db_password: Annotated[SecretStr | None, Field(description="The password of the role.")] = None

    users_db_url: Annotated[
        DatabaseUrl | None,
        Field(repr=False, description="PostgreSQL database of users, instead of the five settings below."),
    ] = None
    users_db_host: Annotated[Name, Field(description="Its host.")] = "localhost"
    users_db_port: Annotated[Port, Field(description="Its port.")] = 5432
    users_db_name: Annotated[Name, Field(description="Its name.")] = "users_db"
    users_db_user: Annotated[Name, Field(description="The role that signs in.")] = "user_service"
    users_db_password: Annotated[SecretStr | None, Field(description="The password of the role.")] = None

    vectors_db_url: Annotated[
        DatabaseUrl | None,
        Field(repr=False, description="PostgreSQL database of vectors (pgvector); without any of these that of cases."),
    ] = None
    vectors_db_host: Annotated[Name, Field(description="Its host.")] = "localhost"
    vectors_db_port: Annotated[Port, Field(description="Its port.")] = 5432
    vectors_db_name: Annotated[Name, Field(description="Its name.")] = "vectors_db"
    vectors_db_user: Annotated[Name, Field(description="The role that signs in.")] = "vector_service"
    vectors_db_password: Annotated[SecretStr | None, Field(description="The password of the role.")] = None

    db_pool_size: Annotated[
        int, Field(description="Connections to a PostgreSQL database that are kept open.", ge=1, le=1000)
    ] = 10
    db_max_overflow: Annotated[
        int, Field(description="More connections that are opened under load, and closed after it.", ge=0, le=1000)
    ] = 20
    db_statement_timeout: Annotated[
        int, Field(description="Seconds after which PostgreSQL gives up a statement.", ge=1, le=600)
    ] = 30
    db_pgbouncer: Annotated[
        bool,
        Field(description="PgBouncer in transaction mode stands before PostgreSQL: no prepared statements are kept."),
    ] = False

    @property
    def cases_dsn(self) -> str:
        """The address of the database of cases."""
        return self._dsn("cases_db")

    @property
    def users_dsn(self) -> str:
        """The address of the database of users."""
        return self._dsn("users_db")

    @property
    def vectors_dsn(self) -> str:
        """The address of the database of vectors."""
        return self._dsn("vectors_db" if self.has_vectors_db else "cases_db")

    @property
    def has_vectors_db(self) -> bool:
        """True if the vectors have a database of their own."""
        return any(name.startswith("vectors_db_") for name in self.model_fields_set)

    def _dsn(self, prefix: str) -> str:
        parts = (getattr(self, f"{prefix}_{part}") for part in ("url", "host", "port", "name", "user", "password"))
        url, host, port, name, user, password = parts
        return url or _address(host, port, name, user, password)


class RedisSettings(BaseModel):
    """Redis or Valkey, one server or a cluster."""

    redis_url: Annotated[
        RedisUrl | None,
        Field(repr=False, description="Redis, Valkey or a cluster, instead of REDIS_HOST, REDIS_PORT and REDIS_DB."),
    ] = None
    redis_host: Annotated[Name, Field(description="Its host.")] = "localhost"
    redis_port: Annotated[Port, Field(description="Its port.")] = 6379
    redis_password: Annotated[SecretStr | None, Field(description="Its password.")] = None
    redis_db: Annotated[int, Field(description="Its database number.", ge=0, le=1_000_000)] = 0
    redis_max_connections: Annotated[
        int, Field(description="Most connections to Redis, to each server of a cluster.", ge=1, le=10_000)
    ] = 20
    redis_key_prefix: Annotated[Name, Field(description="What all keys begin with, so that others can share it.")] = (
        "faultmaven:"
    )
    redis_ca_file: Annotated[
        LocalPath | None, Field(description="Certificates that vouch for the server; by default those of the system.")
    ] = None
    redis_ttl_sessions: Annotated[
        Seconds, Field(description="Longest life of a session without activity, in every session store.")
    ] = 2_592_000
    redis_ttl_investigation: Annotated[
        Seconds, Field(description="How long the state of a background turn is kept.")
    ] = 604_800
    redis_ttl_cache: Annotated[Seconds, Field(description="How long a temporary cache entry is kept.")] = 3_600

    @property
    def redis_address(self) -> str:
        """The address of the server or cluster."""
        return self.redis_url or f"redis://{_host(self.redis_host)}:{self.redis_port}/{self.redis_db}"


class ChromaSettings(BaseModel):
    """Chroma, a server or embedded."""

    chromadb_url: Annotated[
        HttpUrl | None, Field(description="A Chroma server; without it Chroma runs embedded, in CHROMADB_PATH.")
    ] = None
    chromadb_api_key: Annotated[
        SecretStr | None,
        Field(
            description="Sent as a bearer token. Chroma itself asks for none: it is for a proxy in front of the server."
        ),
    ] = None
    chromadb_ca_file: Annotated[
        LocalPath | None, Field(description="Certificates that vouch for the server; by default those of the system.")
    ] = None
    chromadb_path: Annotated[
        LocalPath | None, Field(description="Folder of the embedded Chroma; by default chroma in the data folder.")
    ] = None
    chromadb_collection: Annotated[
        str,
        Field(
            description="Collection of the knowledge vectors, in pgvector too.",
            pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$",
        ),
    ] = "faultmaven_kb"


class EmbeddingSettings(BaseModel):
    """The model that turns texts into vectors, where it is not the packaged one."""

    embedding_model: Annotated[
        Name,
        Field(
            description="Model of bge_m3 and openai: a name, for bge_m3 also the folder in which the model lies.",
            json_schema_extra=accepts("the name of a model or a folder"),
        ),
    ] = "BAAI/bge-m3"
    embedding_device: Annotated[
        str,
        Field(
            description="Where bge_m3 computes; auto takes a GPU if there is one.",
            pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
            json_schema_extra=accepts("auto, cpu, cuda, cuda:0, cuda:1, ..., mps"),
        ),
    ] = "auto"
    embedding_batch_size: Annotated[
        int | None,
        Field(description="Texts that are embedded at once; by default 8 by bge_m3, 32 by openai.", ge=1, le=2_048),
    ] = None
    embedding_max_length: Annotated[
        int | None,
        Field(description="Tokens that bge_m3 reads of a text; by default as many as it can.", ge=16, le=1_000_000),
    ] = None
    embedding_model_name: Annotated[
        Name | None,
        Field(
            description="What the vectors are said to be made by. Set it where bge_m3 and openai compute the same "
            "model for one collection; by default it follows from the model."
        ),
    ] = None
    embedding_dimensions: Annotated[
        int | None,
        Field(description="Components that openai asks for; by default as many as the model has.", ge=1, le=16_000),
    ] = None
    embedding_url: Annotated[
        HttpUrl, Field(description="Where openai asks, up to and with /v1, e.g. of Ollama or vLLM.")
    ] = "http://localhost:11434/v1"
    embedding_api_key: Annotated[SecretStr | None, Field(description="The key that openai sends.")] = None
    embedding_unrelated: Annotated[
        float | None,
        Field(
            description="Cosine that the model gives to texts which have nothing to do with each other; by default the "
            "one that is known of the model.",
            ge=0,
            le=0.95,
            json_schema_extra=accepts("a number from 0 to 0.95"),
        ),
    ] = None


class StorageSettings(
    EmbeddingSettings, ChromaSettings, RedisSettings, Databases, LocalStores, StoreChoices, frozen=True
):
    """Everything about the adapters."""

    @property
    def has_embedded_chroma(self) -> bool:
        """True if the vectors are in a Chroma of this process alone."""
        return self.vector_storage_type == "chromadb" and self.chromadb_url is None

    @property
    def chroma_folder(self) -> Path:
        """The folder of the embedded Chroma."""
        return self.chromadb_path or self.faultmaven_data_dir / "chroma"

    @property
    def unrelated(self) -> float:
        """The cosine that the embedder gives to texts which have nothing to do with each other."""
        if self.embedding_unrelated is not None:
            return self.embedding_unrelated
        is_bge_m3 = self.embedding_type in ("bge_m3", "openai") and "bge-m3" in self.embedding_model.lower()
        return BGE_M3_UNRELATED if is_bge_m3 else 0.0

    @property
    def single_process(self) -> tuple[str, ...]:
        """The variables whose choice keeps data that one process must have to itself."""
        choices = {
            "CASE_STORAGE_TYPE": self.case_storage_type in ("inmemory", "sqlite"),
            "USER_STORAGE_TYPE": self.user_storage_type in ("inmemory", "sqlite"),
            "SESSION_STORAGE_TYPE": self.session_storage_type in ("inmemory", "file", "sqlite"),
            "VECTOR_STORAGE_TYPE": self.vector_storage_type == "inmemory" or self.has_embedded_chroma,
            "BLOB_STORAGE_TYPE": self.blob_storage_type == "inmemory",
        }
        return tuple(variable for variable, alone in choices.items() if alone)

    @property
    def holds_data_folder(self) -> bool:
        """True if an adapter keeps data in the data folder that one process must have to itself."""
        return any(getattr(self, variable.lower()) != "inmemory" for variable in self.single_process)


def _address(host: str, port: int, name: str, user: str, password: SecretStr | None) -> str:
    secret = f":{quote(password.get_secret_value(), safe='')}" if password else ""
    return f"postgresql://{quote(user, safe='')}{secret}@{_host(host)}:{port}/{quote(name, safe='')}"


def _host(host: str) -> str:
    """An IPv6 address stands in brackets inside of an address."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
