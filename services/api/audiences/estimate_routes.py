"""`/v1/audiences/estimate`: how many devices an audience has, by platform and project."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from services.api.access.roles import Viewer
from services.api.audiences.checking import check_readable, unknown
from services.api.audiences.schemas import Audience, as_stored
from services.api.http.content_type import is_json
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    TOO_LARGE,
    TOO_SLOW,
    ProblemError,
    documented,
)
from services.api.resources import resources
from shared.contracts.platforms import Shape
from shared.db import Database
from shared.ledger.audiences import UnknownAudienceError, compile_audience, resolve
from shared.sqlstates import sqlstate

router = APIRouter(prefix="/v1/audiences", tags=["audiences"], responses=EVERYWHERE)

PATIENCE = 5.0
"""Seconds that a count may take: ten times what a segment takes at a million devices, and no request waits longer."""
CANCELED = "57014"
"""What PostgreSQL says of a statement that took too long."""

# A list of a million users is a hash of 50 MB, which is half as quick in pieces on disk.
LIMITS = text("""
    select set_config('statement_timeout', :milliseconds, true), set_config('work_mem', '64MB', true)
""")
# 0.4 s for a million devices, and up to 1 s more for what each of them has to be looked at for.
COUNT = """
    select d.project_id as project, d.platform, count(*) as devices,
           count(*) filter (where su.user_id is not null or sd.target_hash is not null) as suppressed
      from device d
      left join suppressed_user su on su.user_id = d.user_id
      left join suppressed_device sd on sd.target_hash = d.target_hash
     where d.active {condition}
     group by d.project_id, d.platform order by devices desc, d.project_id, d.platform
"""

EXAMPLES: dict[str, Any] = {
    "all but some": {"value": {"audience": {"kind": "all", "exclude": {"segment_ids": [3]}}}},
    "filter": {
        "value": {
            "audience": {
                "kind": "segment",
                "filter": {
                    "all": [
                        {"field": "app_version", "gte": "3.2", "lt": "4"},
                        {"field": "last_seen", "within_days": 30},
                        {"attribute": "plan", "eq": "pro"},
                        {"not": {"field": "locale", "language": ["ja"]}},
                    ]
                },
            }
        }
    },
}


class Estimate(Shape):
    """For whom."""

    audience: Audience


class EstimatePart(BaseModel):
    """Devices of one project and platform."""

    project: str
    platform: str
    devices: int


class EstimateResult(BaseModel):
    """Devices of an audience, as they are now; the ledger of a campaign counts them again as it is planned."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "devices": 812345,
                    "suppressed": 120,
                    "by_platform": {"android": 530000, "ios": 282345},
                    "by_project": {"default": 812345},
                    "parts": [
                        {"project": "default", "platform": "android", "devices": 530000},
                        {"project": "default", "platform": "ios", "devices": 282345},
                    ],
                    "milliseconds": 640,
                }
            ]
        }
    )

    devices: int = Field(description="Active devices of the audience")
    suppressed: int = Field(description="Of these, how many are on the suppression list now, and would be skipped")
    by_platform: dict[str, int]
    by_project: dict[str, int]
    parts: list[EstimatePart] = Field(description="By project and platform, the largest first")
    milliseconds: int = Field(description="What the count took")


@router.post("/estimate", dependencies=[is_json], responses=documented(MALFORMED, TOO_LARGE, MEDIA, TOO_SLOW))
async def estimate_audience(
    request: Request, _: Viewer, wanted: Annotated[Estimate, Body(openapi_examples=EXAMPLES)]
) -> EstimateResult:
    """Count the active devices of an audience, by platform and project; nothing is created.

    It takes up to two seconds for a million devices. A count that takes longer than five is given up.
    """
    found = resources(request)
    began = datetime.now(UTC)
    async with found.estimate_gate:
        rows = await _count(found.database, wanted.audience)
    by_platform: dict[str, int] = {}
    by_project: dict[str, int] = {}
    for row in rows:
        by_platform[row.platform] = by_platform.get(row.platform, 0) + row.devices
        by_project[row.project] = by_project.get(row.project, 0) + row.devices
    return EstimateResult(
        devices=sum(row.devices for row in rows),
        suppressed=sum(row.suppressed for row in rows),
        by_platform=by_platform,
        by_project=by_project,
        parts=[EstimatePart(project=row.project, platform=row.platform, devices=row.devices) for row in rows],
        milliseconds=int((datetime.now(UTC) - began).total_seconds() * 1000),
    )


async def _count(database: Database, audience: Shape) -> Sequence[Row[Any]]:
    try:
        async with database.read() as tx:
            await check_readable(tx, audience)
            resolved = await resolve(tx, as_stored(audience), datetime.now(UTC))
            condition = compile_audience(resolved, steps=False)
            await tx.first(LIMITS, {"milliseconds": str(int(PATIENCE * 1000))})
            statement = text(COUNT.format(condition=f"and {condition.sql}" if condition.sql else ""))
            try:
                return await tx.all(statement, condition.values)
            except DBAPIError as error:
                if sqlstate(error) != CANCELED:
                    raise
                raise ProblemError(
                    TOO_SLOW,
                    f"Counting this audience takes more than {PATIENCE:.0f} s now. Try again when less is going on, "
                    f"or count a simpler audience: fewer lists to leave out, fewer conditions. Sending to it is no "
                    f"trouble.",
                ) from None
    except UnknownAudienceError as error:
        raise unknown(audience, error) from None
