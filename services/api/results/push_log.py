"""`GET /v1/push-log`: what became of every push to one device or one user, over campaigns."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import Row

from services.api.access.roles import Viewer
from services.api.campaigns.schemas import Kind, Status
from services.api.devices.lines import UserId
from services.api.http.cursor import Cursor, encode_cursor, page_before
from services.api.http.problems import EVERYWHERE
from services.api.resources import resources
from services.api.results import store
from shared.contracts.numbers import MAX_ID
from shared.db import Reader

router = APIRouter(prefix="/v1/push-log", tags=["results"], responses=EVERYWHERE)

CAMPAIGNS = 200
"""Campaigns that one request looks through."""
MAX_DEVICES = 100
"""Devices of one user that are looked for; nobody has more."""

EXAMPLE: dict[str, Any] = {
    "items": [
        {
            "campaign_id": 7,
            "title": "주말 특가",
            "kind": "campaign",
            "campaign_status": "completed",
            "sent_at": "2026-11-22T09:00:00Z",
            "device_id": 42,
            "user_id": "user-1",
            "platform": "android",
            "outcome": "accepted",
            "code": None,
            "batch_no": 3,
            "state": "finished",
            "attempts": 1,
            "at": "2026-11-22T09:00:02Z",
        }
    ],
    "next_cursor": None,
}


class PushLogOwner(BaseModel):
    """One device or one user."""

    model_config = ConfigDict(extra="forbid")

    device_id: int | None = Field(None, ge=1, le=MAX_ID)
    user_id: UserId | None = None
    cursor: str | None = Field(None, max_length=64, description="`next_cursor` of the page before")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.user_id is None) == (self.device_id is None):
            raise PydanticCustomError("one_of", "give either user_id or device_id")
        return self


class PushLogEntry(BaseModel):
    """What became of one campaign's push to one device."""

    campaign_id: int
    title: str
    kind: Kind
    campaign_status: Status
    sent_at: datetime = Field(description="When the campaign was sent")
    device_id: int
    user_id: str | None
    platform: str | None
    outcome: Literal[
        "pending", "skipped", "cancelled", "expired", "dead", "unknown", "rejected", "unregistered", "accepted"
    ]
    code: str | None = Field(description="Why it failed")
    batch_no: int
    state: Literal["planned", "queued", "claimed", "waiting", "reported", "finished"]
    attempts: int = Field(description="Attempts of its batch that cost one")
    at: datetime | None = Field(description="When its batch was finished")


class PushLog(BaseModel):
    """A page of pushes, the newest campaign first."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    items: list[PushLogEntry]
    next_cursor: str | None = Field(
        description="Give it as `cursor` for older campaigns; null when there are none. A page may be empty before that"
    )


@router.get("")
async def push_log(request: Request, _: Viewer, whose: Annotated[PushLogOwner, Query()]) -> PushLog:
    """Tell every push to a device or to a user's devices, from the newest campaign to the oldest in the ledger.

    A user's devices are those of now. Each request looks through 200 campaigns.
    """
    before = page_before(whose.cursor)
    async with resources(request).database.read() as tx:
        devices = {row.id: row for row in await _devices(tx, whose)}
        ids = list(devices) or ([whose.device_id] if whose.device_id is not None else [])
        scanned = await tx.first(store.SCANNED, {"before": before, "campaigns": CAMPAIGNS})
        rows = await tx.all(store.PUSH_LOG, {"before": before, "campaigns": CAMPAIGNS, "devices": ids}) if ids else []
    more = bool(ids) and scanned is not None and scanned.n == CAMPAIGNS
    return PushLog(
        items=[_push(row, devices.get(row.device_id), whose) for row in rows],
        next_cursor=encode_cursor(Cursor(scanned.last)) if more and scanned is not None else None,
    )


async def _devices(tx: Reader, whose: PushLogOwner) -> list[Row[Any]]:
    if whose.user_id is not None:
        return list(await tx.all(store.USER_DEVICES, {"user_id": whose.user_id, "limit": MAX_DEVICES}))
    return list(await tx.all(store.DEVICE, {"id": whose.device_id}))


def _push(row: Row[Any], device: Row[Any] | None, whose: PushLogOwner) -> PushLogEntry:
    return PushLogEntry(
        campaign_id=row.campaign_id,
        title=row.title,
        kind=row.kind,
        campaign_status=row.status,
        sent_at=row.sent_at,
        device_id=row.device_id,
        user_id=whose.user_id or (device.user_id if device else None),
        platform=device.platform if device else None,
        outcome=row.outcome,
        code=row.code,
        batch_no=row.batch_no,
        state=row.state,
        attempts=row.attempt,
        at=row.finished_at,
    )
