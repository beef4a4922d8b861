"""Merging: a window of results into the ledger; poison results are found by halving the window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from services.aggregator.store import Store
from shared.amqp.delivery import Delivery
from shared.contracts.messages import BatchResult
from shared.errors import MalformedMessageError
from shared.ledger import merging
from shared.observability import metrics

log = structlog.get_logger()

Failed = tuple[BatchResult, str]


@dataclass(frozen=True, slots=True)
class Poison:
    """A delivery that can never be merged, and why."""

    delivery: Delivery
    reason: str


class Merger:
    """Merges windows; `on_events` is called after a commit that may have queued events."""

    def __init__(self, store: Store, *, on_events: Callable[[], None]) -> None:
        self._store = store
        self._on_events = on_events

    async def merge(self, results: Sequence[BatchResult]) -> list[Failed]:
        """Merge all that can be merged; returns the rest with reasons.

        Raises `UnavailableError` when PostgreSQL cannot be reached; nothing of the failing part was committed then.
        """
        if not results:
            return []
        try:
            await self._merge_window(results)
        except (MalformedMessageError, DBAPIError) as error:  # of the latter only what is about the data
            if len(results) == 1:
                log.warning("result.poison", campaign_id=results[0].campaign_id, batch_no=results[0].batch_no)
                return [(results[0], str(error))]
            half = len(results) // 2
            return await self.merge(results[:half]) + await self.merge(results[half:])
        return []

    async def _merge_window(self, results: Sequence[BatchResult]) -> None:
        window = merging.fold(results)
        started = time.perf_counter()
        merged = await self._store.merge(window)
        metrics.MERGE_SECONDS.observe(time.perf_counter() - started)
        metrics.MERGE_BATCHES.observe(len(window))
        for name, moved in merged.moved.items():
            if moved > 0:
                metrics.DEVICES.labels(name).inc(moved)
        metrics.DEACTIVATED.inc(merged.deactivated)
        self._on_events()
        for campaign_id in merged.completed:
            log.info("campaign.completed", campaign_id=campaign_id)
