"""A process's connection to the broker, with the part of aio-pika's interface that `shared.amqp` uses.

Like aio-pika's robust connections: after a loss it connects again, its channels open again, its consumers are
registered again under their tags; messages of the old channel can be acked no more. A publish waits for the connection.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from aio_pika.abc import AbstractMessage
from aio_pika.exceptions import AMQPConnectionError, ChannelInvalidStateError, ChannelNotFoundEntity, PublishError
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from shared.amqp.connection import RECONNECT_INTERVAL
from shared.topology import EXCHANGES
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.broker.queue import Consumer, Message, Queue, Unacked
from tests.chaos.simulation.broker.server import Broker

Callback = Callable[[Any], Coroutine[Any, Any, Any]]

MOMENT = 1e-9
"""Seconds between two deliveries of a channel: timers of the same time have no order."""


def returned(message: Message) -> Exception:
    """The error of a mandatory publish that no queue takes."""
    frame = spec.Basic.Return(312, "NO_ROUTE", message.exchange, message.routing_key)
    return PublishError(DeliveredMessage(frame, ContentHeader(), message.body, cast("Any", None)), frame)


class Connection:
    """One connection; `cut` breaks it, and it comes back by itself."""

    def __init__(self, broker: Broker, boundary: Boundary, name: str) -> None:
        self.broker = broker
        self.boundary = boundary
        self.name = name
        self.loop = boundary.process.loop
        self.connected = asyncio.Event()
        self.connected.set()
        self.channels: list[Channel] = []
        self.closed = False
        self._number = 0
        boundary.process.when_dead(self._drop)
        boundary.process.when_stopped(self._fall_silent)

    @property
    def transport(self) -> Any:
        """What `shared.amqp` reaches through; None while the connection is being opened again."""
        return SimpleNamespace(connection=self) if self.connected.is_set() else None

    async def ready(self) -> None:
        """Wait until it takes what is published: no alarm is played here."""
        await self.connected.wait()

    def channel(self, **_options: object) -> Any:
        """A channel that comes back with the connection; for `depth`, awaited, a plain one."""
        return Channel(self)

    def cut(self) -> None:
        """Break it: unacked messages return, and a second later it is there again."""
        if self.closed or not self.connected.is_set():
            return
        self.connected.clear()
        self._number += 1
        for channel in self.channels:
            channel.break_off()
        self.loop.in_world(RECONNECT_INTERVAL + self.boundary.weather.latency(), self._come_back)

    def lost(self, where: str) -> Exception:
        """A call fails because the connection breaks, and with it everything else that is on it."""
        self.cut()
        return AMQPConnectionError(where)

    async def crossing(self, what: str, effect: Callable[[], Any]) -> Any:
        """Call the broker on the connection as it is now; when that breaks meanwhile, nobody is told."""
        await self.connected.wait()
        this = self._number

        def on_this_connection() -> Any:
            if self._number != this or self.closed:
                raise AMQPConnectionError(what)
            return effect()

        return await self.boundary.call(what, on_this_connection, self.lost)

    async def close(self) -> None:
        """Close it in order."""
        self._drop()

    def _fall_silent(self, seconds: float) -> None:
        """Its process is stopped: the broker may miss its heartbeats."""
        if self.boundary.weather.strikes(0.5):
            self.loop.in_world(seconds / 2, self.cut)

    def _drop(self) -> None:
        self.closed = True
        self.connected.clear()
        for channel in self.channels:
            channel.break_off()
        self.channels.clear()

    def _come_back(self) -> None:
        if self.closed:
            return
        # The client opens it again: a stopped process does so when it goes on.
        self.loop.call_soon(self._open_again, context=self.boundary.process.context)

    def _open_again(self) -> None:
        self.connected.set()
        for channel in self.channels:
            channel.open_again()


class Underlay:
    """A channel as the broker knows it: gone with its connection."""

    __slots__ = ("arrives_at", "consuming", "is_closed", "tags", "unacked")

    def __init__(self) -> None:
        self.is_closed = False
        self.tags = 0
        self.unacked: dict[int, Unacked] = {}
        self.arrives_at = 0.0
        self.consuming: list[Taking] = []


@dataclass(slots=True, eq=False)
class Taking:
    """A consumer that a channel registers again whenever it opens."""

    queue: Queue
    consumer: Consumer


class Channel:
    """One channel, for publishing or for consuming."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._broker = connection.broker
        self._loop = connection.loop
        self._weather = connection.boundary.weather
        self._process = connection.boundary.process
        self._underlay = Underlay()
        self._prefetch = 0
        self._taking: dict[str, Taking] = {}

    def __await__(self) -> Any:
        """`await connection.channel()`."""
        return self._self().__await__()

    async def _self(self) -> "Channel":
        return self

    async def initialize(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aio-pika's own parameter
        """Open it."""
        async with asyncio.timeout(timeout):
            await self._connection.crossing("open channel", self._open)

    async def set_qos(self, prefetch_count: int) -> None:
        """Limit the messages in hand."""
        self._prefetch = prefetch_count

    async def get_exchange(self, name: str, *, ensure: bool = True) -> "Exchange":
        """An exchange to publish to; all are there, whether they are looked up or not."""
        assert name in EXCHANGES or not ensure
        return Exchange(self, name)

    async def declare_queue(self, name: str, *, passive: bool, **_timeout: object) -> "QueueHandle":
        """A queue that is there already."""
        assert passive
        return QueueHandle(self, self._find(name))

    async def queue_declare(self, name: str, *, passive: bool, **_timeout: object) -> Any:
        """The same without a handle: how deep it is."""
        assert passive
        queue = self._find(name)
        return await self._connection.crossing(
            "queue depth",
            lambda: SimpleNamespace(message_count=len(queue.ready), consumer_count=len(queue.consumers)),
        )

    async def close(self) -> None:
        """Close it: what is unacked returns."""
        self._taking.clear()
        if self in self._connection.channels:
            self._connection.channels.remove(self)
        self.break_off()

    def break_off(self) -> None:
        """Lose the channel, as the broker sees it at once."""
        underlay, self._underlay = self._underlay, Underlay()
        self._underlay.is_closed = True
        underlay.is_closed = True
        for taking in underlay.consuming:
            self._broker.cancel(taking.queue, taking.consumer)
        self._broker.returned(list(underlay.unacked.values()))
        underlay.unacked.clear()

    def open_again(self) -> None:
        """Open a new one in its place and consume again."""
        self._underlay = Underlay()
        for taking in self._taking.values():
            self._underlay.consuming.append(taking)
            self._broker.consume(taking.queue, taking.consumer)

    async def consume(self, queue: Queue, callback: Callback) -> str:
        """Register a consumer; returns its tag."""
        tag = f"{self._process.name}/{queue.name}"
        taking = Taking(queue, Consumer(tag, self._room, functools.partial(self._hand, callback)))

        def register() -> None:
            if self._underlay.is_closed:
                raise ChannelInvalidStateError
            self._taking[tag] = taking
            self._underlay.consuming.append(taking)
            self._broker.consume(queue, taking.consumer)

        await self._connection.crossing("consume", register)
        return tag

    async def cancel(self, tag: str) -> None:
        """Take nothing more; what was handed out before the broker's answer still comes."""
        taking = self._taking.pop(tag, None)
        if taking is not None:
            await self._connection.crossing("cancel", lambda: self._broker.cancel(taking.queue, taking.consumer))
            await asyncio.sleep(self._underlay.arrives_at - self._loop.time())

    async def publish(self, message: AbstractMessage, exchange: str, routing_key: str, *, mandatory: bool) -> None:
        """Publish with a confirm, which is lost when the channel breaks before it comes."""
        await self._connection.connected.wait()
        underlay = self._underlay
        sent = Message(
            message.body,
            message.type,
            exchange,
            routing_key,
            dict(message.headers or {}),
            message.correlation_id,
            message.message_id,
        )

        def put() -> bool:
            if underlay.is_closed:
                raise ChannelInvalidStateError
            return self._broker.publish(sent)

        routed = await self._connection.boundary.call(f"publish {message.type}", put, self._connection.lost)
        if self._weather.strikes(self._weather.climate.fail / 4):
            self._weather.happened("confirm lost", f"{message.type}")
            await asyncio.Event().wait()
        if underlay.is_closed:
            raise ChannelInvalidStateError
        if mandatory and not routed:
            raise returned(sent)

    async def ack(self, underlay: Underlay, tag: int, *, multiple: bool) -> None:
        """Send an ack on its way; nobody answers one."""
        if underlay.is_closed:
            raise ChannelInvalidStateError
        await self._connection.boundary.call(
            "ack", lambda: self._acked(underlay, tag, multiple=multiple), self._connection.lost
        )

    def _acked(self, underlay: Underlay, tag: int, *, multiple: bool) -> None:
        if underlay.is_closed:
            return
        tags = [known for known in underlay.unacked if known <= tag] if multiple else [tag]
        queues: dict[str, Queue] = {}
        for known in tags:
            unacked = underlay.unacked.pop(known)
            queues[unacked.queue.name] = unacked.queue
            self._broker.acked(unacked)
        for queue in queues.values():
            self._broker.feed(queue)

    def _open(self) -> None:
        self._underlay = Underlay()
        self._connection.channels.append(self)

    def _find(self, name: str) -> Queue:
        queue = self._broker.queues.get(name)
        if queue is None:
            raise ChannelNotFoundEntity(f"NOT_FOUND - no queue '{name}'")
        return queue

    def _room(self) -> int:
        return self._prefetch - len(self._underlay.unacked)

    def _hand(self, callback: Callback, unacked: Unacked) -> None:
        """Send a delivery on its way; a channel's deliveries arrive in order."""
        underlay = self._underlay
        underlay.tags += 1
        underlay.unacked[underlay.tags] = unacked
        underlay.arrives_at = max(underlay.arrives_at + MOMENT, self._loop.time() + self._weather.latency())
        incoming = Incoming(self, underlay, underlay.tags, unacked.message)
        self._loop.call_at(underlay.arrives_at, self._deliver, callback, incoming, context=self._process.context)

    def _deliver(self, callback: Callback, incoming: "Incoming") -> None:
        if not incoming.underlay.is_closed:
            self._loop.create_task(callback(incoming))


class Exchange:
    """An exchange, as a channel publishes to it."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name

    async def publish(self, message: AbstractMessage, routing_key: str, *, mandatory: bool = True) -> None:
        """Publish and wait for the confirm."""
        await self._channel.publish(message, self._name, routing_key, mandatory=mandatory)


class QueueHandle:
    """A queue, as a channel consumes it."""

    def __init__(self, channel: Channel, queue: Queue) -> None:
        self._channel = channel
        self._queue = queue

    async def consume(self, callback: Callback, timeout: float | None = None) -> str:  # noqa: ASYNC109 - aio-pika's own
        """Consume it with acks."""
        async with asyncio.timeout(timeout):
            return await self._channel.consume(self._queue, callback)

    async def cancel(self, tag: str, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aio-pika's own
        """Consume it no more."""
        async with asyncio.timeout(timeout):
            await self._channel.cancel(tag)


class Incoming:
    """A message in a process's hands."""

    __slots__ = ("_channel", "_tag", "body", "headers", "redelivered", "routing_key", "type", "underlay")

    def __init__(self, channel: Channel, underlay: Underlay, tag: int, message: Message) -> None:
        self._channel = channel
        self.underlay = underlay
        self._tag = tag
        self.body = message.body
        self.type = message.kind
        self.headers = message.headers
        self.routing_key = message.routing_key
        self.redelivered = message.deliveries > 0

    @property
    def channel(self) -> Underlay:
        """Its channel, which is not given once it is closed."""
        if self.underlay.is_closed:
            raise ChannelInvalidStateError
        return self.underlay

    async def ack(self, *, multiple: bool = False) -> None:
        """Tell the broker that it is done."""
        await self._channel.ack(self.underlay, self._tag, multiple=multiple)
