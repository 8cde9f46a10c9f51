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
    ({"FAULTMAVEN_PROFILE": "production"}, "CASE_STORAGE_TYPE", "accepted: inmemory, sqlite"),
    ({"FAULTMAVEN_PROFILE": "production"}, "EMBEDDING_TYPE", "accepted: hashing, onnx"),
    ({"CASE_STORAGE_TYPE": "mysql"}, "CASE_STORAGE_TYPE", "'mysql' (from environment)"),
    (
        {"CASE_STORAGE_TYPE": "postgres"},
        "CASE_STORAGE_TYPE",
        "the PostgreSQL adapter, which this release does not have",
    ),
    ({"USER_STORAGE_TYPE": "postgres"}, "USER_STORAGE_TYPE", "accepted: inmemory, sqlite"),
    ({"USER_STORAGE_TYPE": "sqllite"}, "USER_STORAGE_TYPE", "accepted: inmemory, sqlite"),
    ({"SESSION_STORAGE_TYPE": "redis"}, "SESSION_STORAGE_TYPE", "accepted: inmemory, file"),
    ({"SESSION_STORAGE_TYPE": "memcached"}, "SESSION_STORAGE_TYPE", "accepted: inmemory, file"),
    ({"VECTOR_STORAGE_TYPE": "pgvector"}, "VECTOR_STORAGE_TYPE", "accepted: inmemory, chromadb"),
    ({"VECTOR_STORAGE_TYPE": "faiss"}, "VECTOR_STORAGE_TYPE", "accepted: inmemory, chromadb"),
    ({"CHROMADB_URL": "http://chroma:8000"}, "CHROMADB_URL", "embedded Chroma in CHROMADB_PATH"),
    ({"CHROMADB_COLLECTION": "no"}, "CHROMADB_COLLECTION", "text of the form"),
    ({"BLOB_STORAGE_TYPE": "s3"}, "BLOB_STORAGE_TYPE", "accepted: inmemory, file"),
    ({"EMBEDDING_TYPE": "openai"}, "EMBEDDING_TYPE", "accepted: hashing, onnx"),
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
