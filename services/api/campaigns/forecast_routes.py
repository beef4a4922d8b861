"""`GET /v1/campaigns/{id}/forecast`: what sending it would mean, without sending it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.access.roles import Viewer
from services.api.campaigns import store
from services.api.campaigns.copying import rewritten
from services.api.campaigns.forecast import (
    STALE_DAYS,
    Other,
    Plan,
    ProjectState,
    Recipients,
    shares,
    warnings,
)
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.states import found
from services.api.http.problems import EVERYWHERE, NO_CAMPAIGN, documented
from services.api.resources import resources
from shared.db import Reader
from shared.ledger import throttle
from shared.ledger.audiences import compile_audience, resolve
from shared.topology import Lane

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

PATIENCE = "10000"
"""Milliseconds that counting the audience may take."""
NEAR = timedelta(hours=2)
"""How far around its start another schedule may clash."""

TIME_LIMIT = text("select set_config('statement_timeout', :milliseconds, true)")
# 0.4 s for a million devices.
COUNT = """
    select d.project_id as project, d.platform, count(*) as devices,
           count(*) filter (where d.last_seen < now() - make_interval(days => :stale_days)) as stale
      from device d where d.active {condition} group by d.project_id, d.platform order by 1, 2
"""
PROJECTS = text("""
    select id, rate, tat, paused_until, ramp_from, cut_rate, cut_at, circuit_reason, stopped_platforms,
           extract(epoch from clock_timestamp())::float8 as now
      from project where id = any(cast(:ids as text[]))
""")
OTHERS = text("""
    select id, title, priority, status, scheduled_at from campaign
     where id <> :id and (status = 'sending' or (status = 'scheduled' and scheduled_at between :since and :until))
     order by id limit 100
""")

EXAMPLE: dict[str, Any] = {
    "campaign_id": 7,
    "start_at": "2026-11-22T09:00:00Z",
    "finish_at": "2026-11-22T09:01:21Z",
    "recipients": 812345,
    "stale": 101200,
    "batches": 1625,
    "parts": [{"project": "default", "platform": "android", "devices": 812345, "stale": 101200}],
    "projects": [
        {
            "project": "default",
            "devices": 812345,
            "batches": 1625,
            "rate": 10000.0,
            "quota_share": 1.0,
            "seconds": 81.2,
        }
    ],
    "payload_bytes": {"android": 212, "apns": 240, "webpush": 212},
    "warnings": [{"code": "quarter_hour", "detail": "It starts at 09:00:00 UTC, within a minute of a quarter …"}],
}


class RecipientsRead(BaseModel):
    """Recipients of one project and platform."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    platform: str
    devices: int
    stale: int = Field(description=f"Of these, not seen for {STALE_DAYS} days")


class ProjectShareRead(BaseModel):
    """One project's part of the work."""

    model_config = ConfigDict(from_attributes=True)

    project: str
    devices: int
    batches: int
    rate: float = Field(description="Messages a second that it may expect")
    quota_share: float = Field(description="The same as a share of the project's quota in force")
    seconds: float


class ForecastWarning(BaseModel):
    """Something that speaks against sending it like this."""

    model_config = ConfigDict(from_attributes=True, title="Warning")

    code: str = Field(description="Stable; for programs")
    detail: str


class Forecast(BaseModel):
    """What sending a campaign would mean, as things are now."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    campaign_id: int
    start_at: datetime
    finish_at: datetime = Field(description="When its last device would be sent to, first attempts only")
    recipients: int
    stale: int
    batches: int
    parts: list[RecipientsRead]
    projects: list[ProjectShareRead]
    payload_bytes: dict[str, int] = Field(description="By platform; FCM takes 4096")
    warnings: list[ForecastWarning]


@router.get("/{campaign_id}/forecast", responses=documented(NO_CAMPAIGN))
async def forecast_campaign(
    request: Request,
    _: Viewer,
    campaign_id: CampaignId,
    at: Annotated[AwareDatetime | None, Query(description="Its start; by default its schedule's time, or now")] = None,
) -> Forecast:
    """Tell whom a campaign would reach, in how many batches, by when, with what share of the quota, and what to mind.

    Nothing is created. The audience is counted, which takes a second for a million devices.
    """
    at_hand = resources(request)
    now = datetime.now(UTC)
    async with at_hand.estimate_gate, at_hand.database.read() as tx:
        row = found(await store.written(tx, campaign_id), campaign_id)
        parts = await _parts(tx, row)
        projects = await _projects(tx, [part.project for part in parts], at_hand.ramp)
        start = max(at or row.scheduled_at or now, now)
        around = {"id": campaign_id, "since": start - NEAR, "until": start + NEAR}
        others = [_other(other) for other in await tx.all(OTHERS, around)]
    plan = Plan(
        start=start.astimezone(UTC),
        lane=Lane(row.priority),
        rate=row.rate,
        ttl=timedelta(seconds=row.ttl_seconds),
        sizes=rewritten(row, {}).payload_sizes(),
    )
    by_project = shares(plan, parts, projects, others)
    finish = plan.start + timedelta(seconds=max((share.seconds for share in by_project), default=0.0))
    return Forecast(
        campaign_id=campaign_id,
        start_at=plan.start,
        finish_at=finish,
        recipients=sum(part.devices for part in parts),
        stale=sum(part.stale for part in parts),
        batches=sum(share.batches for share in by_project),
        parts=[RecipientsRead.model_validate(part) for part in parts],
        projects=[ProjectShareRead.model_validate(share) for share in by_project],
        payload_bytes=dict(plan.sizes),
        warnings=[
            ForecastWarning.model_validate(warned) for warned in warnings(plan, parts, projects, others, finish=finish)
        ],
    )


async def _parts(tx: Reader, row: Row[Any]) -> list[Recipients]:
    condition = compile_audience(await resolve(tx, row.audience, datetime.now(UTC)), steps=False)
    await tx.first(TIME_LIMIT, {"milliseconds": PATIENCE})
    statement = text(COUNT.format(condition=f"and {condition.sql}" if condition.sql else ""))
    rows = await tx.all(statement, {**condition.values, "stale_days": STALE_DAYS})
    return [Recipients(part.project, part.platform, part.devices, part.stale) for part in rows]


async def _projects(tx: Reader, ids: Sequence[str], ramp: float) -> dict[str, ProjectState]:
    found_: dict[str, ProjectState] = {}
    for row in await tx.all(PROJECTS, {"ids": sorted(set(ids))}):
        bent = throttle.Throttle(row.rate, 0.0, row.cut_rate, row.cut_at)
        found_[row.id] = ProjectState(
            id=row.id,
            rate=throttle.rate_in_force(bent, now=row.now, ramp=ramp),
            paused_for=max(0.0, row.paused_until - row.now),
            circuit=row.circuit_reason,
            stopped_platforms={name: entry["reason"] for name, entry in row.stopped_platforms.items()},
        )
    return found_


def _other(row: Row[Any]) -> Other:
    return Other(row.id, row.title, Lane(row.priority), row.status == "sending", row.scheduled_at)
