"""What a campaign says to a device: a notification, data, and each platform's own fields."""

import json
import math
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from shared.contracts.messages import LaneName
from shared.contracts.platforms import AnalyticsLabel, Android, Apns, Shape, Url, Webpush

MAX_PAYLOAD = 4096
"""Bytes of keys and values that FCM takes for one device."""

RESERVED_KEYS = frozenset({"from", "gcm", "message_type"})
RESERVED_PREFIXES = ("google", "gcm.")


class PushContent(Shape):
    """The message of a campaign, the same for every device but for its target.

    `replace`: a repeat of the same campaign replaces the notification that a device already shows.
    """

    title: Annotated[str, Field(min_length=1, max_length=100)]
    body: Annotated[str, Field(min_length=1)]
    image: Url | None = None
    data: dict[str, str] = Field(default_factory=dict)
    priority: LaneName = "normal"
    android: Android | None = None
    apns: Apns | None = None
    webpush: Webpush | None = None
    analytics_label: AnalyticsLabel | None = None
    replace: bool = True

    @field_validator("data")
    @classmethod
    def _no_reserved_key(cls, data: dict[str, str]) -> dict[str, str]:
        for key in data:
            check_data_key(key)
        return data

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for platform in (self.android, self.webpush):
            for key in platform.data if platform and platform.data else ():
                check_data_key(key)
        check_storable(self.model_dump())
        sizes = self.payload_sizes()
        widest = max(sizes, key=lambda platform: sizes[platform])
        if sizes[widest] > MAX_PAYLOAD:
            raise PydanticCustomError(
                "payload_too_large",
                "the payload is {size} bytes as {platform} gets it; FCM takes {limit}: shorten title, body or data",
                {"size": sizes[widest], "platform": widest, "limit": MAX_PAYLOAD},
            )
        return self

    def notification(self) -> dict[str, str]:
        """The part that every platform shows."""
        shown = {"title": self.title, "body": self.body}
        return {**shown, "image": self.image} if self.image else shown

    def payload_size(self) -> int:
        """Bytes of the payload on the platform where it is largest."""
        return max(self.payload_sizes().values())

    def payload_sizes(self) -> dict[str, int]:
        """Bytes by platform: keys, values and the JSON around them, so slightly more than FCM counts."""
        shown = self.notification()
        android = self.android.wire() if self.android else {}
        apns = self.apns.wire().get("payload", {}) if self.apns else {}
        webpush = self.webpush.wire() if self.webpush else {}
        alert = {"alert": {"title": self.title, "body": self.body}}
        return {
            "android": _size({**shown, **android.get("notification", {})}, android.get("data", self.data)),
            "apns": _size({**self.data, **apns, "aps": {**alert, **apns.get("aps", {})}}),
            "webpush": _size({**shown, **webpush.get("notification", {})}, webpush.get("data", self.data)),
        }


def check_data_key(key: str) -> None:
    """Refuse a key of `data` that FCM keeps for itself."""
    if not key or key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES):
        raise PydanticCustomError(
            "reserved_key",
            "data key '{key}' is empty or reserved by FCM (from, gcm*, google*, message_type): rename it",
            {"key": key[:100]},
        )


def check_storable(value: Any) -> None:
    """Refuse what JSON or PostgreSQL cannot hold: NUL characters and numbers that are not finite."""
    if isinstance(value, dict):
        for key, item in value.items():
            check_storable(key)
            check_storable(item)
    elif isinstance(value, list):
        for item in value:
            check_storable(item)
    elif (isinstance(value, str) and "\0" in value) or (isinstance(value, float) and not math.isfinite(value)):
        raise PydanticCustomError("not_storable", "text holds a NUL character, or a number is not finite")


def _size(*parts: dict[str, Any]) -> int:
    return sum(len(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()) for part in parts if part)
