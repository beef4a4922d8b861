"""Deliveries of one queue, put into an `asyncio.Queue` of ours.

aio-pika runs every delivery callback as a task that belongs to its channel, and closing the channel cancels it. So
the callback only hands the delivery over; work is done by tasks of our own, and an ack on a dead channel is dropped:
the broker delivers again, and handlers are idempotent.
"""

import asyncio
import math

import structlog
from aio_pika.abc import (
    AbstractIncomingMessage,
    AbstractRobustChannel,
    AbstractRobustConnection,
    AbstractRobustQueue,
)
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.amqp.connection import (
    CHECK,
    CLOSE_TIMEOUT,
    DECLARE,
    REFUSALS,
    TROUBLE,
    close,
    in_words,
    not_cancelled,
    patiently,
)
from shared.errors import BrokerRefusedError, BrokerUnavailableError, QueueMissingError
from shared.observability import traces
from shared.request_id import MESSAGE_HEADER

log = structlog.get_logger()

TURNS_OF_A_DELIVERY = 5
"""Turns of the event loop, more than aio-pika's two tasks need between a frame and our callback; fewer, and a delivery
that a drain has not seen goes back to the broker."""
OPEN_TIMEOUT = 15.0
"""Seconds to open a subscription: a broker that needs longer is silent."""


class Delivery:
    """One message in our hands, unacked; it `arrived` at that time of the event loop."""

    __slots__ = ("_channel", "_message", "arrived")

    def __init__(self, message: AbstractIncomingMessage, arrived: float = 0.0) -> None:
        """Take the channel now: aio-pika's message does not give it any more once it is closed."""
        self._message = message
        self._channel = message.channel
        self.arrived = arrived

    @property
    def body(self) -> bytes:
        """The raw body."""
        return self._message.body

    @property
    def kind(self) -> str | None:
        """The envelope's `type`."""
        return self._message.type

    @property
    def routing_key(self) -> str:
        """The key it was published with."""
        return self._message.routing_key or ""

    @property
    def request_id(self) -> str | None:
        """The request that caused it, if one did."""
        told = self._message.headers.get(MESSAGE_HEADER)
        return told if isinstance(told, str) else None

    @property
    def redelivered(self) -> bool:
        """Whether the broker has delivered it before."""
        return bool(self._message.redelivered)

    @property
    def traceparent(self) -> str | None:
        """The trace that it belongs to, if one does."""
        told = self._message.headers.get(traces.MESSAGE_HEADER)
        return told if isinstance(told, str) else None

    @property
    def channel(self) -> object:
        """Identity of the channel it came on: an ack of many covers one channel only."""
        return self._channel

    @property
    def stale(self) -> bool:
        """Whether its channel is gone: the broker has it again, and our ack would go nowhere."""
        return bool(self._channel.is_closed)

    async def ack(self, *, multiple: bool = False) -> None:
        """Ack it, and with `multiple` all before it on its channel; on a dead channel nothing happens."""
        try:
            await self._message.ack(multiple=multiple)
        except TROUBLE as error:
            log.warning("delivery.ack_lost", error=in_words(error))


