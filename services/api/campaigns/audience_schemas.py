"""Audiences that are named by the ledger itself: devices by number, and what became of an earlier campaign's."""

from typing import Annotated, Literal

from pydantic import Field

from shared.contracts.numbers import MAX_ID, WHOLE
from shared.contracts.platforms import Shape

MAX_DEVICES = 500
"""Devices by number in one call: a batch. Tests and dry runs need no more."""

Outcome = Literal["skipped", "cancelled", "expired", "dead", "unknown", "rejected", "unregistered", "accepted"]
"""What may have become of a device; in a finished campaign none is pending."""


Number = Annotated[int, Field(ge=1, le=MAX_ID, strict=True), WHOLE]


class Devices(Shape):
    """These devices, as far as they are active."""

    kind: Literal["devices"]
    device_ids: Annotated[list[Number], Field(max_length=MAX_DEVICES)]


class FollowUp(Shape):
    """The devices of a finished campaign with one of these outcomes, as far as they are active."""

    kind: Literal["follow_up"]
    campaign_id: Number
    outcomes: Annotated[list[Outcome], Field(min_length=1, max_length=8)]
