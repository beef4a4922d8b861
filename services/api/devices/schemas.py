"""A device as app servers write it and as it is read."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.engine import Row

from services.api.devices.lines import (
    KnownDeviceLine,
    ProjectName,
    Target,
    TargetValue,
    UserId,
)
from shared.contracts.moments import Moment
from shared.contracts.platforms import Shape
from shared.contracts.traits import AppVersion, Attributes, Locale, TimeZone

EXAMPLE: dict[str, JsonValue] = {
    "user_id": "user-1",
    "platform": "android",
    "target": {"kind": "token", "value": "eXo2:APA91bF"},
    "locale": "ko-KR",
    "time_zone": "Asia/Seoul",
    "app_version": "3.12.0",
    "attributes": {"plan": "pro", "city": "Seoul", "score": 71, "topics": ["sale", "news"]},
}
EXAMPLE_READ: dict[str, JsonValue] = {
    "id": 42,
    "user_id": "user-1",
    "platform": "android",
    "project": "default",
    "target": {"kind": "token", "start": "eXo2:A", "hash": "3c2f0b7d1f1f9a0e6cc1f6a5b1c7d2e4"},
    "active": True,
    "suppressed": False,
    "locale": "ko-KR",
    "time_zone": "Asia/Seoul",
    "app_version": "3.12.0",
    "attributes": {"plan": "pro", "city": "Seoul", "score": 71, "topics": ["sale", "news"]},
    "last_seen": "2026-11-22T09:00:00Z",
    "moved_at": None,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-11-22T09:00:00Z",
}


class NewTarget(Shape):
    """Where FCM finds the device: a registration token, or an installation id."""

    kind: Literal["token", "fid"]
    value: TargetValue


class NewDevice(Shape):
    """A device, and what is known of it; what is left out or null stays as it is."""

    user_id: UserId
    platform: Literal["android", "ios", "web"]
    target: NewTarget
    project: ProjectName | None = Field("default", description="null leaves it as it is, `default` for a new device")
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    app_version: AppVersion | None = None
    last_seen: Moment | None = Field(None, description="When the app was last seen, where that is not now")
    attributes: Attributes | None = Field(
        None, description="In place of all there were; one that is null stays as it is; `{}` for none"
    )

    def line(self) -> KnownDeviceLine:
        """The same as an import has it."""
        target = Target(self.target.kind, self.target.value)
        others = {name: getattr(self, name) for name in type(self).model_fields if name != "target"}
        return KnownDeviceLine(target=target, **others)


class TargetOf(Shape):
    """A device by its target, for who knows no number."""

    target: NewTarget


class TargetRead(BaseModel):
    """A target without what would let anybody send to it."""

    kind: Literal["token", "fid"]
    start: str = Field(description="Its first characters")
    hash: str = Field(description="The first 16 bytes of SHA-256 over `<kind>:<value>`, in hexadecimal")


class Device(BaseModel):
    """A device of the registry."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_READ]})

    id: int
    user_id: str
    platform: Literal["android", "ios", "web"]
    project: str
    target: TargetRead
    active: bool = Field(
        description="Whether it is sent to; FCM's word that a target is dead ends that, a new upsert begins it"
    )
    suppressed: bool = Field(description="Whether it or its user must never be sent to")
    locale: str | None
    time_zone: str | None
    app_version: str | None
    attributes: dict[str, Any]
    last_seen: datetime = Field(description="When it was last upserted, to five minutes, or as an import said")
    moved_at: datetime | None = Field(description="When its target last became another user's")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read the registry's row."""
        columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        target = TargetRead(kind=row.target_kind, start=row.target_start, hash=row.target_hash)
        return cls.model_validate({**columns, "target": target, "attributes": row.attributes or {}})


class DevicePage(BaseModel):
    """A page of a user's devices, the newest first."""

    items: list[Device]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last")


class Forgotten(BaseModel):
    """What was deleted of a user, and what was not."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"devices": 3, "lists": 1, "campaigns": 2, "suppressed": False}]}
    )

    devices: int = Field(description="Devices deleted")
    lists: int = Field(description="Uploaded lists that the user was taken out of")
    campaigns: int = Field(description="Campaigns whose user ids the user was taken out of")
    suppressed: bool = Field(description="Whether the user stays on the suppression list, which is a promise")
