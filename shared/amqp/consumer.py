"""One consumer on its own channel of an open connection: it ends with either of them, and reports its end once.

It never registers itself again, as aio-pika's robust queue does: when the broker cancels a consumer, that queue
consumes again at once under the same tag. RabbitMQ 4.3 cancels a consumer that holds a message for too long
(`consumer_timeout`), and closes the whole connection when a tag is used a second time (530). Up to 4.2 the broker
closes the channel instead (406).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import aiormq
from aio_pika import IncomingMessage
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aiormq.abc import AbstractChannel, DeliveredMessage

from shared.amqp.connection import CLOSE_TIMEOUT, close, in_words

OPEN_TIMEOUT = 15.0
"""Seconds to register a consumer: a broker that needs longer counts as not answering."""


class Consumer:
    """Passes deliveries of `queue` to `take`, up to `prefetch` unacked; `on_end` gets the reason of its end."""

    def __init__(
        self,
        queue: str,
        *,
        prefetch: int,
        take: Callable[[AbstractIncomingMessage], Awaitable[None]],
        on_end: Callable[["Consumer", str], None],
    ) -> None:
        self._queue = queue
        self._prefetch = prefetch
        self._take = take
        self._on_end = on_end
        self._channel: AbstractChannel | None = None
        self._tag: str | None = None
        self._over = False

    async def register(self, connection: AbstractRobustConnection) -> None:
        """Open the channel and consume; raises what the broker or a broken connection says."""
        async with asyncio.timeout(OPEN_TIMEOUT):
            transport = connection.transport
            if transport is None:
                raise ConnectionError("the connection is being opened again")
            channel = self._channel = await transport.connection.channel(publisher_confirms=False)
            channel.closing.add_done_callback(self._closed)
            channel.on_consumer_cancel_callbacks.add(partial(self._ended, "the broker cancelled it"))
            await channel.basic_qos(prefetch_count=self._prefetch)
            self._tag = (await channel.basic_consume(self._queue, self._deliver)).consumer_tag
        if self._over:
            raise ConnectionError("the consumer ended as soon as it was registered")

    async def cancel(self) -> None:
        """Stop consuming; what was delivered can still be acked. Raises as `register`."""
        channel, tag = self._channel, self._tag
        if channel is not None and tag is not None and not self._over:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await channel.basic_cancel(tag)

    async def close(self) -> None:
        """Close the channel: whatever is unacked returns to the queue."""
        self._over = True
        if self._channel is not None:
            await close(self._channel)

    async def _deliver(self, message: DeliveredMessage) -> None:
        await self._take(IncomingMessage(message))

    def _closed(self, closing: "asyncio.Future[object]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self._ended(in_words(error) if error is not None else "its channel was closed")

    def _ended(self, why: str, _frame: aiormq.spec.Basic.Cancel | None = None) -> None:
        if not self._over:
            self._over = True
            self._on_end(self, why)
