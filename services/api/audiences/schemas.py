"""A campaign's audience as operators write it and read it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.engine import Row

from services.api.devices.lines import UserId
from shared.contracts.numbers import MAX_ID, WHOLE
from shared.contracts.platforms import Shape
from shared.contracts.segments import SegmentFilter

MAX_USERS = 10_000
"""User ids in one call: about 400 kB; larger audiences are lists to upload, not calls."""
MAX_EXCLUDED = 10
"""Lists, and segments, that one audience leaves out: each is looked at for each device."""

MAX_DEVICES = 500
"""Devices by number in one call: a batch. Tests and dry runs need no more."""

Outcome = Literal["skipped", "cancelled", "expired", "dead", "unknown", "rejected", "unregistered", "accepted"]
"""What may have become of a device; in a finished campaign none is pending."""

Number = Annotated[int, Field(ge=1, le=MAX_ID, strict=True), WHOLE]


class Exclusion(Shape):
    """Who is left out: users, members of lists, devices of segments."""

    user_ids: Annotated[list[UserId] | None, Field(min_length=1, max_length=MAX_USERS)] = None
    list_ids: Annotated[list[Number] | None, Field(min_length=1, max_length=MAX_EXCLUDED)] = None
    segment_ids: Annotated[list[Number] | None, Field(min_length=1, max_length=MAX_EXCLUDED)] = None

    @model_validator(mode="after")
    def _leaves_out_something(self) -> Self:
        if not (self.user_ids or self.list_ids or self.segment_ids):
            raise PydanticCustomError("no_exclusion", "give user_ids, list_ids or segment_ids, or leave 'exclude' out")
        return self


class Excluding(Shape):
    """An audience that may leave some out."""

    exclude: Exclusion | None = None


class Everyone(Excluding):
    """Every active device."""

    kind: Literal["all"]


class ChosenUsers(Excluding):
    """Every active device of some users; none is allowed, and completes at once."""

    kind: Literal["users"]
    user_ids: Annotated[list[UserId], Field(max_length=MAX_USERS)]

    def distinct(self) -> list[str]:
        """The ids, each once, in the order given."""
        return list(dict.fromkeys(self.user_ids))


class InList(Excluding):
    """Every active device of an uploaded list's users. The send seals the list: it takes nobody any more."""

    kind: Literal["list"]
    list_id: Number


class InSegment(Excluding):
    """Every active device that meets a filter: a saved segment's, copied at the send, or the one given here."""

    kind: Literal["segment"]
    segment_id: Number | None = None
    filter: SegmentFilter | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.segment_id is None) == (self.filter is None):
            raise PydanticCustomError("one_of", "give either segment_id or filter")
        return self


class ChosenDevices(Shape):
    """These devices, as far as they are active."""

    kind: Literal["devices"]
    device_ids: Annotated[list[Number], Field(max_length=MAX_DEVICES)]


class FollowUp(Shape):
    """The devices of a finished campaign with one of these outcomes, as far as they are active."""

    kind: Literal["follow_up"]
    campaign_id: Number
    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=8)]


Audience = Annotated[
    Everyone | ChosenUsers | InList | InSegment | ChosenDevices | FollowUp, Field(discriminator="kind")
]


def as_stored(audience: Shape) -> dict[str, Any]:
    """The audience as the ledger keeps it."""
    stored = audience.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(audience, ChosenUsers):
        stored["user_ids"] = audience.distinct()
    return stored


class UnknownUsers(BaseModel):
    """Users of an audience who have no active device now; they are not an error, they may have one when it is sent."""

    count: int
    sample: list[str] = Field(description="The first of them")


class ExclusionRead(BaseModel):
    """Who is left out."""

    user_count: int = Field(0, description="Users by id")
    list_ids: list[int] = []
    segment_ids: list[int] = []


class AudienceRead(BaseModel):
    """For whom a campaign is."""

    kind: Literal["all", "users", "list", "segment", "devices", "follow_up"]
    user_count: int | None = Field(None, description="Of `users`: how many different ones")
    sample: list[str] | None = Field(None, description="Of `users`: the first ten")
    list_id: int | None = Field(None, description="Of `list`: which")
    segment_id: int | None = Field(None, description="Of `segment`: which, unless the filter was given")
    filter: dict[str, Any] | None = Field(None, description="Of `segment`: the filter given, or the one sent to")
    device_count: int | None = Field(None, description="Of `devices`: how many")
    campaign_id: int | None = Field(None, description="Of `follow_up`: the finished campaign")
    outcomes: list[str] | None = Field(None, description="Of `follow_up`: which of its devices")
    exclude: ExclusionRead | None = None
    frozen_at: str | None = Field(
        None, description="Since when changes of lists and segments no longer count: the send"
    )
    unknown_users: UnknownUsers | None = Field(None, description="Only in the answer to the creation")

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read the ledger's row, whose `audience_rest` is the audience without its ids of users and devices."""
        rest = row.audience_rest
        frozen = rest.get("frozen", {})
        read = cls(
            kind=rest["kind"],
            device_count=row.audience_devices,
            list_id=rest.get("list_id"),
            segment_id=rest.get("segment_id"),
            filter=frozen.get("filter", rest.get("filter")),
            campaign_id=rest.get("campaign_id"),
            outcomes=rest.get("outcomes"),
            frozen_at=frozen.get("at"),
        )
        if read.kind == "users":
            read.user_count, read.sample = row.audience_size, row.audience_sample
        if "exclude" in rest:
            read.exclude = ExclusionRead(user_count=row.audience_excluded or 0, **rest["exclude"])
        return read


EMPTY_READ: dict[str, Any] = {name: None for name in AudienceRead.model_fields if name != "kind"}
"""For examples: an audience's members that have nothing to tell."""
