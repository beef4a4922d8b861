"""The window: how much of a campaign may be under way. Pure."""

from dataclasses import dataclass
from datetime import datetime

from shared import clock
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
SPREAD = 1.0
"""Seconds that a batch of a campaign with a rate of its own takes. The project's quota is booked at its start, so what
is still to be sent comes on top of what others book: half of this in seconds of the quota, when all are such. Shorter,
and a window holds more batches that senders take, may not send yet and give back."""
STEP_SECONDS = 1.0
"""Seconds of flow that one step plans: the next may come before they are stamped, and does not see them as open."""
LEAST_STEP = 20
"""Batches of one step however little flows, where the window has room: a step costs a dozen round trips."""
STEP_BATCHES = 50
"""Batches of one step at most: 25,000 devices, tens of milliseconds, so campaigns take turns and a crash repeats
little; with more than 100, PostgreSQL would sort them on disk (a `work_mem` of 4 MB)."""


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
    return deadline is not None and deadline <= clock.now()


def batch_size(rate: float | None) -> int:
    """Devices in a batch: the largest, or a second's worth of a campaign's own rate."""
    if rate is None:
        return MAX_BATCH
    return max(1, min(MAX_BATCH, int(rate * SPREAD)))


def flow(window: Window, rate: float | None) -> float:
    """Messages a second that a campaign may expect: its share, or its own rate where that is less."""
    return window.flow if rate is None else min(rate, window.flow)


def step(flowing: float, size: int) -> int:
    """Batches that one step may publish when so many messages flow in a second."""
    return min(STEP_BATCHES, max(LEAST_STEP, int(STEP_SECONDS * flowing / size)))


def room(window: Window, campaign: Room) -> int:
    """Batches that may be published now; never negative. Without any flow one may be open: it carries the probe."""
    if campaign.over:
        return max(0, ENDING - window.open)
    if window.flow <= 0:
        return max(0, 1 - window.open)
    flowing = flow(window, campaign.rate)
    allowed = max(LEAST, int(SECONDS[campaign.lane] * flowing / campaign.size))
    if window.held > max(LEAST, HELD_SECONDS * flowing / campaign.size):
        return 0
    return max(0, allowed - window.open)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be done for a campaign now: `room` batches published, `step` at once, new ones of `size` devices.

    `fresh`: whether batches may be cut at all.
    """

    room: int
    step: int
    size: int
    fresh: bool

    @property
    def publish(self) -> int:
        """Batches that one step may publish."""
        return min(self.room, self.step)

    @property
    def full(self) -> bool:
        """Whether this step uses up the window, so that the next one has to wait."""
        return self.room <= self.step

    def cut(self, taken: int) -> int:
        """Batches that a step may cut once it has taken so many that were planned before."""
        return self.publish - taken if self.fresh else 0


def allowance(window: Window, *, lane: Lane, rate: float | None, deadline: datetime | None) -> Allowance:
    """What a campaign's window allows. Without any flow nothing is cut while some batches wait: one probe is enough."""
    size, over = batch_size(rate), is_over(deadline)
    left = room(window, Room(lane=lane, rate=rate, size=size, over=over))
    at_once = step(flow(window, rate), size)
    return Allowance(room=left, step=at_once, size=size, fresh=over or window.flow > 0 or not window.held)
