"""`/v1/campaigns/{id}/schedule`: a send at a time of a place, in that place's own words."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Body, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from services.api.access.audit import audit
from services.api.access.roles import Operator
from services.api.campaigns import queries as campaigns
from services.api.campaigns import store
from services.api.campaigns.copying import version
from services.api.campaigns.parameters import CampaignId
from services.api.campaigns.schemas import Campaign
from services.api.campaigns.states import found, refuse
from services.api.http.content_type import is_json
from services.api.http.etags import set_etag
from services.api.http.problems import (
    EVERYWHERE,
    MALFORMED,
    MEDIA,
    NO_CAMPAIGN,
    TOO_LARGE,
    WRONG_STATE,
    documented,
)
from services.api.resources import resources
from shared.contracts.platforms import Shape

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], responses=EVERYWHERE)

FURTHEST = timedelta(days=366)
"""How far ahead a send may be: what is written for later than a year is a mistake in the year."""
GRACE = timedelta(seconds=60)
"""How long ago it may have been: clocks differ, and requests take their time."""
EXAMPLES: dict[str, Any] = {
    "seoul": {"summary": "In Seoul's time", "value": {"at": "2027-01-01T09:00:00", "time_zone": "Asia/Seoul"}},
    "instant": {"summary": "An instant", "value": {"at": "2027-01-01T00:00:00Z", "time_zone": "UTC"}},
}


class Schedule(Shape):
    """When to send: a local time of a zone, or a time with its offset."""

    at: datetime = Field(description="Without an offset it is the local time of `time_zone`")
    time_zone: str = Field("UTC", max_length=64, description="An IANA name, such as Asia/Seoul")

    @model_validator(mode="after")
    def _exists(self) -> "Schedule":
        self.instant()
        return self

    def instant(self) -> datetime:
        """The instant in UTC; of a local time that comes twice, when clocks are set back, the first."""
        try:
            zone = ZoneInfo(self.time_zone)
        except (LookupError, ValueError, OSError):
            raise PydanticCustomError(
                "time_zone", "'{zone}' is no IANA time zone", {"zone": self.time_zone, "name": "time_zone"}
            ) from None
        try:
            if self.at.tzinfo is not None:
                return self.at.astimezone(UTC)
            instant = self.at.replace(tzinfo=zone, fold=0).astimezone(UTC)
            back = instant.astimezone(zone).replace(tzinfo=None)
        except OverflowError:
            raise PydanticCustomError("at", "this time is out of range", {"name": "at"}) from None
        if back != self.at.replace(fold=0):
            raise PydanticCustomError(
                "at",
                "{at} does not exist in {zone}: clocks are set forward over it",
                {"at": self.at.isoformat(), "zone": self.time_zone, "name": "at"},
            )
        return instant


@router.post(
    "/{campaign_id}/schedule",
    dependencies=[is_json],
    responses=documented(MALFORMED, TOO_LARGE, MEDIA, NO_CAMPAIGN, WRONG_STATE),
)
async def schedule_campaign(
    request: Request,
    response: Response,
    _: Operator,
    campaign_id: CampaignId,
    wanted: Annotated[Schedule, Body(openapi_examples=EXAMPLES)],
) -> Campaign:
    """Send a draft at a time to come, within a second of it; again, at another time.

    While everything is stopped nothing is sent: what was due meanwhile is sent when the stop is undone.
    """
    at = wanted.instant()
    check_reach(at, datetime.now(UTC))
    async with resources(request).database.write() as tx:
        before = found(await store.written(tx, campaign_id), campaign_id)
        if not await store.schedule(tx, campaign_id, at, wanted.time_zone):
            await refuse(tx, campaign_id, "schedule")
        await audit(
            tx,
            request,
            f"campaigns/{campaign_id}",
            before={"status": before.status, "scheduled_at": before.scheduled_at},
            after={"status": "scheduled", "scheduled_at": at, "time_zone": wanted.time_zone},
        )
        row = found(await campaigns.campaign(tx, campaign_id), campaign_id)
    set_etag(response, version(row))
    return Campaign.of(row)


@router.delete("/{campaign_id}/schedule", responses=documented(NO_CAMPAIGN, WRONG_STATE))
async def unschedule_campaign(request: Request, response: Response, _: Operator, campaign_id: CampaignId) -> Campaign:
    """Make a scheduled campaign a draft again."""
    async with resources(request).database.write() as tx:
        before = found(await store.written(tx, campaign_id), campaign_id)
        if not await store.unschedule(tx, campaign_id):
            await refuse(tx, campaign_id, "unschedule")
        await audit(
            tx,
            request,
            f"campaigns/{campaign_id}",
            before={"status": before.status, "scheduled_at": before.scheduled_at},
            after={"status": "draft"},
        )
        row = found(await campaigns.campaign(tx, campaign_id), campaign_id)
    set_etag(response, version(row))
    return Campaign.of(row)


def check_reach(at: datetime, now: datetime) -> None:
    """Refuse what is past, or further away than anybody plans."""
    problem = None
    if at < now - GRACE:
        problem = f"{at.isoformat()} is past; to send now, POST /v1/campaigns/{{campaign_id}}/send"
    elif at > now + FURTHEST:
        problem = f"{at.isoformat()} is more than {FURTHEST.days} days ahead"
    if problem is not None:
        raise RequestValidationError([{"loc": ("body", "at"), "type": "at", "msg": problem}], body={"at": ""})
