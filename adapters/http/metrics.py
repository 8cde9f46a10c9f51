"""Figures for Prometheus. No label holds an id.

Of several processes on one address each counts for itself; where `SHARED_FOLDER` is set before the first of them
starts, they keep their figures in that folder, and any of them answers for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

LAG_INTERVAL = 0.5
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""A variable of prometheus_client, which looks for it when it is imported."""


class Metrics:
    """The figures of one application, in a registry of its own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, version: str) -> None:
        """Everything at 0."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fm_http_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "fm_http_request_duration_seconds",
            "Time to answer a request.",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
            registry=self.registry,
        )
        self.store_errors = Counter("fm_store_errors", "Failures of stores.", ["code"], registry=self.registry)
        self.conflicts = Counter(
            "fm_save_conflicts", "Requests refused because somebody else was faster.", registry=self.registry
        )
        self.turns = Counter("fm_turns", "Turns taken.", ["outcome"], registry=self.registry)
        self.auth_failures = Counter("fm_auth_failures", "Refused sign-ins and tokens.", registry=self.registry)
        self.loop_lag = Gauge(
            "fm_event_loop_lag_seconds",
            "How late the event loop was when last measured.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._build = CollectorRegistry()
        Info("fm_build", "What is running.", registry=self._build).info({"version": version})

    def render(self) -> bytes:
        """All figures in the text format of Prometheus."""
        registry = self.registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(self._build)

    @contextlib.asynccontextmanager
    async def watching_the_loop(self) -> AsyncIterator[None]:
        """Measure the lag of the event loop until the block ends."""

        async def watch() -> None:
            while True:
                due = time.perf_counter() + LAG_INTERVAL
                await asyncio.sleep(LAG_INTERVAL)
                self.loop_lag.set(max(0.0, time.perf_counter() - due))

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
