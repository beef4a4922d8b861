"""Batches to their lanes with confirms, then the stamp; results of what the planner ended itself."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby

from services.planner.store import Store
from shared.amqp.publisher import Publisher
from shared.contracts.messages import BatchReady, BatchResult
from shared.observability import metrics
from shared.topology import BATCHES, RESULTS


class Publishing:
    """Publishes after the commit. A crash before the stamp leaves rows `planned`, and they are published again."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self._store = store
        self._publisher = publisher

    async def publish(self, batches: Sequence[BatchReady]) -> None:
        """Publish references, then stamp those that the broker confirmed; raises `BrokerUnavailableError`."""
        answers = await asyncio.gather(
            *(self._publisher.publish(batch, BATCHES, f"new.{batch.lane}") for batch in batches),
            return_exceptions=True,
        )
        confirmed = [batch for batch, answer in zip(batches, answers, strict=True) if answer is None]
        for _, group in groupby(confirmed, key=lambda batch: batch.campaign_id):
            await self._stamp(list(group))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def report(self, results: Iterable[BatchResult]) -> None:
        """Publish results; what is not confirmed is published again from the ledger by a later sweep."""
        await asyncio.gather(*(self._publisher.publish(result, RESULTS, "result.planner") for result in results))

    async def _stamp(self, batches: list[BatchReady]) -> None:
        await self._store.stamp(batches)
        metrics.BATCHES_PUBLISHED.labels(batches[0].lane).inc(len(batches))
