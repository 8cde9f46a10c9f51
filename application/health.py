"""Whether the backend can serve: asked by probes, so answers are cached for a moment and never take long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ports.capabilities import SupportsHealth
from ports.clock import Clock
from ports.errors import PortError

CACHE_SECONDS = 1.0
TIMEOUT_SECONDS = 1.0


class HealthStatus(StrEnum):
    """``DEGRADED`` serves with less; ``UNAVAILABLE`` does not serve."""

    OK = "ok"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Health:
    """The state of the whole; ``problems`` maps the parts that do not work to the reason."""

    status: HealthStatus
    components: tuple[str, ...]
    problems: Mapping[str, str]
    shutting_down: bool = False

    @property
    def ready(self) -> bool:
        """True if requests should be sent here."""
        return self.status is not HealthStatus.UNAVAILABLE and not self.shutting_down


class HealthService:
    """Asks each component. Only the case store is indispensable."""

    REQUIRED = "cases"

    def __init__(self, *, components: Mapping[str, object], clock: Clock) -> None:
        """``components`` maps names to adapters; one that cannot tell its health counts as healthy."""
        self._components = components
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: Health | None = None
        self._known_at = 0.0
        self._shutting_down = False

    def begin_shutdown(self) -> None:
        """From now on the backend is not ready: it finishes what it has and takes nothing new."""
        self._shutting_down = True
        self._known = None

    async def check(self) -> Health:
        """The state, at most a second old."""
        async with self._lock:
            if self._known is None or self._clock.monotonic() - self._known_at > CACHE_SECONDS:
                self._known = await self._ask()
                self._known_at = self._clock.monotonic()
            return self._known

    async def _ask(self) -> Health:
        names = tuple(self._components)
        answers = await asyncio.gather(*(self._ask_one(component) for component in self._components.values()))
        problems = {name: answer for name, answer in zip(names, answers, strict=True) if answer}
        if self.REQUIRED in problems:
            status = HealthStatus.UNAVAILABLE
        else:
            status = HealthStatus.DEGRADED if problems else HealthStatus.OK
        return Health(status, names, problems, self._shutting_down)

    async def _ask_one(self, component: object) -> str | None:
        if not isinstance(component, SupportsHealth):
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await component.check_health()
        except TimeoutError:
            return f"no answer within {TIMEOUT_SECONDS:g} s"
        except PortError as error:
            return str(error)
        return None
