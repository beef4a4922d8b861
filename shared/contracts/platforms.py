"""Each platform's own part of a push, under FCM's own names.

Every shape refuses fields it does not know, naming the likely one meant: FCM answers a misspelt field with a 400
for each device of the campaign. Lifetimes are not here, since they follow from the campaign's deadline.
"""

import difflib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, field_serializer, model_validator
from pydantic_core import PydanticCustomError

_IN_URL = r"[^\s\x00-\x20\x7f-\xa0\ufeff]+"
"""No space and no control character; spelled out, since dialects of patterns disagree on what a space is."""
Url = Annotated[str, Field(pattern=rf"^https?://{_IN_URL}$", max_length=2048)]
Duration = Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,9})?s$")]
AnalyticsLabel = Annotated[str, Field(pattern=r"^[a-zA-Z0-9\-_.~%]{1,50}$")]
Share = Annotated[float, Field(ge=0, le=1)]

OURS = {
    "ttl": "set ttl_seconds on the campaign",
    "apns-expiration": "set ttl_seconds on the campaign",
    "TTL": "set ttl_seconds on the campaign",
}
"""Fields of FCM that the campaign decides, and where."""


class Shape(BaseModel):
    """Some part of FCM's message; frozen, strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _know_every_field(cls, value: Any) -> Any:
        if isinstance(value, dict):
            known = [info.alias or name for name, info in cls.model_fields.items()]
            for name in sorted(map(str, value.keys() - set(known))):
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean '{close[0]}'?" if close else f"known are {', '.join(known)}"
                raise PydanticCustomError(
                    "unknown_field",
                    "unknown field '{name}': {hint}",
                    {"name": name[:100], "hint": OURS.get(name, hint)},
                )
        return value

    def wire(self) -> dict[str, Any]:
        """The shape as FCM reads it: only what was set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Hyphenated(Shape):
    """A shape whose names on the wire have hyphens."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))


class Color(Shape):
    """A colour as shares of 1."""

    red: Share = 0.0
    green: Share = 0.0
    blue: Share = 0.0
    alpha: Share = 1.0


class LightSettings(Shape):
    """The blinking light of an Android notification."""

    color: Color
    light_on_duration: Duration
    light_off_duration: Duration


class AndroidNotification(Shape):
    """An Android notification; what is absent comes from the campaign's title, body and image."""

    title: str | None = None
    body: str | None = None
    icon: str | None = None
    color: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    sound: str | None = None
    tag: str | None = None
    click_action: str | None = None
    body_loc_key: str | None = None
    body_loc_args: list[str] | None = None
    title_loc_key: str | None = None
    title_loc_args: list[str] | None = None
    channel_id: str | None = None
    image: Url | None = None
    ticker: str | None = None
    sticky: bool | None = None
    event_time: AwareDatetime | None = None
    local_only: bool | None = None
    notification_priority: (
        Literal["PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"] | None
    ) = None
    vibrate_timings: list[Duration] | None = None
    default_vibrate_timings: bool | None = None
    default_sound: bool | None = None
    light_settings: LightSettings | None = None
    default_light_settings: bool | None = None
    visibility: Literal["PRIVATE", "PUBLIC", "SECRET"] | None = None
    notification_count: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    proxy: Literal["ALLOW", "DENY", "IF_PRIORITY_LOWERED"] | None = None

    @field_serializer("event_time", when_used="json-unless-none")
    def _in_utc(self, moment: datetime) -> str:
        """The form in which Google's own client writes it."""
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AndroidOptions(Shape):
    """`fcm_options` of Android."""

    analytics_label: AnalyticsLabel | None = None


class Android(Shape):
    """`message.android`. `priority` overrides what follows from the campaign's."""

    collapse_key: str | None = None
    priority: Literal["high", "normal"] | None = None
    restricted_package_name: str | None = None
    data: dict[str, str] | None = None
    notification: AndroidNotification | None = None
    fcm_options: AndroidOptions | None = None
    direct_boot_ok: bool | None = None
    bandwidth_constrained_ok: bool | None = None
    restricted_satellite_ok: bool | None = None


class ApnsHeaders(Hyphenated):
    """Headers for Apple's service, whose limit on the collapse id is 64 bytes."""

    apns_priority: Literal["1", "5", "10"] | None = None
    apns_collapse_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")] | None = None
    apns_topic: str | None = None
    apns_push_type: Literal["alert", "background", "liveactivity", "location", "voip"] | None = None

    @model_validator(mode="after")
    def _background_is_never_urgent(self) -> "ApnsHeaders":
        if self.apns_push_type == "background" and self.apns_priority == "10":
            raise PydanticCustomError("apns_priority", "Apple refuses apns-priority 10 for a background push: use 5")
        return self


class Aps(Hyphenated):
    """Apple's dictionary in the payload."""

    alert: str | dict[str, JsonValue] | None = None
    badge: int | None = None
    sound: str | dict[str, JsonValue] | None = None
    category: str | None = None
    thread_id: str | None = None
    content_available: Literal[0, 1] | None = None
    mutable_content: Literal[0, 1] | None = None
    interruption_level: Literal["passive", "active", "time-sensitive", "critical"] | None = None
    relevance_score: Share | None = None
    target_content_id: str | None = None
    filter_criteria: str | None = None
    timestamp: int | None = None
    event: Literal["start", "update", "end"] | None = None
    stale_date: int | None = None
    dismissal_date: int | None = None
    content_state: dict[str, JsonValue] | None = None
    attributes: dict[str, JsonValue] | None = None
    attributes_type: str | None = None


class ApnsPayload(Shape):
    """`aps` and, beside it, any keys of the app's own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, JsonValue]

    aps: Aps | None = None

    @model_validator(mode="before")
    @classmethod
    def _know_every_field(cls, value: Any) -> Any:
        return value


class ApnsOptions(Shape):
    """`fcm_options` of Apple's platforms."""

    analytics_label: AnalyticsLabel | None = None
    image: Url | None = None


class Apns(Shape):
    """`message.apns`."""

    headers: ApnsHeaders | None = None
    payload: ApnsPayload | None = None
    fcm_options: ApnsOptions | None = None
    live_activity_token: str | None = None


class WebpushHeaders(Shape):
    """Headers of the web push protocol."""

    Urgency: Literal["very-low", "low", "normal", "high"] | None = None
    Topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_]{1,32}$")] | None = None


class WebpushAction(Shape):
    """A button of a web notification."""

    action: str
    title: str
    icon: str | None = None


class WebpushNotification(Shape):
    """A web notification; what is absent comes from the campaign's title, body and image."""

    title: str | None = None
    body: str | None = None
    icon: str | None = None
    image: str | None = None
    badge: str | None = None
    actions: list[WebpushAction] | None = None
    data: JsonValue = None
    dir: Literal["auto", "ltr", "rtl"] | None = None
    lang: str | None = None
    renotify: bool | None = None
    require_interaction: bool | None = Field(None, alias="requireInteraction")
    silent: bool | None = None
    tag: str | None = None
    timestamp: int | None = None
    vibrate: list[int] | None = None


class WebpushOptions(Shape):
    """`fcm_options` of the web."""

    link: Annotated[str, Field(pattern=rf"^https://{_IN_URL}$", max_length=2048)] | None = None


class Webpush(Shape):
    """`message.webpush`."""

    headers: WebpushHeaders | None = None
    data: dict[str, str] | None = None
    notification: WebpushNotification | None = None
    fcm_options: WebpushOptions | None = None