class Hand(asyncio.Queue[Delivery]):
    """Deliveries that somebody has to finish; `task_done` says that one is."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.unfinished = 0

    def put_nowait(self, item: Delivery) -> None:
        """Take one more."""
        super().put_nowait(item)
        self.taken += 1
        self.unfinished += 1

    def task_done(self) -> None:
        """One is finished."""
        super().task_done()
        self.unfinished -= 1


class Subscription:
    """A channel of its own that consumes one queue with a prefetch, until it is told to stop.

    aio-pika consumes again after a lost connection and after the broker has said that the queue was deleted. RabbitMQ
    3.10 does not say so of a quorum queue that is declared again at once: `forgotten` finds that out.
    """

    def __init__(self, connection: AbstractRobustConnection, queue: str, *, prefetch: int) -> None:
        self._connection = connection
        self._queue_name = queue
        self._prefetch = prefetch
        self._channel: AbstractRobustChannel | None = None
        self._queue: AbstractRobustQueue | None = None
        self._tag: str | None = None
        self._wanted = False
        self._left = False
        self.absent = False
        """Whether the broker said at the last try that there is no such queue."""
        self.forbidden = False
        """Whether it said that this user may not consume it."""
        self._opening = asyncio.Lock()
        self._idle_since: int | None = None
        self.deliveries = Hand()

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue_name

    @property
    def consuming(self) -> bool:
        """Whether a consumer is registered on a live connection, for readiness."""
        return self._tag is not None and self._connection.connected.is_set()

    @property
    def waiting(self) -> bool:
        """Whether it wants to consume and does not: the broker has not registered it, or has ended its connection."""
        return self._wanted and not self.consuming

    @property
    def room(self) -> bool:
        """Whether it would take a message if there were one, and wants to."""
        return self._wanted and (self._tag is None or self.deliveries.unfinished < self._prefetch)

    def forgotten(self, *, ready: int, consumers: int) -> bool:
        """Whether the broker does not know our consumer, told by two looks at its queue in a row.

        Messages wait, nothing came between the looks, and nothing is in our hands.
        """
        waiting = ready > 0 and self.deliveries.unfinished == 0
        before, self._idle_since = self._idle_since, self.deliveries.taken if waiting else None
        starved = waiting and before == self.deliveries.taken
        return self._wanted and self._connection.connected.is_set() and (self._tag is None or consumers == 0 or starved)

    async def start(self) -> None:
        """Declare the queue passively and consume, waiting until `stop_taking` for a broker or a queue that is away.

        Raises `BrokerRefusedError` with what to do if the queue is not ours to consume.
        """
        self._wanted = True
        await patiently(self._start, within=math.inf)

    async def _start(self) -> None:
        async with self._opening:
            if self._wanted and self._tag is None:  # else stopped meanwhile, or started by somebody else
                await self._close()
                if self._left:
                    raise BrokerUnavailableError(f"Queue {self._queue_name} is left alone until it is repaired.")
                try:
                    await self._open()
                except QueueMissingError as error:  # it was there at the start: it is put back, or readiness names it
                    raise BrokerUnavailableError(str(error)) from error

    async def let_go(self) -> None:
        """Close the channel until `start_again`.

        After a lost connection aio-pika keeps none of its channels while one of them asks for a queue that is missing,
        and RabbitMQ may end the connection of who asks for one that has no leader.
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
        try:
            with not_cancelled():
                async with asyncio.timeout(OPEN_TIMEOUT):
                    # Known before it is open: whoever stops or starts again meanwhile closes it.
                    channel = self._channel = self._connection.channel(publisher_confirms=False)
                    await channel.initialize(timeout=OPEN_TIMEOUT)
                    await channel.set_qos(prefetch_count=self._prefetch)
                    queue = await channel.declare_queue(self._queue_name, passive=True, timeout=OPEN_TIMEOUT)
                    tag = await queue.consume(self._take, timeout=OPEN_TIMEOUT)
        except TROUBLE as error:
            await self._close()  # or aio-pika opens it again
            self.absent = isinstance(error, ChannelNotFoundEntity)
            self.forbidden = isinstance(error, ChannelAccessRefused)
            if isinstance(error, ChannelNotFoundEntity):
                raise QueueMissingError(f"{what}: {in_words(error)}. {DECLARE}") from error
            if isinstance(error, REFUSALS):
                raise BrokerRefusedError(f"{what}: {in_words(error)}. {DECLARE}") from error
            raise BrokerUnavailableError(f"{what}: {in_words(error)}. {CHECK}") from error
        self.absent = self.forbidden = False
        if self._channel is channel:
            self._queue, self._tag = queue, tag
        if not self._wanted:  # stopped meanwhile
            await self._close()

    async def stop_taking(self) -> None:
        """Cancel the consumer; what was delivered stays ours to finish."""
        self._wanted = False
        if self._queue is not None and self._tag is not None:
            tag, self._tag = self._tag, None
            try:
                # aio-pika would wait for a lost connection, however long; asked, it does not consume on the next one.
                async with asyncio.timeout(CLOSE_TIMEOUT if self._connection.connected.is_set() else 0):
                    await self._queue.cancel(tag)
            except TROUBLE as error:
                log.warning("subscription.cancel_lost", queue=self._queue_name, error=in_words(error))
            # What came before the broker's answer is still on its way to us through tasks of aio-pika's.
            for _ in range(TURNS_OF_A_DELIVERY):
                await asyncio.sleep(0)

    async def close(self) -> None:
        """Close the channel; whatever is unacked returns to the queue."""
        self._wanted = False
        await self._close()

    async def _close(self) -> None:
        self._tag = None
        channel, self._channel = self._channel, None
        if channel is not None:
            await close(channel)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        try:
            delivery = Delivery(message, asyncio.get_running_loop().time())
        except TROUBLE:
            return  # its channel closed before this task ran: the broker has it again
        self.deliveries.put_nowait(delivery)
