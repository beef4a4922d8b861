"""FCM's quota of a project: a bucket filled to the brim at the start of each window, not drop by drop."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.fcm_emulator.script import Quota


class Bucket:
    """The messages a project may still send in this window; the first message starts it, not the clock."""

    __slots__ = ("_capacity", "_left", "_refills_at", "_window", "per_minute")

    def __init__(self, quota: Quota) -> None:
        self._window = quota.window
        self._capacity = max(1, round(quota.per_second * quota.window))
        self._left = 0
        self._refills_at = 0.0
        self.per_minute = round(quota.per_second * 60)

    def take(self, now: float) -> bool:
        """Take one message's worth; False when the bucket is empty."""
        if now >= self._refills_at:
            self._left = self._capacity
            self._refills_at = now + self._window
        if self._left:
            self._left -= 1
            return True
        return False

    def retry_after(self, now: float) -> int:
        """Return whole seconds until the refill, at least one."""
        return max(1, ceil(self._refills_at - now))
