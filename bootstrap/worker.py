"""One of several processes that serve one address; `bootstrap.workers` starts it and gives it the bound socket."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import typer

from bootstrap.configuration import load_configuration
from bootstrap.errors import StartError
from bootstrap.logging import configure_logging
from bootstrap.runtime import loop_factory
from bootstrap.serve import serve_on, stop_signal
from bootstrap.settings import Settings
from bootstrap.workers import READY


async def work(settings: Settings, listener: socket.socket, ready: int, *, leads: bool) -> None:
    """Serve until SIGTERM, SIGINT or the end of the supervisor, and tell the supervisor when it begins."""
    stop = stop_signal()
    # Nobody writes there: it becomes readable when its other end is gone.
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)

    def tell() -> None:
        os.write(ready, READY)
        os.close(ready)

    await serve_on(listener, settings, stop, typer.echo if leads else None, tell)


def main(listening: str, ready: str, role: str) -> None:
    """Run with the descriptors of the socket and of the pipe to the supervisor."""
    try:
        settings = load_configuration().settings
        configure_logging(settings)
        with socket.socket(fileno=int(listening)) as listener, asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(work(settings, listener, int(ready), leads=role == "lead"))
    except StartError as error:
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
