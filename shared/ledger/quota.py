"""The quota governor: when the next n messages of a lane may start.

A generic cell rate algorithm with one clock for the project and one for each lane, all in seconds of PostgreSQL's time.
A lane may book ahead of now by its tolerance, the higher lanes further than the lower, so that under saturation the
high lane is served first; a lane whose floor is due is admitted whatever the others do, the sooner the later it is, so
that the low lane still moves. A denial writes nothing and tells the exact wait. Any n is admitted, however large: what
is limited is the start, and what follows waits longer.

A lane's clock says when its floor is due again. It pays by its floor only for what it takes while its floor is due;
what it takes besides was left by the others, and is free. So no clock is further ahead than one batch at the floor's
rate, however long the lane was alone, and a lane that has to share has its share at once.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from shared.topology import Lane

TOLERANCE = {Lane.HIGH: 0.75, Lane.NORMAL: 0.5, Lane.LOW: 0.25}
"""Seconds that a lane may book ahead: what a batch waits at most once it is booked, so lower lanes cannot hold high up.
Longer, and the batches that wait would be all that the senders can hold, whatever their lane; shorter than a claim
takes, and the quota would go unused."""
WEIGHT = {Lane.HIGH: 0.7, Lane.NORMAL: 0.2, Lane.LOW: 0.1}
"""Share of the rate that is a lane's floor: with tolerances alone the lower lanes would starve."""
FLOOR_SLACK = 0.25
"""Seconds past the high lane's tolerance up to which a lane whose floor is due is admitted."""
CREDIT = 0.25
"""Seconds that a lane may be late and still make up for, and two batches' length besides: those of the other lanes may
be in its way, the longest; where nothing is booked nobody is, and its own count. Without it every late ask costs a part
of the share; a lane that was idle has all of it at once."""
BELIEVED = 2.0
"""Batches at the floor's rate beyond which a clock tells nothing. One is what a booking writes, and the rate may have
risen since; services of the version before wrote any debt, hours of it."""


def shares(lanes: Collection[Lane]) -> dict[Lane, float]:
    """Share of the rate that each of these lanes has while all of them are full and the others empty.

    The floors, and what no floor takes goes to the highest.

    >>> shares([Lane.HIGH, Lane.LOW])
    {<Lane.HIGH: 'high'>: 0.9, <Lane.LOW: 'low'>: 0.1}
    """
    first, *rest = [lane for lane in Lane if lane in lanes]
    return {first: 1.0 - sum(WEIGHT[lane] for lane in rest), **{lane: WEIGHT[lane] for lane in rest}}


@dataclass(frozen=True, slots=True)
class Clocks:
    """A project's row: theoretical arrival times in seconds, its rate in messages a second, its pause.

    `longest`: messages that one booking has at most.
    """

    rate: float
    longest: int
    tat: float
    lanes: dict[Lane, float]
    paused_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Booked:
    """Admitted: start `wait` seconds from now."""

    clocks: Clocks
    start: float
    wait: float


@dataclass(frozen=True, slots=True)
class Denied:
    """Not yet: ask again in `wait` seconds."""

    wait: float


def book(clocks: Clocks, *, now: float, lane: Lane, messages: int) -> Booked | Denied:
    """Book `messages` of a lane at `now`; pure."""
    base = max(clocks.tat, now, clocks.paused_until)
    ahead = base - now
    batch = clocks.longest / clocks.rate
    credit = CREDIT + 2 * (batch if ahead > 0 else messages / clocks.rate)
    own = clocks.lanes[lane]
    if not now - credit <= own <= now + BELIEVED * batch / WEIGHT[lane]:
        own = now - credit
    late = now - own
    if ahead <= TOLERANCE[lane] or (late >= 0 and ahead <= TOLERANCE[Lane.HIGH] + FLOOR_SLACK * late / credit):
        length = messages / clocks.rate
        if late >= 0:
            own += length / WEIGHT[lane]
        booked = replace(clocks, tat=base + length, lanes={**clocks.lanes, lane: own})
        return Booked(booked, start=base, wait=ahead)
    # A moment from now its floor is later, and the project's clock less far ahead: until the two meet.
    steep = FLOOR_SLACK / credit
    meet = (ahead - TOLERANCE[Lane.HIGH] - steep * late) / (1 + steep)
    until_floor = max(-late, meet, ahead - TOLERANCE[Lane.HIGH] - FLOOR_SLACK)
    return Denied(wait=min(ahead - TOLERANCE[lane], until_floor))
