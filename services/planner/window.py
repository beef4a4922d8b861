"""The window: how much of a campaign may be under way. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from shared.contracts.messages import MAX_BATCH
from shared.ledger.planning import Window
from shared.topology import Lane

SECONDS = {Lane.HIGH: 15.0, Lane.NORMAL: 30.0, Lane.LOW: 30.0}
"""Seconds of flow that may be open: enough to ride out a stalled planner, little enough to cancel and re-prioritise."""
HELD_SECONDS = 600.0
"""Seconds of flow that may wait for retries or a paused project before planning stops."""
ENDING = 200
"""Batches that may be open past the deadline: nothing is sent any more, so neither quota nor FCM's trouble counts."""
LEAST = 2
"""Batches always allowed, so that the slowest campaign still moves."""
SPREAD = 10.0
"""Seconds that a batch of a campaign with a rate of its own should take: smaller batches keep it steady."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the window depends on: the lane, the campaign's own rate (messages a second) and its batch size.

    `over`: past its deadline.
    """

    lane: Lane
    rate: float | None
    size: int
    over: bool = False


def is_over(deadline: datetime | None) -> bool:
    """Whether a deadline has passed."""
    return deadline is not None and deadline <= datetime.now(UTC)


def batch_size(rate: float | None) -> int:
    """Devices in a batch: the largest, or ten seconds' worth of a campaign's own rate."""
    if rate is None:
        return MAX_BATCH
    return max(1, min(MAX_BATCH, int(rate * SPREAD)))


def room(window: Window, campaign: Room) -> int:
    """Batches that may be published now; never negative. Without any flow one may be open: it carries the probe."""
    if campaign.over:
        return max(0, ENDING - window.open)
    flow = window.flow if campaign.rate is None else min(campaign.rate, window.flow)
    if window.flow <= 0:
        return max(0, 1 - window.open)
    allowed = max(LEAST, int(SECONDS[campaign.lane] * flow / campaign.size))
    if window.held > max(LEAST, HELD_SECONDS * flow / campaign.size):
        return 0
    return max(0, allowed - window.open)
