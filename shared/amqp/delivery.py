"""A delivered message that is not yet acked, and the queue of all of them.

An ack on a dead channel is dropped: the broker delivers again, and handlers are idempotent.
"""

import asyncio

import structlog
from aio_pika.abc import AbstractIncomingMessage

from shared.amqp.connection import TROUBLE, in_words, not_cancelled
from shared.errors import MalformedMessageError
from shared.observability import traces
from shared.request_id import MESSAGE_HEADER
from shared.topology import DELIVERY_LIMIT

log = structlog.get_logger()

ACQUIRED_HEADER = "x-acquired-count"
"""How often RabbitMQ 4.3 has delivered the message before; earlier versions have no such header."""


class Delivery:
    """One delivered message, not yet acked; `arrived` is its arrival by the event loop's clock."""

    __slots__ = ("_channel", "_message", "arrived")

    def __init__(self, message: AbstractIncomingMessage, arrived: float = 0.0) -> None:
        """Keep the channel now: aio-pika's message no longer returns it once it is closed."""
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

    def check_returns(self) -> None:
        """Raise `MalformedMessageError` if it was delivered more often than the delivery limit allows.

        RabbitMQ 4.3 counts deliveries that come back with a closed channel. It does not count those that it takes back
        itself from a consumer that holds them too long (`consumer_timeout`): only another header shows them. Earlier
        versions count both.
        """
        acquired = self._message.headers.get(ACQUIRED_HEADER)
        if isinstance(acquired, int) and acquired > DELIVERY_LIMIT:
            raise MalformedMessageError(f"it was delivered {acquired} times before, and never finished")

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
        """Whether its channel is closed: the broker has requeued the message, and our ack would have no effect."""
        return bool(self._channel.is_closed)

    async def ack(self, *, multiple: bool = False) -> None:
        """Ack it, and with `multiple` all before it on its channel; on a dead channel nothing happens."""
        try:
            with not_cancelled():
                await self._message.ack(multiple=multiple)
        except TROUBLE as error:
            log.warning("delivery.ack_lost", error=in_words(error))


class DeliveryQueue(asyncio.Queue[Delivery]):
    """Deliveries that are not finished; `task_done` marks one as finished."""

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
