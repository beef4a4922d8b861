"""Deliveries of one queue, put into an `asyncio.Queue`.

aiormq runs every delivery callback as a task that belongs to its channel, and closing the channel cancels it. So the
callback only passes the delivery on; the work is done by tasks of our own. An ack on a closed channel is dropped: the
broker delivers again, and handlers are idempotent.
"""

import asyncio
import math

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.amqp.connection import CHECK, DECLARE, REFUSALS, TROUBLE, in_words, not_cancelled, patiently
from shared.amqp.consumer import Consumer
from shared.amqp.delivery import Delivery, DeliveryQueue
from shared.amqp.depth import RENEW
from shared.errors import BrokerRefusedError, BrokerUnavailableError, QueueMissingError

log = structlog.get_logger()

TURNS_OF_A_DELIVERY = 5
"""Turns of the event loop, more than aiormq's task needs between a frame and our callback; fewer, and a delivery that
a drain has not seen goes back to the broker."""
NOTICED = 0.05
"""Seconds between two checks of a connection that is lost while aio-pika has not noticed it yet."""


class Subscription:
    """A consumer of one queue with a prefetch, registered again whenever it ends, until it is told to stop.

    `start` registers it. `keep`, a loop of its owner, registers it again: after a lost connection, when the queue was
    deleted and exists again, and when the broker ended it because a message was held too long. RabbitMQ 3.10 does not
    report the end when a quorum queue is deleted and declared again at once: `forgotten` detects that.
    """

    def __init__(self, connection: AbstractRobustConnection, queue: str, *, prefetch: int) -> None:
        self._connection = connection
        self._queue_name = queue
        self._prefetch = prefetch
        self._consumer: Consumer | None = None
        self._registered = False
        self._wanted = False
        self._left = False
        self.absent = False
        """Whether the broker answered at the last attempt that there is no such queue."""
        self.forbidden = False
        """Whether it answered that this user may not consume it."""
        self._opening = asyncio.Lock()
        self._lost = asyncio.Event()
        self._idle_since: int | None = None
        self.deliveries = DeliveryQueue()

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue_name

    @property
    def consuming(self) -> bool:
        """Whether a consumer is registered on a live connection, for readiness."""
        return self._registered and self._connection.connected.is_set()

    @property
    def waiting(self) -> bool:
        """Whether it wants to consume and does not: the broker has not registered it, or has ended its connection."""
        return self._wanted and not self.consuming

    @property
    def room(self) -> bool:
        """Whether it would take a message if there were one, and wants to."""
        return self._wanted and (not self._registered or self.deliveries.unfinished < self._prefetch)

    def forgotten(self, *, ready: int, consumers: int) -> bool:
        """Whether the broker does not know our consumer, judged by two checks of its queue in a row.

        Messages wait, none was delivered between the checks, and none is unacked here.
        """
        waiting = ready > 0 and self.deliveries.unfinished == 0
        before, self._idle_since = self._idle_since, self.deliveries.taken if waiting else None
        starved = waiting and before == self.deliveries.taken
        return (
            self._wanted and self._connection.connected.is_set() and (not self._registered or consumers == 0 or starved)
        )

    async def start(self) -> None:
        """Consume, waiting until `stop_taking` for a broker that is away, or a queue that is missing or not ours."""
        self._wanted = True
        await patiently(self._start, within=math.inf)

    async def keep(self) -> None:
        """Consume again whenever the consumer has ended, for ever."""
        while True:
            await self._lost.wait()
            self._lost.clear()
            while not self._connected():
                await self._connection.connected.wait()
                await asyncio.sleep(NOTICED)
            if self._wanted and not self._left:
                await patiently(self._start, within=math.inf)

    def _connected(self) -> bool:
        transport = self._connection.transport
        return transport is not None and not transport.connection.is_closed

    async def _start(self) -> None:
        async with self._opening:
            if self._wanted and not self._registered:  # else stopped meanwhile, or started by somebody else
                await self._close()
                if self._left:
                    raise BrokerUnavailableError(f"Queue {self._queue_name} is left alone until it is repaired.")
                try:
                    await self._open()
                except BrokerRefusedError as error:  # readiness names it, and somebody may mend it
                    raise BrokerUnavailableError(str(error)) from error

    async def let_go(self) -> None:
        """Close the channel until `start_again`.

        RabbitMQ may close a connection that consumes from a queue without a leader, and with it the other consumers.
        """
        if not self._left:
            log.warning("consumer.let_go", queue=self._queue_name)
        self._left = True
        await self._close()

    async def start_again(self) -> None:
        """Consume on a new channel; what was unacked on the old one returns to the queue.

        Raises `BrokerUnavailableError` after one try.
        """
        async with self._opening:
            self._left = False
            await self._close()
            await self._open()

    async def _open(self) -> None:
        what = f"Queue {self._queue_name} cannot be consumed"
        # Known before it is registered: whoever stops or lets go meanwhile closes it.
        consumer = self._consumer = Consumer(
            self._queue_name, prefetch=self._prefetch, take=self._take, on_end=self._ended
        )
        try:
            with not_cancelled():
                await consumer.register(self._connection)
        except TROUBLE as error:
            await self._close()
            self.absent = isinstance(error, ChannelNotFoundEntity)
            self.forbidden = isinstance(error, ChannelAccessRefused)
            if self.absent:
                raise QueueMissingError(f"{what}: {in_words(error)}. {DECLARE}") from error
            if isinstance(error, REFUSALS):
                raise BrokerRefusedError(
                    f"{what}: {in_words(error)}. {f'{RENEW}.' if self.forbidden else DECLARE}"
                ) from error
            raise BrokerUnavailableError(f"{what}: {in_words(error)}. {CHECK}") from error
        self.absent = self.forbidden = False
        self._registered = self._consumer is consumer
        if not self._registered:  # let go meanwhile
            await consumer.close()
        elif not self._wanted:  # stopped meanwhile
            await self._close()

    def _ended(self, consumer: Consumer, why: str) -> None:
        if consumer is self._consumer and self._registered:
            log.warning("consumer.ended", queue=self._queue_name, why=why)
            self._registered = False
            self._lost.set()

    async def stop_taking(self) -> None:
        """Cancel the consumer; what was delivered stays ours to finish."""
        self._wanted = False
        if self._consumer is not None and self._registered:
            self._registered = False
            try:
                with not_cancelled():
                    await self._consumer.cancel()
            except TROUBLE as error:
                log.warning("subscription.cancel_lost", queue=self._queue_name, error=in_words(error))
            # What came before the broker's answer is still on its way to us through a task of aiormq's.
            for _ in range(TURNS_OF_A_DELIVERY):
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Close the channel; whatever is unacked returns to the queue."""
        self._wanted = False
        await self._close()

    async def _close(self) -> None:
        self._registered = False
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            delivery = Delivery(message, asyncio.get_running_loop().time())
        except TROUBLE:
            return  # its channel closed before this task ran: the broker has it again
        self.deliveries.put_nowait(delivery)
