"""Claiming a batch: the claim, and the wait for the quota before it."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from services.sender.ledger_clock import LedgerClock
from services.sender.store import Store
from shared.contracts.messages import BatchReady
from shared.ledger.claiming import Claim, NoClaim
from shared.observability import metrics

LONGEST_HOLD = 20.0
"""Seconds that a batch waits here for quota; one that must wait longer goes back to the planner."""
STOPPED_HOLD = 1.0
"""The same when the project is stopped: its messages would fill the lane and stop every other project's."""
ASK_AGAIN = 2.0
"""Seconds after which a claim is asked for again, however long the wait was said to be: rates and pauses change."""


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim with its times on this process's clock."""

    claim: Claim
    start_at: float
    stop_at: float


class Claimer:
    """Claims batches for `holder`; once `draining` is set, batches that wait are given back."""

    def __init__(self, store: Store, *, holder: str, draining: asyncio.Event) -> None:
        self._store = store
        self._holder = holder
        self._draining = draining
        self._clock = LedgerClock()
        self._own_rate: set[int] = set()
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def claim(self, batch: BatchReady) -> HeldClaim | None:
        """Claim the batch, waiting a while for quota; None when there is nothing to send and the message is done.

        Of the batches of one project and lane one claims at a time: while the quota is used up all would get the same
        answer.
        """
        loop = asyncio.get_running_loop()
        arrived = loop.time()
        while True:
            async with self._turns[batch.project, batch.lane]:
                if self._draining.is_set():
                    await self._give_back(batch, wait=0.0)
                    return None
                before = loop.time()
                claim = await self._store.claim(batch, self._holder)
                after = loop.time()
                if isinstance(claim, Claim):
                    return self._held(claim, batch, arrived=arrived, before=before, after=after)
                if isinstance(claim, NoClaim):
                    metrics.CLAIMS.labels(batch.lane, claim.value).inc()
                    return None
                too_long = claim.wait > STOPPED_HOLD if claim.stopped else after - arrived + claim.wait > LONGEST_HOLD
                if too_long:
                    await self._give_back(batch, wait=claim.wait)
                    return None
                if not claim.own:
                    await self._pause(min(claim.wait, ASK_AGAIN))
            if claim.own and not await self._wait_own(batch.campaign_id, claim.wait):
                await self._give_back(batch, wait=claim.wait)
                return None

    async def _wait_own(self, campaign_id: int, wait: float) -> bool:
        """Wait for the campaign's own rate; False when another of its batches waits here already.

        Otherwise a few slow campaigns would fill the lane with batches that wait, and stop every other campaign.
        """
        if campaign_id in self._own_rate:
            return False
        self._own_rate.add(campaign_id)
        try:
            await self._pause(min(wait, ASK_AGAIN))
        finally:
            self._own_rate.remove(campaign_id)
        return True

    async def _give_back(self, batch: BatchReady, *, wait: float) -> None:
        """Give the batch back to the planner for `wait` seconds: nothing was booked for it."""
        await self._store.give_back(batch, wait=wait)
        metrics.CLAIMS.labels(batch.lane, "given_back").inc()

    def _held(self, claim: Claim, batch: BatchReady, *, arrived: float, before: float, after: float) -> HeldClaim:
        """The claim with its times on our clock."""
        metrics.CLAIMS.labels(batch.lane, "claimed").inc()
        metrics.QUOTA_WAIT.labels(batch.lane).observe(after - arrived + claim.start_in)
        metrics.BOOKED_AHEAD.labels(batch.lane).observe(claim.start_in)
        self._clock.read(claim.booked_at, before=before, after=after)
        start_at = self._clock.ours(claim.booked_at + claim.start_in)
        # The lease is counted from before the claim: whatever the clocks do, it ends no later than it does.
        return HeldClaim(claim, start_at=start_at, stop_at=before + claim.stop_in)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not through a drain."""
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return
