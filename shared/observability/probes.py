"""Probes and metrics of a worker over HTTP.

Liveness says that the event loop turns. Readiness says that work can be done: consumers registered, PostgreSQL
reachable, not draining. Broker alarms are in neither: restarting a worker does not lift one. What stops the work and
cannot be repaired by a restart (an FCM project that refuses us) is shown in readiness as `notes` and does not fail it:
else the deployment that brings new credentials would wait for the old ones to work.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.version import VERSION

log = structlog.get_logger()

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, else what is missing."""


class Consuming(Protocol):
    """Anything that consumes a queue."""

    @property
    def consuming(self) -> bool:
        """Whether its consumer is registered."""


def broker_check(consumer: Consuming) -> Check:
    """Ready while the consumer is registered with the broker."""

    async def check() -> str | None:
        return None if consumer.consuming else "no consumer is registered with the broker"

    return check


Notes = Callable[[], Awaitable[Mapping[str, str]]]
"""Returns what people should know, by what it is about."""


async def nothing_to_note() -> Mapping[str, str]:
    """No notes."""
    return {}


async def readiness(checks: Mapping[str, Check], notes: Notes = nothing_to_note) -> JSONResponse:
    """Run every check; 200 with the notes when all pass, else 503 with what is missing by check.

    A check that raises counts as failed, with the error as the reason.
    """
    faults = {name: fault for name, check in checks.items() if (fault := await _checked(name, check)) is not None}
    if faults:
        return JSONResponse({"status": "not ready", "missing": faults}, status_code=503)
    told = await notes()
    return JSONResponse({"status": "ready", **({"notes": dict(told)} if told else {})})


async def _checked(name: str, check: Check) -> str | None:
    try:
        return await check()
    except Exception as error:
        log.exception("check.failed", check=name)
        return f"This could not be checked ({type(error).__name__}); the log has more."


def alive() -> dict[str, str]:
    """What liveness answers: that the process turns, and which version it is."""
    return {"status": "alive", "version": VERSION}


def metrics_response() -> Response:
    """Every metric in Prometheus' text format."""
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def probes_app(checks: Mapping[str, Check], notes: Notes = nothing_to_note) -> Starlette:
    """The three routes of a worker."""

    async def live(_request: Request) -> Response:
        return JSONResponse(alive())

    async def ready(_request: Request) -> Response:
        return await readiness(checks, notes)

    async def metrics(_request: Request) -> Response:
        return metrics_response()

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)])
