"""Consumes results: collects deliveries into windows, merges each window, then acks it as a prefix."""

import asyncio
from collections.abc import Sequence

import structlog

from services.aggregator.merging import Merger, Poison
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.decoding import decode
from shared.amqp.delivery import Delivery
from shared.amqp.subscription import Subscription
from shared.contracts.messages import BatchResult
from shared.errors import MalformedMessageError, UnavailableError
from shared.observability import metrics, traces

log = structlog.get_logger()

RETRY = 1.0
"""Seconds between attempts at the same window while PostgreSQL or the broker cannot be reached."""


class WindowConsumer:
    """One window at a time, so that what is acked is always a contiguous prefix of what was delivered."""

    def __init__(self, subscription: Subscription, merger: Merger, dead: DeadLetters, *, size: int, age: float) -> None:
        self._subscription = subscription
        self._merger = merger
        self._dead = dead
        self._size = size
        self._age = age
        self._stopping = False
        self._taken = 0
        self._handled = 0

    @property
    def in_flight(self) -> int:
        """Results in the window that is being merged."""
        return self._taken

    @property
    def handled(self) -> int:
        """Results that were merged or dead-lettered since the start."""
        return self._handled

    @property
    def consuming(self) -> bool:
        """Whether the consumer is registered and not draining."""
        return not self._stopping and self._subscription.consuming

    async def run(self) -> None:
        """Merge windows until cancelled; waits while the broker is down or the queue missing or forbidden."""
        await self._subscription.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._subscription.keep(), name="results-keep")
            group.create_task(self._merge(), name="results-merge")

    async def _merge(self) -> None:
        while True:
            window = await self._gather(await self._subscription.deliveries.get())
            self._taken = len(window)
            await self._take(window)
            self._handled += self._taken
            self._taken = 0
            for _ in window:
                self._subscription.deliveries.task_done()

    async def stop(self, budget: float) -> None:
        """Finish what was delivered within `budget` seconds; what is left returns to the queue."""
        self._stopping = True
        await self._subscription.stop_taking()
        try:
            async with asyncio.timeout(budget):
                await self._subscription.deliveries.join()
        except TimeoutError:
            log.warning("consumer.drain_timeout", left=self._subscription.deliveries.qsize())
        await self._subscription.close()

    async def _gather(self, first: Delivery) -> list[Delivery]:
        window = [first]
        deadline = asyncio.get_running_loop().time() + (0.0 if self._stopping else self._age)
        while len(window) < self._size:
            try:
                async with asyncio.timeout_at(deadline):
                    window.append(await self._subscription.deliveries.get())
            except TimeoutError:
                break
        return window

    async def _take(self, window: Sequence[Delivery]) -> None:
        """Merge what can be decoded, dead-letter the rest, then ack all; retries while servers are down."""
        readable: list[BatchResult] = []
        poison: list[Poison] = []
        origin: dict[int, Delivery] = {}
        for delivery in window:
            if delivery.redelivered:
                metrics.REDELIVERIES.labels(self._subscription.name).inc()
            try:
                delivery.check_returns()
                result = decode(delivery, BatchResult)
            except MalformedMessageError as error:
                poison.append(Poison(delivery, str(error)))
            else:
                origin[id(result)] = delivery
                readable.append(result)
        with traces.merged(delivery.traceparent for delivery in window):
            poison += await self._insist_on_merge(readable, origin)
        for bad in poison:
            await self._insist_on_burial(bad)
        for last in {delivery.channel: delivery for delivery in window}.values():
            await last.ack(multiple=True)

    async def _insist_on_merge(self, results: list[BatchResult], origin: dict[int, Delivery]) -> list[Poison]:
        while True:
            try:
                failed = await self._merger.merge(results)
            except UnavailableError as error:
                log.warning("window.held", size=len(results), error=str(error))
                await asyncio.sleep(RETRY)
            else:
                return [Poison(origin[id(result)], reason) for result, reason in failed]

    async def _insist_on_burial(self, bad: Poison) -> None:
        while not bad.delivery.stale:
            try:
                await self._dead.bury(bad.delivery, queue=self._subscription.name, reason=bad.reason)
            except UnavailableError as error:
                log.warning("burial.held", error=str(error))
                await asyncio.sleep(RETRY)
            else:
                return
