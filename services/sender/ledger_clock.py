"""PostgreSQL's time on this process's monotonic clock, exact to the shortest round trip. Pure.

Quota starts are in PostgreSQL's seconds. Counted from the end of each claim they would be late by that claim's own
round trip, 2 to 20 ms, and so the starts of several senders would overlap and leave gaps of that size. Every reading of
PostgreSQL's clock was made between two readings of ours; many such readings leave little room for the difference.
"""

from collections import deque

READINGS = 64
"""Readings that are kept: they span seconds of work, in which no clock drifts by a millisecond."""


class LedgerClock:
    """The difference between both clocks, as the latest that all recent readings allow: late rather than early."""

    def __init__(self) -> None:
        self._earliest: deque[float] = deque(maxlen=READINGS)
        self._latest: deque[float] = deque(maxlen=READINGS)

    def read(self, ledger: float, *, before: float, after: float) -> None:
        """PostgreSQL said `ledger` at some moment between `before` and `after` of ours."""
        if self._latest and (before - ledger > min(self._latest) or after - ledger < max(self._earliest)):
            # No difference fits old and new readings: one of the clocks was set.
            self._earliest.clear()
            self._latest.clear()
        self._earliest.append(before - ledger)
        self._latest.append(after - ledger)

    def ours(self, ledger: float) -> float:
        """Our time at PostgreSQL's `ledger`; only after a reading."""
        return ledger + min(self._latest)
