"""A campaign as operators write it and read it."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.engine import Row

from services.api.audiences.schemas import (
    EMPTY_READ,
    Audience,
    AudienceRead,
    UnknownUsers,
    as_stored,
)
from shared.contracts.content import PushContent
from shared.contracts.messages import LaneName
from shared.contracts.numbers import WHOLE

FOUR_WEEKS = 2_419_200
"""Seconds: FCM keeps no message longer, and keeps it that long when nobody says otherwise. So do we."""
UNKNOWN_SAMPLE = 10
"""Unknown users named in the answer; the rest is counted."""

Delivery = Literal["at_least_once", "at_most_once"]
Kind = Literal["campaign", "test", "dry_run"]
Status = Literal["draft", "scheduled", "sending", "paused", "cancelling", "completed", "cancelled", "failed"]

EXAMPLE: dict[str, JsonValue] = {
    "title": "주말 특가",
    "body": "오늘 자정까지 전 상품 20% 할인 🎉",
    "priority": "high",
    "audience": {"kind": "all"},
    "data": {"screen": "sale"},
    "android": {"notification": {"channel_id": "offers"}},
    "ttl_seconds": 86400,
}
EXAMPLE_USERS = {
    "title": "Your order is on its way",
    "body": "It arrives today.",
    "audience": {"kind": "users", "user_ids": ["user-1", "user-2"]},
    "delivery": "at_most_once",
}

EXAMPLE_READ: dict[str, JsonValue] = {
    **EXAMPLE,
    "id": 7,
    "status": "draft",
    "image": None,
    "apns": None,
    "webpush": None,
    "analytics_label": None,
    "replace": True,
    "audience": {**EMPTY_READ, "kind": "all"},
    "delivery": "at_least_once",
    "max_attempts": 4,
    "rate": None,
    "kind": "campaign",
    "parent_id": None,
    "revision": 0,
    "scheduled_at": None,
    "time_zone": None,
    "stop_id": None,
    "stopped": None,
    "created_by": "operator",
    "created_at": "2026-11-22T08:59:00Z",
    "started_at": None,
    "deadline": None,
    "planned_at": None,
    "completed_at": None,
    "total_recipients": 0,
}


class NewCampaign(PushContent):
    """A campaign to create: a push's content, for whom, and how."""

    audience: Audience
    ttl_seconds: Annotated[int, Field(ge=0, le=FOUR_WEEKS, strict=True), WHOLE] = Field(
        FOUR_WEEKS,
        description="Seconds from the send until the push is worth nothing: not sent, or not shown, any more",
    )
    delivery: Delivery = Field(
        "at_least_once",
        description="Whether a push is repeated that FCM may have accepted without answering; if not, it is unknown",
    )
    max_attempts: Annotated[int, Field(ge=1, le=20, strict=True), WHOLE] = Field(
        4, description="Tries for a device, the first one included"
    )
    rate: float | None = Field(
        None, gt=0, le=1_000_000, description="Devices a second at the most; null is the quota's"
    )

    def row(self, created_by: str) -> dict[str, Any]:
        """The values of its row in the ledger."""
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(PushContent.model_fields))
        return {
            "title": self.title,
            "content": json.dumps(content, ensure_ascii=False),
            "audience": json.dumps(as_stored(self.audience), ensure_ascii=False),
            "priority": self.priority,
            "ttl_seconds": self.ttl_seconds,
            "delivery": self.delivery,
            "max_attempts": self.max_attempts,
            "rate": self.rate,
            "created_by": created_by,
        }


class Campaign(BaseModel):
    """A campaign and where it is."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    status: Status
    title: str
    body: str
    image: str | None = None
    priority: LaneName
    data: dict[str, str] = {}
    android: dict[str, Any] | None = None
    apns: dict[str, Any] | None = None
    webpush: dict[str, Any] | None = None
    analytics_label: str | None = None
    replace: bool = True
    audience: AudienceRead
    ttl_seconds: int
    delivery: Delivery
    max_attempts: int
    rate: float | None
    kind: Kind = Field(
        description="A test goes to one user or device; a dry run asks FCM to validate and sends nothing"
    )
    parent_id: int | None = Field(description="The campaign that it was cloned from, follows up, tests or tries")
    revision: int = Field(description="Changes of what was written so far; the ETag tells it too")
    scheduled_at: datetime | None = Field(description="When it is going to be sent, or was, by its schedule")
    time_zone: str | None = Field(description="The IANA zone that the schedule was given in")
    stop_id: int | None = Field(description="The stop of everything that holds it; `POST /v1/resume-all` undoes it")
    stopped: dict[str, str] | None = Field(description="FCM's answer when it refused the payload and sending stopped")
    created_by: str
    created_at: datetime
    started_at: datetime | None = Field(description="When it was sent")
    deadline: datetime | None = Field(description="When what is not sent expires")
    planned_at: datetime | None = Field(description="When the whole audience was in batches")
    completed_at: datetime | None = Field(description="When the last device had its outcome")
    total_recipients: int

    @classmethod
    def of(cls, row: Row[Any], unknown: list[str] | None = None) -> Self:
        """Read the ledger's row."""
        columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        audience = AudienceRead.of(row)
        if unknown is not None:
            audience.unknown_users = UnknownUsers(count=len(unknown), sample=unknown[:UNKNOWN_SAMPLE])
        values = {**columns, **row.content, "priority": row.priority}
        return cls.model_validate(
            {
                **values,
                "audience": audience,
                "time_zone": row.schedule_zone,
                "started_at": row.sent_at,
                "total_recipients": row.total,
            }
        )


class StateChange(BaseModel):
    """A campaign after a change of its state; the services act on it from here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 7,
                    "status": "sending",
                    "priority": "high",
                    "queue": "sender.high",
                    "deadline": "2026-11-23T09:00:00Z",
                }
            ]
        }
    )

    id: int
    status: Status
    priority: LaneName
    queue: str = Field(description="The lane that its batches take")
    deadline: datetime | None
