"""Probes and metrics: for orchestrators and Prometheus, without a key."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from services.api.resources import resources
from shared.observability.probes import alive, metrics_response, readiness

router = APIRouter(tags=["system"])

NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {
        "description": "Not ready, and what is missing",
        "content": {
            "application/json": {
                "example": {"status": "not ready", "missing": {"broker": "no connection to publish on"}}
            }
        },
    }
}


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Tell that the process turns, and its version; it depends on nothing else: a restart would repair nothing else."""
    return alive()


@router.get("/health/ready", responses=NOT_READY, response_class=JSONResponse)
async def ready(request: Request) -> Response:
    """Tell whether work can be done: PostgreSQL and RabbitMQ are reachable, commands flow, no shutdown has begun."""
    return await readiness(resources(request).checks, resources(request).notes)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus' text format", "content": {"text/plain": {}}}},
)
async def metrics() -> Response:
    """Tell every metric of this process."""
    return metrics_response()
