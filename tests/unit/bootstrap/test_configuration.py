"""Configuration: where values come from, and what an operator reads when they cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.configuration import VARIABLES, ConfigurationError, load_configuration
from bootstrap.main import main

# Each row: the environment, the variable that the message has to name, and what it has to say.
BROKEN: list[tuple[dict[str, str], str, str]] = [
    ({"FAULTMAVEN_PROFILE": "prod"}, "FAULTMAVEN_PROFILE", "development, singlenode, production"),
    ({"CASE_STORAGE_TYPE": "mysql"}, "CASE_STORAGE_TYPE", "'mysql' (from environment)"),
    ({"CASE_STORAGE_TYPE": "postgresql"}, "CASE_STORAGE_TYPE", "accepted: inmemory, sqlite, postgres"),
    ({"USER_STORAGE_TYPE": "sqllite"}, "USER_STORAGE_TYPE", "accepted: inmemory, sqlite, postgres"),
    ({"SESSION_STORAGE_TYPE": "memcached"}, "SESSION_STORAGE_TYPE", "accepted: inmemory, file, sqlite, redis"),
    ({"VECTOR_STORAGE_TYPE": "faiss"}, "VECTOR_STORAGE_TYPE", "accepted: inmemory, chromadb, pgvector"),
    ({"CASES_DB_URL": "mysql://host/db"}, "CASES_DB_URL", "postgresql://user:password@host:5432/database"),
    ({"USERS_DB_URL": "host"}, "USERS_DB_URL", "postgresql://user:password@host:5432/database"),
    ({"VECTORS_DB_URL": "postgres://"}, "VECTORS_DB_URL", "postgresql://user:password@host:5432/database"),
    ({"CASES_DB_URL": "postgresql://h/d", "CASES_DB_PORT": "1"}, "CASES_DB_URL", "CASES_DB_PORT would not count"),
    ({"USERS_DB_URL": "postgresql://h/d", "USERS_DB_USER": "u"}, "USERS_DB_URL", "USERS_DB_USER would not count"),
    ({"CASES_DB_PORT": "70000"}, "CASES_DB_PORT", "a whole number from 1 to 65535"),
    ({"DB_POOL_SIZE": "0"}, "DB_POOL_SIZE", "a whole number from 1 to 1000"),
    ({"DB_MAX_OVERFLOW": "-1"}, "DB_MAX_OVERFLOW", "a whole number from 0 to 1000"),
    ({"DB_STATEMENT_TIMEOUT": "30s"}, "DB_STATEMENT_TIMEOUT", "a whole number from 1 to 600"),
    ({"DB_PGBOUNCER": "2"}, "DB_PGBOUNCER", "true or false"),
    ({"REDIS_URL": "http://redis"}, "REDIS_URL", "rediss:// for TLS"),
    ({"REDIS_URL": "redis://redis", "REDIS_HOST": "redis"}, "REDIS_URL", "REDIS_HOST would not count"),
    ({"REDIS_PORT": "redis"}, "REDIS_PORT", "a whole number from 1 to 65535"),
    ({"REDIS_DB": "-1"}, "REDIS_DB", "a whole number from 0 to"),
    ({"REDIS_MAX_CONNECTIONS": "0"}, "REDIS_MAX_CONNECTIONS", "a whole number from 1 to 10000"),
    ({"CHROMADB_URL": "chroma:8000"}, "CHROMADB_URL", "http:// or https://"),
    ({"EMBEDDING_DEVICE": "gpu"}, "EMBEDDING_DEVICE", "auto, cpu, cuda"),
    ({"EMBEDDING_URL": "localhost:11434"}, "EMBEDDING_URL", "http:// or https://"),
    ({"EMBEDDING_UNRELATED": "1"}, "EMBEDDING_UNRELATED", "a number from 0 to 0.95"),
    ({"EMBEDDING_BATCH_SIZE": "0"}, "EMBEDDING_BATCH_SIZE", "a whole number from 1 to 2048"),
    ({"FAULTMAVEN_WORKERS": "0"}, "FAULTMAVEN_WORKERS", "a whole number from 1 to 64"),
    ({"FAULTMAVEN_WORKERS": "2"}, "FAULTMAVEN_WORKERS", "CASE_STORAGE_TYPE=sqlite, USER_STORAGE_TYPE=sqlite"),
    (
        {"FAULTMAVEN_WORKERS": "2", "FAULTMAVEN_PROFILE": "production", "VECTOR_STORAGE_TYPE": "inmemory"},
        "FAULTMAVEN_WORKERS",
        "(VECTOR_STORAGE_TYPE=inmemory)",
    ),
    ({"CHROMADB_COLLECTION": "no"}, "CHROMADB_COLLECTION", "text of the form"),
    ({"BLOB_STORAGE_TYPE": "s3"}, "BLOB_STORAGE_TYPE", "accepted: inmemory, file"),
    ({"EMBEDDING_TYPE": "bert"}, "EMBEDDING_TYPE", "accepted: hashing, onnx, bge_m3, openai"),
    ({"LANGUAGE_MODEL_TYPE": "gpt"}, "LANGUAGE_MODEL_TYPE", "accepted: playbook"),
    ({"SQLITE_SYNCHRONOUS": "OFF"}, "SQLITE_SYNCHRONOUS", "accepted: FULL, NORMAL"),
    ({"REDIS_TTL_SESSIONS": "0"}, "REDIS_TTL_SESSIONS", "a whole number from 1 to"),
    ({"REDIS_TTL_SESSIONS": "30 days"}, "REDIS_TTL_SESSIONS", "'30 days'"),
    ({"REDIS_TTL_INVESTIGATION": "-1"}, "REDIS_TTL_INVESTIGATION", "a whole number from 1 to"),
    ({"REDIS_TTL_CACHE": "1e9999"}, "REDIS_TTL_CACHE", "a whole number from 1 to"),
    ({"FAULTMAVEN_PORT": "0"}, "FAULTMAVEN_PORT", "a whole number from 1 to 65535"),
    ({"FAULTMAVEN_PORT": "eighty"}, "FAULTMAVEN_PORT", "'eighty'"),
    ({"FAULTMAVEN_PROT": "8000"}, "FAULTMAVEN_PROT", "did you mean FAULTMAVEN_PORT?"),
    ({"FAULTMAVEN_COLOUR": "red"}, "FAULTMAVEN_COLOUR", "is no setting"),
    ({"CASE_STORAGE_TYP": "sqlite"}, "CASE_STORAGE_TYP", "did you mean CASE_STORAGE_TYPE?"),
    ({"SHUTDOWN_TIMEOUT": "60"}, "SHUTDOWN_TIMEOUT", "a whole number from 1 to 9"),
    ({"LOG_LEVEL": "verbose"}, "LOG_LEVEL", "DEBUG, INFO, WARNING, ERROR"),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT", "auto, json, text"),
    ({"CORS_ALLOWED_ORIGINS": "*"}, "CORS_ALLOWED_ORIGINS", "* is not accepted"),
    ({"CORS_ANY_EXTENSION": "true", "FAULTMAVEN_HOST": "0.0.0.0"}, "CORS_ANY_EXTENSION", "CORS_EXTENSION_IDS"),
    ({"AUTH_DEV_LOGIN": "maybe"}, "AUTH_DEV_LOGIN", "true or false"),
    ({"AUTH_DEV_LOGIN": "true", "FAULTMAVEN_HOST": "10.0.0.5"}, "AUTH_DEV_LOGIN", "FAULTMAVEN_HOST is 10.0.0.5"),
    ({"AUTH_ACCESS_TOKEN_TTL": "60"}, "AUTH_ACCESS_TOKEN_TTL", "a whole number from 301 to 86400"),
    ({"AUTH_ACCESS_TOKEN_TTL": "7200", "AUTH_REFRESH_TOKEN_TTL": "3600"}, "AUTH_REFRESH_TOKEN_TTL", "longer than"),
    ({"MAX_FILE_BYTES": "1"}, "MAX_FILE_BYTES", "a whole number from 1024 to 104857600"),
    ({"RATE_LIMIT_PER_MINUTE": "many"}, "RATE_LIMIT_PER_MINUTE", "a whole number from 10 to"),
    ({"TURN_TIMEOUT": "600"}, "TURN_TIMEOUT", "a whole number from 5 to 280"),
    ({"CASE_RETENTION_DAYS": "-5"}, "CASE_RETENTION_DAYS", "a whole number from 0 to"),
]


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without any setting, in an empty folder."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("environment", "variable", "says"), BROKEN, ids=[" ".join(map("=".join, row[0].items())) for row in BROKEN]
)
def test_broken_configuration_names_variable_value_and_accepted_values(
    environment: dict[str, str],
    variable: str,
    says: str,
    bare_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["faultmaven", "config", "check"])
    with pytest.raises(SystemExit) as stopped:
        main()
    printed = capsys.readouterr()
    assert stopped.value.code == 78
    lines = [line for line in printed.err.splitlines() if line.startswith(f"  {variable}: ")]
    assert len(lines) == 1
    assert says in lines[0]
    assert "Traceback" not in printed.err + printed.out


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_configuration({"FAULTMAVEN_PORT": "0", "LOG_LEVEL": "x", "FAULTMAVEN_NONSENSE": "1"}, tmp_path)
    assert [problem.variable for problem in refused.value.problems] == [
        "FAULTMAVEN_NONSENSE",
        "FAULTMAVEN_PORT",
        "LOG_LEVEL",
    ]


def test_secret_values_are_never_shown(tmp_path: Path) -> None:
    configuration = load_configuration({"AUTH_INITIAL_ADMIN_PASSWORD": "correct horse"}, tmp_path)
    shown = {name: value for name, value, _ in configuration.rows()}
    assert shown["AUTH_INITIAL_ADMIN_PASSWORD"] == "******"
    assert "correct horse" not in repr(configuration.settings)


@pytest.mark.parametrize(
    ("variable", "address", "shown"),
    [
        ("CASES_DB_URL", "postgresql://me:sesame@db/cases", "postgresql://me:******@db/cases"),
        ("USERS_DB_URL", "postgresql://me:sesame:%40@db:1/users", "postgresql://me:******@db:1/users"),
        ("VECTORS_DB_URL", "postgresql://db/vectors", "postgresql://db/vectors"),
        ("REDIS_URL", "rediss://:sesame@cache:6379/0", "rediss://:******@cache:6379/0"),
    ],
)
def test_passwords_in_addresses_are_never_shown(variable: str, address: str, shown: str, tmp_path: Path) -> None:
    configuration = load_configuration({variable: address}, tmp_path)
    assert {name: value for name, value, _ in configuration.rows()}[variable] == shown
    assert "sesame" not in repr(configuration.settings)
    with pytest.raises(ConfigurationError) as refused:
        load_configuration({variable: f"ftp{address}"}, tmp_path)
    assert "sesame" not in str(refused.value)


def test_addresses_are_made_of_their_parts(tmp_path: Path) -> None:
    given = {
        "CASES_DB_HOST": "fd00::1",
        "CASES_DB_PASSWORD": "p@ss/w:rd",
        "USERS_DB_HOST": "db",
        "USERS_DB_PORT": "30432",
        "REDIS_HOST": "cache",
        "REDIS_DB": "3",
    }
    settings = load_configuration(given, tmp_path).settings
    assert settings.cases_dsn == "postgresql://case_service:p%40ss%2Fw%3Ard@[fd00::1]:5432/cases_db"
    assert settings.users_dsn == "postgresql://user_service@db:30432/users_db"
    assert settings.vectors_dsn == settings.cases_dsn
    assert settings.redis_address == "redis://cache:6379/3"
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 0.0),
        ({"EMBEDDING_TYPE": "bge_m3"}, 0.25),
        ({"EMBEDDING_TYPE": "bge_m3", "EMBEDDING_MODEL": "/models/e5"}, 0.0),
        ({"EMBEDDING_TYPE": "openai", "EMBEDDING_MODEL": "bge-m3:latest"}, 0.25),
        ({"EMBEDDING_TYPE": "onnx", "EMBEDDING_UNRELATED": "0.1"}, 0.1),
    ],
)
def test_what_counts_as_unrelated_depends_on_the_model(given: dict[str, str], expected: float, tmp_path: Path) -> None:
    assert load_configuration(given, tmp_path).settings.unrelated == expected


def test_environment_wins_over_file_over_profile_over_default(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FAULTMAVEN_PROFILE=development\nFAULTMAVEN_PORT=9001\nLOG_LEVEL=DEBUG\n")
    configuration = load_configuration({"FAULTMAVEN_PORT": "9002"}, tmp_path)
    rows = {name: (value, origin) for name, value, origin in configuration.rows()}
    assert rows["FAULTMAVEN_PORT"] == ("9002", "environment")
    assert rows["LOG_LEVEL"] == ("DEBUG", ".env")
    assert rows["CASE_STORAGE_TYPE"] == ("inmemory", "profile development")
    assert rows["TURN_TIMEOUT"] == ("120", "default")


def test_empty_value_means_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\n")
    assert load_configuration({"LOG_LEVEL": ""}, tmp_path).settings.log_level == "INFO"


def test_variable_without_value_in_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL\n")
    with pytest.raises(ConfigurationError, match=r"LOG_LEVEL: has no value in \.env"):
        load_configuration({}, tmp_path)


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"\.env: the file .* cannot be read"):
        load_configuration({}, tmp_path)


def test_lists_are_separated_by_commas(tmp_path: Path) -> None:
    settings = load_configuration({"CORS_ALLOWED_ORIGINS": "https://a.example, https://b.example,"}, tmp_path).settings
    assert settings.cors_allowed_origins == ("https://a.example", "https://b.example")


def test_paths_default_to_the_data_folder(tmp_path: Path) -> None:
    settings = load_configuration({"FAULTMAVEN_DATA_DIR": str(tmp_path)}, tmp_path).settings
    assert settings.sqlite_file == tmp_path / "faultmaven.db"
    assert settings.session_folder == tmp_path / "sessions"
    assert settings.blob_folder == tmp_path / "files"
    assert settings.chroma_folder == tmp_path / "chroma"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_dev_login_is_accepted_on_loopback(host: str, tmp_path: Path) -> None:
    assert load_configuration({"AUTH_DEV_LOGIN": "true", "FAULTMAVEN_HOST": host}, tmp_path).settings.auth_dev_login


def test_importing_bootstrap_loads_no_driver() -> None:
    """Only what was chosen is paid for."""
    program = (
        "import sys, bootstrap, bootstrap.main\n"
        "print([name for name in ('chromadb', 'onnxruntime', 'asyncpg', 'redis', 'sqlalchemy', 'fastapi') "
        "if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert printed.stdout.strip() == "[]"
