"""Runs the server process: start, the work in the background, and an ordered stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn

from adapters.http.app import create_app
from adapters.http.options import HttpOptions
from adapters.http.services import Services
from application.health import HealthService
from bootstrap.background import background
from bootstrap.build import Ports, opened_ports
from bootstrap.containers.services import ServicesContainer
from bootstrap.errors import Misconfigured, PortInUse
from bootstrap.live import exchangeable
from bootstrap.services import assembled
from bootstrap.settings import Settings
from domain.user import Role
from ports.errors import AlreadyExists

ADMIN = "admin"
ACCEPTORS = 16
"""How many connections are accepted before the next requests are looked at. A socket gives one (libuv/libuv#3696), so
under load those that wait for theirs got one after each round of all others, the last of 64 after a second.
"""
FULL_COLLECTION = 100
"""After so many collections of the middle generation all is looked through for garbage, which holds up everybody for 10
to 25 ms. Under load that was once in 130 turns, and found 22 objects.
"""

log = logging.getLogger("faultmaven")


async def serve(settings: Settings, announce: Callable[[str], None], archive: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are finished first.

    ``announce`` is told what a person has to know: the address, and at the first start how to sign in. With ``archive``
    everything is written to this new file at the end.

    Raises:
        Misconfigured: the file exists, or cannot be made.
        PortInUse: nothing can be bound to the address.
        DataFolderInUse, BackendsUnusable: see `bootstrap.build.opened_ports`.
    """
    if archive is not None:
        _check_archive(archive)

    async def save(ports: Ports) -> None:
        if archive is not None:
            from bootstrap.archiving import save_all

            await save_all(ports, archive)
            announce(f"Everything is in {archive}; `faultmaven restore {archive}` brings it back.")

    stop = stop_signal()
    with contextlib.closing(bind(settings)) as listener:
        await serve_on(listener, settings, stop, announce, at_end=save)


def _check_archive(path: Path) -> None:
    """At the end it would be too late."""
    if path.exists() or not os.access(path.absolute().parent, os.W_OK):
        raise Misconfigured(f"--archive: {path} exists already, or its folder cannot be written; name another file.")


def stop_signal() -> asyncio.Event:
    """Set once the process is told to end."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def serve_on(
    listener: socket.socket,
    settings: Settings,
    stop: asyncio.Event,
    announce: Callable[[str], None] | None,
    on_ready: Callable[[], None] = lambda: None,
    at_end: Callable[[Ports], Awaitable[None]] | None = None,
) -> None:
    """Serve on a bound socket until ``stop`` is set.

    Of several processes on one socket one gets ``announce``: it makes the first administrator, brings the starter
    runbooks up to date and speaks to the operator. ``on_ready`` is called once requests are answered, ``at_end`` once
    none are any more, with the stores still open.
    """
    async with (
        opened_ports(settings, "faultmaven serve") as opened,
        exchangeable(settings, opened, announce) as ports,
        assembled(settings, ports) as services,
    ):
        greeting = await _greeting(settings, services) if announce else []

        def tell() -> None:
            if announce:
                _announce_start(settings, greeting, announce)
            on_ready()

        async with background(settings, ports, services) if announce else contextlib.nullcontext():
            server = _Server(_uvicorn_config(settings, services), services.health_service(), stop, tell)
            await server.serve(sockets=[listener, *(listener.dup() for _ in range(ACCEPTORS - 1))])
        if at_end is not None:
            await at_end(ports)
    log.info("stopped")


class _Server(uvicorn.Server):
    """A server that is told to stop by an event, so that the process decides itself how it ends."""

    def __init__(
        self, config: uvicorn.Config, health: HealthService, stop: asyncio.Event, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._health = health
        self._stop = stop
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and tell so."""
        await super().startup(sockets)
        if self.started:
            # What is there now stays: to look through all of it for garbage would hold up everybody, again and again.
            gc.collect()
            gc.freeze()
            # And what comes later is seldom garbage: the oldest generation is looked through ten times less often.
            gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION)
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Follow the event instead of the signals: uvicorn's own handling would end the process by the signal."""
        watcher = asyncio.get_running_loop().create_task(self._follow())
        try:
            yield
        finally:
            watcher.cancel()

    async def _follow(self) -> None:
        await self._stop.wait()
        self._health.begin_shutdown()
        self.should_exit = True


