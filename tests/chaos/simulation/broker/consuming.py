"""A channel of aiormq's, as far as `shared.amqp` looks and consumes on it: it ends with its connection, for good."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from aio_pika.exceptions import ChannelInvalidStateError, ChannelNotFoundEntity
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from tests.chaos.simulation.broker.queue import Consumer, Message, Queue, Unacked

if TYPE_CHECKING:
    from tests.chaos.simulation.broker.client import Connection

Callback = Callable[[DeliveredMessage], Coroutine[Any, Any, Any]]

MOMENT = 1e-9
"""Seconds between two deliveries of a channel: timers of the same time have no order."""


class ConsumingChannel:
    """One channel, on the connection as it is."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._broker = connection.broker
        self._loop = connection.loop
        self._weather = connection.boundary.weather
        self._process = connection.boundary.process
        self._prefetch = 0
        self._tags = 0
        self._unacked: dict[int, Unacked] = {}
        self._arrives_at = 0.0
        self._taking: dict[str, tuple[Queue, Consumer]] = {}
        self.closing: asyncio.Future[None] = connection.loop.create_future()
        self.on_consumer_cancel_callbacks: set[Any] = set()
        connection.channels.append(self)

    @property
    def is_closed(self) -> bool:
        """Whether it is gone."""
        return self.closing.done()

    async def queue_declare(self, name: str, *, passive: bool, **_timeout: object) -> Any:
        """How deep a queue is that is there already."""
        assert passive
        queue = self._find(name)
        return await self._connection.crossing(
            "queue depth",
            lambda: SimpleNamespace(message_count=len(queue.ready), consumer_count=len(queue.consumers)),
        )

    async def basic_qos(self, *, prefetch_count: int) -> None:
        """Limit the messages in hand."""
        self._prefetch = prefetch_count

    async def basic_consume(self, name: str, callback: Callback) -> spec.Basic.ConsumeOk:
        """Register a consumer."""
        queue, tag = self._find(name), f"{self._process.name}/{name}"
        consumer = Consumer(tag, self._room, functools.partial(self._hand, callback))

        def register() -> None:
            if self.is_closed:
                raise ChannelInvalidStateError
            self._taking[tag] = queue, consumer
            self._broker.consume(queue, consumer)

        await self._connection.crossing("consume", register)
        return spec.Basic.ConsumeOk(tag)

    async def basic_cancel(self, tag: str) -> None:
        """Take nothing more; what was handed out before the broker's answer still comes."""

        def cancel() -> None:
            if (taking := self._taking.pop(tag, None)) is not None:
                self._broker.cancel(*taking)

        await self._connection.crossing("cancel", cancel)
        await asyncio.sleep(self._arrives_at - self._loop.time())

    async def basic_ack(self, delivery_tag: int, multiple: bool = False, **_wait: object) -> None:
        """Send an ack on its way; nobody answers one."""
        if self.is_closed:
            raise ChannelInvalidStateError
        await self._connection.boundary.call(
            "ack", lambda: self._acked(delivery_tag, multiple=multiple), self._connection.lost
        )

    async def close(self) -> None:
        """Close it: what is unacked returns."""
        self.break_off()

    def break_off(self) -> None:
        """Lose the channel, as the broker sees it at once."""
        if self.is_closed:
            return
        self.closing.set_result(None)
        self._connection.channels.remove(self)
        for queue, consumer in self._taking.values():
            self._broker.cancel(queue, consumer)
        self._broker.returned(list(self._unacked.values()))
        self._unacked.clear()

    def open_again(self) -> None:
        """Never: it is not among the connection's channels any more."""
        raise AssertionError

    def _acked(self, tag: int, *, multiple: bool) -> None:
        if self.is_closed:
            return
        tags = [known for known in self._unacked if known <= tag] if multiple else [tag]
        queues: dict[str, Queue] = {}
        for known in tags:
            unacked = self._unacked.pop(known)
            queues[unacked.queue.name] = unacked.queue
            self._broker.acked(unacked)
        for queue in queues.values():
            self._broker.feed(queue)

    def _find(self, name: str) -> Queue:
        queue = self._broker.queues.get(name)
        if queue is None:
            raise ChannelNotFoundEntity(f"NOT_FOUND - no queue '{name}'")
        return queue

    def _room(self) -> int:
        return self._prefetch - len(self._unacked)

    def _hand(self, callback: Callback, unacked: Unacked) -> None:
        """Send a delivery on its way; a channel's deliveries arrive in order."""
        self._tags += 1
        self._unacked[self._tags] = unacked
        self._arrives_at = max(self._arrives_at + MOMENT, self._loop.time() + self._weather.latency())
        message = _delivered(self, self._tags, unacked.message)
        self._loop.call_at(self._arrives_at, self._deliver, callback, message, context=self._process.context)

    def _deliver(self, callback: Callback, message: DeliveredMessage) -> None:
        if not self.is_closed:
            self._loop.create_task(callback(message))


def _delivered(channel: ConsumingChannel, tag: int, message: Message) -> DeliveredMessage:
    """A message as aiormq hands it over."""
    return DeliveredMessage(
        spec.Basic.Deliver("", tag, message.deliveries > 0, message.exchange, message.routing_key),
        ContentHeader(properties=spec.Basic.Properties(message_type=message.kind, headers=dict(message.headers))),
        message.body,
        cast("Any", channel),
    )
