"""`/v1/workers`: which processes are there."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from services.api.access.roles import Viewer
from services.api.http.problems import UNAUTHORIZED, documented
from services.api.resources import resources
from shared.version import VERSION

router = APIRouter(prefix="/v1/workers", tags=["system"], responses=documented(UNAUTHORIZED))

MISSED = 3
"""Heartbeats that may be missed before a worker counts as silent."""
MAX_WORKERS = 1000

LIST = text("""
    select instance, service, version, host, started_at, seen_at, in_flight, rate,
           case when seen_at > now() - make_interval(secs => :missed * every) then 'alive' else 'silent' end as state
      from heartbeat order by service, host, instance limit :limit
""")

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "instance": "sender:push-1:4711:9f3a2c11",
            "service": "sender",
            "version": VERSION,
            "host": "push-1",
            "state": "alive",
            "started_at": "2026-11-22T08:00:00Z",
            "seen_at": "2026-11-22T09:00:03Z",
            "in_flight": 4,
            "rate": 6.4,
        }
    ]
}


class Worker(BaseModel):
    """A process of Carillon."""

    instance: str
    service: str
    version: str
    host: str
    state: Literal["alive", "silent"] = Field(description=f"Silent: {MISSED} heartbeats are missing; it has crashed")
    started_at: datetime
    seen_at: datetime
    in_flight: int = Field(
        description="In hand now: batches of a sender, planning steps of a planner, results of an aggregator, requests "
        "of an API"
    )
    rate: float = Field(description="Of the same, a second, since the heartbeat before")


class Workers(BaseModel):
    """All processes that have said in the last hour that they are there, by service."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    items: list[Worker]


@router.get("")
async def list_workers(request: Request, _: Viewer) -> Workers:
    """Tell which processes are alive, what they have in hand and how quick they are."""
    async with resources(request).database.read() as tx:
        rows = await tx.all(LIST, {"missed": MISSED, "limit": MAX_WORKERS})
    return Workers(items=[Worker.model_validate(row, from_attributes=True) for row in rows])
