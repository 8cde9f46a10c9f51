"""A server as a child process that can be stopped, killed and started again at the same address."""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

START_SECONDS = 30.0
STOP_SECONDS = 20.0

_ports = itertools.cycle(random.SystemRandom().sample(range(10_000, 20_000), 10_000))


def free_port() -> int:
    """A port of the loopback address on which nobody listens now, and which is given out once.

    It lies below those that a system gives to outgoing connections: one of these could have it when the server starts,
    or starts again. The servers of a Redis cluster also use the port that is 10,000 higher, where nothing else is.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class ServerProcess:
    """Holds a folder and a port; a subclass says which command serves there and when it answers."""

    name: ClassVar[str]

    def __init__(self) -> None:
        # Servers that drop root's privileges must be able to reach their folder.
        self.folder = Path(tempfile.mkdtemp(prefix=f"faultmaven-{self.name}-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """What to run."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """True once the server answers."""
        raise NotImplementedError

    def user(self) -> str | None:
        """Whose privileges the server runs with, if not those of the tests."""
        return None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / "log"

    def start(self) -> None:
        """Start it and wait until it answers; what it kept from an earlier start is there again."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self.user(), cwd=self.folder
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it in order; nothing happens if it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it without a chance to finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
