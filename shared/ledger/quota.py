"""The quota governor: when the next n messages of a lane may start.

A generic cell rate algorithm with one clock for the project and one for each lane, all in seconds of PostgreSQL's
time. A lane may run ahead of now by its tolerance, the higher lanes further than the lower, so that under saturation
the high lane is served first; a lane that is behind its own floor rate gets in whatever the others do, so that the
low lane still moves. A denial writes nothing and tells the exact wait. Any n is admitted, however large: what is
limited is the start, and what follows waits longer.
"""

from dataclasses import dataclass, replace

from shared.topology import Lane

TOLERANCE = {Lane.HIGH: 0.75, Lane.NORMAL: 0.5, Lane.LOW: 0.25}
"""Seconds that a lane may book ahead: what a batch waits at most once it is booked, so lower lanes cannot hold high up.
Longer, and the batches that wait would be all that the senders can hold, whatever their lane; shorter than a claim
takes, and the quota would go unused. Simulated, all lanes saturated at 10,000/s: 7,150 / 2,000 / 1,000."""
WEIGHT = {Lane.HIGH: 0.7, Lane.NORMAL: 0.2, Lane.LOW: 0.1}
"""Share of the rate that is a lane's floor. Tolerances alone starve the lower lanes."""
FLOOR_SLACK = 0.25
"""Seconds past the high lane's tolerance up to which a lane behind its floor is admitted."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """A project's row: theoretical arrival times in seconds, its rate in messages a second, its pause."""

    rate: float
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
    floor = max(clocks.lanes[lane], now)
    ahead = base - now
    over = TOLERANCE[Lane.HIGH] + FLOOR_SLACK
    if ahead <= TOLERANCE[lane] or (floor <= now and ahead <= over):
        tat = base + messages / clocks.rate
        own = floor + messages / (WEIGHT[lane] * clocks.rate)
        booked = replace(clocks, tat=tat, lanes={**clocks.lanes, lane: own})
        return Booked(booked, start=base, wait=ahead)
    until_tolerance = ahead - TOLERANCE[lane]
    until_floor = max(floor - now, ahead - over)
    return Denied(wait=min(until_tolerance, until_floor))
