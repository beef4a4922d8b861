"""A process's connection to the broker, with the part of aio-pika's and aiormq's interface that `shared.amqp` uses.

Like aio-pika's robust connections: after a loss it connects again, and its channels for publishing open again. One of
aiormq's, for consuming, ends with the connection, and its messages can be acked no more. A publish waits for the
connection.
"""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from aio_pika.abc import AbstractMessage
from aio_pika.exceptions import AMQPConnectionError, ChannelInvalidStateError, PublishError
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from shared.amqp.connection import RECONNECT_INTERVAL
from shared.topology import EXCHANGES
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.broker.consuming import ConsumingChannel
from tests.chaos.simulation.broker.queue import Message
from tests.chaos.simulation.broker.server import Broker


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
        self.channels: list[Channel | ConsumingChannel] = []
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

    @property
    def is_closed(self) -> bool:
        """Whether it is gone, for ever or until it is opened again."""
        return not self.connected.is_set()

    def channel(self, **_options: object) -> Any:
        """A channel that comes back with the connection; awaited, one that does not (`consuming`)."""
        return Channel(self)

    def cut(self) -> None:
        """Break it: unacked messages return, and a second later it is there again."""
        if self.closed or not self.connected.is_set():
            return
        self.connected.clear()
        self._number += 1
        for channel in tuple(self.channels):
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
        for channel in tuple(self.channels):
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


class Life:
    """A channel's time between two losses of its connection."""

    is_over = False


class Channel:
    """One channel for publishing, opened again with its connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._broker = connection.broker
        self._weather = connection.boundary.weather
        self._life = Life()

    def __await__(self) -> Any:
        """`await connection.channel()`, of a connection of aiormq's."""
        return self._consuming().__await__()

    async def _consuming(self) -> ConsumingChannel:
        channel: ConsumingChannel = await self._connection.crossing(
            "open channel", lambda: ConsumingChannel(self._connection)
        )
        return channel

    async def initialize(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - aio-pika's own parameter
        """Open it."""
        async with asyncio.timeout(timeout):
            await self._connection.crossing("open channel", self._open)

    async def get_exchange(self, name: str, *, ensure: bool = True) -> "Exchange":
        """An exchange to publish to; all are there, whether they are looked up or not."""
        assert name in EXCHANGES or not ensure
        return Exchange(self, name)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed or lost."""
        return self._life.is_over

    async def close(self) -> None:
        """Close it."""
        if self in self._connection.channels:
            self._connection.channels.remove(self)
        self.break_off()

    def break_off(self) -> None:
        """Lose the channel."""
        self._life.is_over = True

    def open_again(self) -> None:
        """Open a new one in its place."""
        self._life = Life()

    async def publish(self, message: AbstractMessage, exchange: str, routing_key: str, *, mandatory: bool) -> None:
        """Publish with a confirm, which is lost when the channel breaks before it comes."""
        await self._connection.connected.wait()
        life = self._life
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
            if life.is_over:
                raise ChannelInvalidStateError
            return self._broker.publish(sent)

        routed = await self._connection.boundary.call(f"publish {message.type}", put, self._connection.lost)
        if self._weather.strikes(self._weather.climate.fail / 4):
            self._weather.happened("confirm lost", f"{message.type}")
            await asyncio.Event().wait()
        if life.is_over:
            raise ChannelInvalidStateError
        if mandatory and not routed:
            raise returned(sent)

    def _open(self) -> None:
        self._life = Life()
        self._connection.channels.append(self)


class Exchange:
    """An exchange, as a channel publishes to it."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name

    async def publish(self, message: AbstractMessage, routing_key: str, *, mandatory: bool = True) -> None:
        """Publish and wait for the confirm."""
        await self._channel.publish(message, self._name, routing_key, mandatory=mandatory)
