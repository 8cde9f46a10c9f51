"""What anybody may know: what this installation offers, and whether it works."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from adapters.http.dependencies import MetricsDep, OptionsDep, ServicesDep
from adapters.http.errors import FAILURES
from adapters.http.forms import ALLOWED_EVIDENCE
from application.health import Health, HealthStatus

router = APIRouter(tags=["operation"], responses=FAILURES)


@router.get("/v1/meta/capabilities")
async def capabilities(options: OptionsDep) -> dict[str, Any]:
    """What the clients should offer. The keys are in camel case."""
    return {
        "deploymentMode": options.deployment_mode,
        "kbManagement": "dashboard",
        "dashboardUrl": options.dashboard_url,
        "features": {
            "extensionKB": False,
            "adminKB": True,
            "teamSharing": False,
            "caseHistory": True,
            "sso": False,
        },
        "limits": {"maxFileBytes": options.max_file_bytes, "allowedExtensions": list(ALLOWED_EVIDENCE)},
    }


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "alive"}


@router.get("/readyz")
@router.get("/readiness", include_in_schema=False)
async def readyz(services: ServicesDep) -> JSONResponse:
    """Whether requests should be sent here: 200, or 503 with the parts that do not work."""
    health = await services.health.check()
    body = {"status": _word(health), "problems": sorted(health.problems)}
    return JSONResponse(body, 200 if health.ready else 503)


@router.get("/health")
async def health(services: ServicesDep, options: OptionsDep) -> dict[str, Any]:
    """The state of each part."""
    found = await services.health.check()
    parts = {name: "unavailable" if name in found.problems else "ok" for name in found.components}
    return {"status": _word(found), "version": options.version, "components": parts}


@router.get("/metrics", include_in_schema=False)
async def metrics(found: MetricsDep) -> Response:
    """Figures for Prometheus."""
    return Response(found.render(), media_type=found.content_type)


def _word(health: Health) -> str:
    if health.shutting_down:
        return "shutting_down"
    return HealthStatus(health.status).value
