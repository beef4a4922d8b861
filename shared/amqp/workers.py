"""A handler over a subscription: handlers return or raise, and only this loop acks.

| the handler | then |
|---|---|
| returns | ack |
| raises `MalformedMessageError` | confirmed copy in `dead`, ack |
| raises `UnavailableError` | hold, back off, try again; after a minute let every message return and start afresh |
| raises anything else | the same a few times, then `dead`: a poison message stops nobody |
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aio_pika.abc import AbstractRobustConnection

from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.subscription import Subscription
from shared.errors import BrokerUnavailableError, MalformedMessageError, UnavailableError
from shared.observability import metrics, traces
from shared.request_id import caused_by

log = structlog.get_logger()

Handler = Callable[[Delivery], Awaitable[None]]

HOLD = 60.0
"""Seconds a message is held while the infrastructure is down; RabbitMQ cancels consumers that hold a message for 30
minutes, and another process may be able to handle it."""
BACKOFF = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts on the same message; the last one repeats."""
CRASHES = 3
"""Attempts on a message whose handler fails for no known reason, before it is a dead letter."""


class WorkerPool:
    """`workers` tasks that take from one queue with a prefetch of `prefetch`."""

    def __init__(
        self,
        connection: AbstractRobustConnection,
        queue: str,
        handler: Handler,
        dead: DeadLetters,
        *,
        workers: int,
        prefetch: int,
    ) -> None:
        self._queue = queue
        self._handler = handler
        self._dead = dead
        self._workers = workers
        self.subscription = Subscription(connection, queue, prefetch=prefetch)
        self._tasks: list[asyncio.Task[None]] = []
        self._in_flight = 0
        self._handled = 0
        self._stopping = asyncio.Event()
        self._restart = asyncio.Lock()

    @property
    def consuming(self) -> bool:
        """Whether the consumer is registered, for readiness."""
        return self.subscription.consuming

    @property
    def in_flight(self) -> int:
        """Messages that are being handled."""
        return self._in_flight

    @property
    def handled(self) -> int:
        """Messages that were handled since the start."""
        return self._handled

    async def run(self) -> None:
        """Consume until cancelled or drained; a worker that dies takes the pool with it.

        A broker that is away is waited for, and a queue that is missing or not ours.
        """
        await self.subscription.start()
        if self._stopping.is_set():
            return
        async with asyncio.TaskGroup() as group:
            self._tasks.append(group.create_task(self.subscription.keep(), name=f"{self._queue}-keep"))
            for number in range(self._workers):
                task = group.create_task(self._work(), name=f"{self._queue}-{number}")
                self._tasks.append(task)

    async def stop(self, budget: float) -> bool:
        """Take no more, finish what was delivered within `budget` seconds; True if all of it was.

        What is left then returns to the queue with the channel.
        """
        self._stopping.set()
        await self.subscription.stop_taking()
        clean = True
        try:
            async with asyncio.timeout(budget):
                await self.subscription.deliveries.join()
        except TimeoutError:
            clean = False
            log.warning("consumer.drain_timeout", queue=self._queue, in_flight=self._in_flight)
        for task in self._tasks:
            task.cancel()
        await self.subscription.close()
        return clean

    async def _work(self) -> None:
        while True:
            delivery = await self.subscription.deliveries.get()
            self._in_flight += 1
            try:
                with caused_by(delivery.request_id), traces.handled(delivery, self._queue):
                    await self._handle(delivery)
            finally:
                self._in_flight -= 1
                self._handled += 1
                self.subscription.deliveries.task_done()

    async def _handle(self, delivery: Delivery) -> None:
        if delivery.redelivered:
            metrics.REDELIVERIES.labels(self._queue).inc()
        crashes = tries = 0
        while not delivery.stale:
            try:
                delivery.check_returns()
                await self._handler(delivery)
            except MalformedMessageError as error:
                if not await self._bury(delivery, str(error)):
                    continue
            except UnavailableError as error:
                log.warning("message.held", queue=self._queue, error=str(error))
                if asyncio.get_running_loop().time() - delivery.arrived > HOLD:
                    await self._start_afresh(delivery)
                    return
                await asyncio.sleep(BACKOFF[min(tries, len(BACKOFF) - 1)])
                tries += 1
                continue
            except Exception as error:
                crashes += 1
                log.exception("message.crashed", queue=self._queue, attempt=crashes)
                if crashes < CRASHES:
                    await asyncio.sleep(BACKOFF[crashes])
                    continue
                if not await self._bury(delivery, f"{type(error).__name__}: {error}"):
                    continue
            await delivery.ack()
            return

    async def _bury(self, delivery: Delivery, reason: str) -> bool:
        try:
            await self._dead.bury(delivery, queue=self._queue, reason=reason)
        except BrokerUnavailableError:
            await asyncio.sleep(BACKOFF[-1])
            return False
        return True

    async def _start_afresh(self, delivery: Delivery) -> None:
        """Close the channel, so that every held message returns to the broker, and consume again."""
        async with self._restart:
            if delivery.stale or self._stopping.is_set():
                return
            log.warning("consumer.letting_go", queue=self._queue, held_for=HOLD)
            await self.subscription.close()
            await asyncio.sleep(BACKOFF[-1])
            if not self._stopping.is_set():
                await self.subscription.start()  # not ready meanwhile
