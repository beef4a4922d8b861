"""A campaign as operators write it and read it."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.engine import Row

from services.api.device_lines import UserId
from shared.contracts.content import PushContent
from shared.contracts.messages import LaneName
from shared.contracts.platforms import Shape

MAX_USERS = 10_000
"""User ids in one call: about 400 kB; larger audiences are lists to upload, not calls."""
FOUR_WEEKS = 2_419_200
"""Seconds: FCM keeps no message longer, and keeps it that long when nobody says otherwise. So do we."""
UNKNOWN_SAMPLE = 10
"""Unknown users named in the answer; the rest is counted."""

Delivery = Literal["at_least_once", "at_most_once"]
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
    "audience": {"kind": "all", "user_count": None, "sample": None, "unknown_users": None},
    "delivery": "at_least_once",
    "max_attempts": 4,
    "rate": None,
    "created_by": "operator",
    "created_at": "2026-11-22T08:59:00Z",
    "started_at": None,
    "deadline": None,
    "planned_at": None,
    "completed_at": None,
    "total_recipients": 0,
}


class Everyone(Shape):
    """Every active device."""

    kind: Literal["all"]


class Users(Shape):
    """Every active device of some users; none is allowed, and completes at once."""

    kind: Literal["users"]
    user_ids: Annotated[list[UserId], Field(max_length=MAX_USERS)]

    def distinct(self) -> list[str]:
        """The ids, each once, in the order given."""
        return list(dict.fromkeys(self.user_ids))


class NewCampaign(PushContent):
    """A campaign to create: a push's content, for whom, and how."""

    audience: Annotated[Everyone | Users, Field(discriminator="kind")]
    ttl_seconds: int = Field(
        FOUR_WEEKS,
        ge=0,
        le=FOUR_WEEKS,
        strict=True,
        description="Seconds from the send until the push is worth nothing: not sent, or not shown, any more",
    )
    delivery: Delivery = Field(
        "at_least_once",
        description="Whether a push is repeated that FCM may have accepted without answering; if not, it is unknown",
    )
    max_attempts: int = Field(4, ge=1, le=20, strict=True, description="Tries for a device, the first one included")
    rate: float | None = Field(
        None, gt=0, le=1_000_000, description="Devices a second at the most; null is the quota's"
    )

    def row(self, created_by: str) -> dict[str, Any]:
        """The values of its row in the ledger."""
        audience: dict[str, Any] = {"kind": self.audience.kind}
        if isinstance(self.audience, Users):
            audience["user_ids"] = self.audience.distinct()
        content = self.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(PushContent.model_fields))
        return {
            "title": self.title,
            "content": json.dumps(content, ensure_ascii=False),
            "audience": json.dumps(audience, ensure_ascii=False),
            "priority": self.priority,
            "ttl_seconds": self.ttl_seconds,
            "delivery": self.delivery,
            "max_attempts": self.max_attempts,
            "rate": self.rate,
            "created_by": created_by,
        }


class UnknownUsers(BaseModel):
    """Users of an audience who have no active device now; they are not an error, they may have one when it is sent."""

    count: int
    sample: list[str] = Field(description="The first of them")


class AudienceRead(BaseModel):
    """For whom a campaign is."""

    kind: Literal["all", "users"]
    user_count: int | None = Field(None, description="Different users; null for everyone")
    sample: list[str] | None = Field(None, description="The first ten of them")
    unknown_users: UnknownUsers | None = Field(None, description="Only in the answer to the creation")


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
        audience = AudienceRead(kind=row.audience_kind)
        if row.audience_kind == "users":
            audience.user_count = row.audience_size
            audience.sample = row.audience_sample
        if unknown is not None:
            audience.unknown_users = UnknownUsers(count=len(unknown), sample=unknown[:UNKNOWN_SAMPLE])
        values = {**columns, **row.content, "priority": row.priority}
        return cls.model_validate(
            {**values, "audience": audience, "started_at": row.sent_at, "total_recipients": row.total}
        )


class Changed(BaseModel):
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
