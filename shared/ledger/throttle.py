"""What lowers a project's rate below its quota: the ramp after idleness and the cut after a 429. Pure.

FCM asks for a ramp from nothing to the full rate over a minute or more, and answers 429 when a quota is used up. The
rate in force is the least of the quota, the ramp and what a cut has recovered to: additive increase, multiplicative
decrease, on PostgreSQL's clock, so that every sender books at the same rate.
"""

from dataclasses import dataclass, replace

IDLE = 60.0
"""Seconds without bookings after which the next one starts a ramp."""
RAMP_FLOOR = 0.05
"""Share of the quota that a ramp starts from: FCM's default allows 500/s at once."""
CUT = 0.7
"""What a 429 leaves of the rate in force."""
CUT_FLOOR = 0.01
"""Share of the quota below which no cut goes."""
ONE_CUT = 5.0
"""Seconds in which further 429s belong to the same overload: requests in flight when the first one came."""
RECOVERY = 120.0
"""Seconds in which a cut of everything would be recovered from."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """A project's quota in messages a second, and since when and how it is lowered (seconds of PostgreSQL's time)."""

    quota: float
    ramp_from: float = 0.0
    cut_rate: float | None = None
    cut_at: float = 0.0


def rate_in_force(throttle: Throttle, *, now: float, ramp: float) -> float:
    """Messages a second that may be booked at `now`; `ramp`: seconds from nothing to the quota, 0 for none."""
    rate = throttle.quota
    if ramp > 0:
        risen = RAMP_FLOOR + (1 - RAMP_FLOOR) * max(0.0, now - throttle.ramp_from) / ramp
        rate = min(rate, throttle.quota * risen)
    if throttle.cut_rate is not None:
        rate = min(rate, throttle.cut_rate + throttle.quota * max(0.0, now - throttle.cut_at) / RECOVERY)
    return rate


def after_rest(throttle: Throttle, *, last: float, now: float) -> Throttle:
    """Start a ramp if nothing was booked since `last` for long enough."""
    return replace(throttle, ramp_from=now) if now - last > IDLE else throttle


def cut(throttle: Throttle, *, now: float, ramp: float) -> Throttle:
    """Cut the rate after a 429 of the project's quota; the same overload cuts once."""
    if throttle.cut_rate is not None and now - throttle.cut_at < ONE_CUT:
        return throttle
    lowered = max(throttle.quota * CUT_FLOOR, rate_in_force(throttle, now=now, ramp=ramp) * CUT)
    return replace(throttle, cut_rate=lowered, cut_at=now)
