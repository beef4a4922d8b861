"""How many requests a key may make: a token bucket for each, in this process.

Each process of the API counts for itself: with N of them behind a balancer a key may make N times as many. It is there
so that one caller's loop cannot take the API from the others, not for billing.
"""

import math
from dataclasses import dataclass

from services.api.access.roles import Principal

WINDOW = 2.0
"""Seconds of the rate that may come at once: a page that opens asks for a dozen things."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key after a request; `wait` None: it may go on."""

    quota: int
    remaining: int
    reset: int
    wait: float | None

    def headers(self) -> dict[str, str]:
        """`RateLimit` fields: so many requests in so many seconds, and what is left until when."""
        return {
            "RateLimit-Policy": f'"key";q={self.quota};w={math.ceil(WINDOW)}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset}',
        }


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limits:
    """The buckets; `default` requests a second for keys without a rate of their own."""

    def __init__(self, default: float) -> None:
        self._default = default
        self._buckets: dict[int, _Bucket] = {}

    def take(self, principal: Principal, *, now: float) -> Allowance:
        """Take a token of the key's, at `now` of a monotonic clock."""
        rate = principal.rate or self._default
        size = max(1.0, rate * WINDOW)
        bucket = self._buckets.setdefault(principal.key_id, _Bucket(size, now))
        bucket.tokens = min(size, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        wait = None
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
        else:
            wait = (1.0 - bucket.tokens) / rate
        return Allowance(
            quota=int(size),
            remaining=int(bucket.tokens),
            reset=math.ceil((size - bucket.tokens) / rate),
            wait=wait,
        )