def bind(settings: Settings) -> socket.socket:
    """A socket on the address of the settings.

    Raises:
        PortInUse: another program listens there.
    """
    host, port = settings.faultmaven_host, settings.faultmaven_port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio switches off Nagle's algorithm, which would delay each answer by 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise PortInUse(
            f"FAULTMAVEN_PORT: cannot listen on {host} port {port} ({error.strerror}). Stop the program that uses it, "
            "or set FAULTMAVEN_PORT or FAULTMAVEN_HOST to another address."
        ) from error
    listener.setblocking(False)
    return listener


def web_application(settings: Settings, services: ServicesContainer) -> Callable[..., Awaitable[None]]:
    """The application of ASGI that answers requests, as the settings ask for it."""
    return create_app(
        Services(
            cases=services.case_service(),
            troubleshooting=services.troubleshooting_service(),
            reports=services.report_service(),
            users=services.user_service(),
            sessions=services.session_service(),
            knowledge=services.knowledge_service(),
            idempotency=services.idempotency(),
            rate_limiter=services.rate_limiter(),
            jobs=services.jobs(),
            health=services.health_service(),
        ),
        HttpOptions(
            version=version("faultmaven"),
            cors_origins=settings.cors_allowed_origins,
            cors_extension_ids=settings.cors_extension_ids,
            cors_any_extension=settings.cors_any_extension,
            dev_login=settings.auth_dev_login,
            registration=settings.auth_registration,
            dashboard_url=settings.dashboard_url,
            max_file_bytes=settings.max_file_bytes,
            turn_timeout=float(settings.turn_timeout),
        ),
    )


def _uvicorn_config(settings: Settings, services: ServicesContainer) -> uvicorn.Config:
    return uvicorn.Config(
        web_application(settings, services),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_timeout,
    )


async def _greeting(settings: Settings, services: ServicesContainer) -> list[str]:
    """How to sign in. At the very first start there is no user yet, and the first administrator is created."""
    if settings.auth_dev_login:
        return ["Sign in with any user name; no password is asked for (AUTH_DEV_LOGIN is on)."]
    users = services.user_service()
    if (await users.list_users(limit=1)).total:
        return [f"Sign in with your account, e.g. {ADMIN}; forgotten? `faultmaven user password {ADMIN}`"]
    given = settings.auth_initial_admin_password
    password = given.get_secret_value() if given else services.ids().secret()[:16]
    try:
        await users.create_user(
            username=ADMIN, email=None, display_name="Administrator", password=password, roles=(Role.USER, Role.ADMIN)
        )
    except AlreadyExists:
        # Another machine that starts on the same database was faster, and has shown the password.
        return [f"Sign in as {ADMIN}, with the password that the first process has shown."]
    shown = "that AUTH_INITIAL_ADMIN_PASSWORD gives" if given else f"{password} (shown only now; change it with"
    lines = [f"Sign in as {ADMIN} with the password {shown}"]
    if not given:
        lines.append(f"`faultmaven user password {ADMIN}`, make more accounts with `faultmaven user create NAME`).")
    return [*lines, "The starter runbooks are being read in; for up to a minute the knowledge is not complete."]


def _announce_start(settings: Settings, greeting: list[str], announce: Callable[[str], None]) -> None:
    url = f"http://{settings.faultmaven_host}:{settings.faultmaven_port}"
    processes = f", {settings.faultmaven_workers} processes" if settings.faultmaven_workers > 1 else ""
    about = f"profile {settings.faultmaven_profile}{processes}, API documentation on {url}/docs"
    announce(f"FaultMaven is ready on {url} ({about})")
    if settings.holds_data_folder:
        announce(f"Data folder: {settings.faultmaven_data_dir}")
    for line in greeting:
        announce(line)
    log.info("ready", extra={"url": url, "profile": settings.faultmaven_profile})
