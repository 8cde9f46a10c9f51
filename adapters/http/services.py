"""The use cases that the HTTP interface calls."""

from __future__ import annotations

from dataclasses import dataclass

from application.cases import CaseService
from application.health import HealthService
from application.idempotency import Idempotency
from application.jobs import JobService
from application.knowledge import KnowledgeService
from application.rate_limit import RateLimiter
from application.reports import ReportService
from application.sessions import SessionService
from application.troubleshooting import TroubleshootingService
from application.users import UserService


@dataclass(frozen=True, slots=True)
class Services:
    """One of each."""

    cases: CaseService
    troubleshooting: TroubleshootingService
    reports: ReportService
    users: UserService
    sessions: SessionService
    knowledge: KnowledgeService
    idempotency: Idempotency
    rate_limiter: RateLimiter
    jobs: JobService
    health: HealthService
