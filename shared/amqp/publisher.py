"""Publishing with confirms, on a connection that never consumes (alarms block publishing connections only)."""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import aio_pika
import structlog
from aio_pika.abc import AbstractExchange, AbstractRobustChannel, AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from aiormq.exceptions import ChannelAccessRefused

from shared.amqp.connection import (
    CHECK,
    DECLARE,
    REFUSALS,
    TROUBLE,
    close,
    in_words,
    not_cancelled,
    patiently,
)
from shared.amqp.failures import Failures
from shared.contracts.messages import Payload
from shared.errors import BrokerRefusedError, BrokerUnavailableError
from shared.observability import traces
from shared.request_id import MESSAGE_HEADER, current_request_id
from shared.tasks import end

log = structlog.get_logger()

PUBLISH_TIMEOUT = 15.0
"""Seconds until an unconfirmed publish counts as unknown. A memory alarm blocks the connection: longer would hold
messages unacked past a minute, shorter would repeat publishes that a busy quorum queue confirms late."""

PRIORITY = 0
"""Of every message, so that none overtakes another: RabbitMQ 4.3 serves the priorities of a quorum queue strictly, and
counts a message without one as 4. It is what aio-pika sends for none, and so what earlier versions of ours have sent:
with another, theirs would wait behind ours for ever."""

ATTEMPT_HEADER = "carillon-attempt"
"""Our own attempt counter: RabbitMQ's x-death is interpreted on 3.10 and ignored on 4.x."""


class Publisher:
    """A channel with confirms for each exchange: one that is missing closes its own and hinders no other.

    Many publishes may be outstanding. `on_lost_way` is called whenever the broker says that a way is missing.
    """

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._channels: dict[str, AbstractRobustChannel] = {}
        self._exchanges: dict[str, AbstractExchange] = {}
        self._failed: set[str] = set()
        self._opening = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()
        self._returned, self._unconfirmed, self._refused = Failures(), Failures(), Failures()
        self._absent, self._forbidden = Failures(), Failures()
        self._failures = (self._returned, self._unconfirmed, self._refused, self._absent, self._forbidden)
        self._waiting: dict[int, float] = {}
        self.confirmed = 0
        self.on_lost_way: Callable[[], None] = lambda: None

    async def waits(self) -> float:
        """Seconds that the oldest publish waits for its confirm, while nothing but the broker's silence holds it up."""
        oldest = min(self._waiting.values(), default=None)
        if oldest is None or not await self._flows():
            return 0.0
        return asyncio.get_running_loop().time() - oldest

    @property
    def returned(self) -> list[tuple[str, str]]:
        """Exchanges and keys of which the last message came back lately, because no queue takes it."""
        return list(self._returned.lately())

    @property
    def unconfirmed(self) -> dict[tuple[str, str], int]:
        """Exchanges and keys of which the last messages, so many, were not confirmed in time, without an alarm."""
        return self._unconfirmed.lately()

    @property
    def refused(self) -> dict[tuple[str, str], int]:
        """Exchanges and keys of which the last messages, so many, were refused by a queue: full, or without leader."""
        return self._refused.lately()

    @property
    def absent(self) -> set[str]:
        """Exchanges that the last message to found missing."""
        return {exchange for exchange, _ in self._absent.lately()}

    @property
    def forbidden(self) -> set[str]:
        """Exchanges to which the broker does not let this user publish."""
        return {exchange for exchange, _ in self._forbidden.lately()}

    def forget_failures(self) -> None:
        """Start afresh: the way was put back, or the next failure says that it was not."""
        for failures in self._failures:
            failures.clear()

    async def open(self, *exchanges: str, within: float = 0.0) -> None:
        """Look the exchanges up and open their channels, waiting `within` seconds for a broker that is away or silent.

        Raises `BrokerRefusedError` at once if one is missing, `BrokerUnavailableError` if the broker did not come. One
        that we may not look at (see `shared.amqp.depth`) is taken to be there: the first publish tells.
        """
        await patiently(lambda: self._open_all(exchanges), within=within)

    async def _open_all(self, exchanges: Sequence[str]) -> None:
        what = f"Exchanges {', '.join(exchanges)} could not be opened"
        try:
            with not_cancelled():
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await self._look(exchanges)
                    for name in exchanges:
                        if name not in self._channels:  # one that was lost meanwhile aio-pika opens again
                            await self._open(name)
        except REFUSALS as error:
            raise BrokerRefusedError(f"{what}: {in_words(error)}. {DECLARE}") from error
        except TROUBLE as error:
            raise BrokerUnavailableError(f"{what}: {in_words(error)}. {CHECK}") from error

    async def _look(self, exchanges: Sequence[str]) -> None:
        for name in exchanges:
            look = self._connection.channel(publisher_confirms=True, on_return_raises=True)
            try:
                await look.initialize(timeout=PUBLISH_TIMEOUT)
                await look.get_exchange(name, ensure=True)
            except ChannelAccessRefused as error:
                log.warning("topology.may_not_look", name=name, error=in_words(error))
            finally:
                await close(look)  # or aio-pika opens it again and looks the exchanges up at every new connection

    async def _open(self, exchange: str) -> None:
        channel = self._connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize(timeout=PUBLISH_TIMEOUT)
        self._channels[exchange] = channel
        # Not looked up on it: aio-pika opens a channel again only while all is there that it looked up.
        self._exchanges[exchange] = await channel.get_exchange(exchange, ensure=False)

    async def _usable(self, exchange: str) -> AbstractExchange:
        """The exchange, on a new channel after a failure.

        aio-pika gives one up that fails while it is reopened, and the broker's side of one may wait for ever for a
        leader that is gone.
        """
        if exchange in self._failed:
            async with self._opening:
                if exchange in self._failed:
                    await self._connection.connected.wait()
                    replaced = self._channels[exchange]
                    await self._open(exchange)
                    self._failed.discard(exchange)
                    self._let_go(replaced)
        return self._exchanges[exchange]

    def _let_go(self, channel: AbstractRobustChannel) -> None:
        """Close it in the background: a queue without leader holds that up, and others may still be confirmed on it."""
        task = asyncio.create_task(_close_later(channel))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close the channels."""
        await end(list(self._leaving))
        channels, self._channels = list(self._channels.values()), {}
        await asyncio.gather(*(close(channel) for channel in channels))

    async def publish(
        self, payload: Payload, exchange: str, routing_key: str, *, attempt: int = 0, mandatory: bool = True
    ) -> None:
        """Publish and wait for the broker's confirm.

        Raises `BrokerUnavailableError` when it was not confirmed, returned as unroutable, or refused by a full
        queue. It may have arrived: repeat it with the same business key, receivers are idempotent.
        """
        await self.publish_raw(
            payload.model_dump_json(exclude_defaults=True).encode(),
            exchange,
            routing_key,
            kind=payload.type,
            correlation=str(payload.campaign_id),
            headers=_headers(attempt),
            mandatory=mandatory,
        )

    async def publish_raw(
        self,
        body: bytes,
        exchange: str,
        routing_key: str,
        *,
        kind: str | None,
        correlation: str | None = None,
        headers: Mapping[str, str | int] | None = None,
        mandatory: bool = True,
    ) -> None:
        """Publish bytes as they are (outbox rows, dead letters); the rest as `publish`."""
        message = aio_pika.Message(
            body,
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            priority=PRIORITY,
            message_id=uuid.uuid4().hex,
            correlation_id=correlation,
            type=kind,
            timestamp=datetime.now(UTC),
            headers=dict(headers) if headers else None,
        )
        way = (exchange, routing_key)
        used = self._exchanges[exchange]
        self._waiting[id(message)] = asyncio.get_running_loop().time()
        try:
            # The outer limit covers waiting for a reconnect, which aio-pika's own timeout does not.
            with not_cancelled():
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    used = await self._usable(exchange)
                    await used.publish(message, routing_key, mandatory=mandatory)
        except TROUBLE as error:
            unconfirmed = isinstance(error, TimeoutError) and await self._flows()
            self._note(error, way, used, unconfirmed=unconfirmed)
            raise BrokerUnavailableError(
                f"{kind} to {exchange} with key {routing_key} was not confirmed: {in_words(error)}"
            ) from error
        finally:
            del self._waiting[id(message)]
        self.confirmed += 1
        if any(self._failures):
            for failures in self._failures:
                failures.pop(way, None)

    async def _flows(self) -> bool:
        """Whether the connection is there and no alarm of the broker's blocks it."""
        transport = self._connection.transport
        if transport is None or not self._connection.connected.is_set():
            return False
        try:
            async with asyncio.timeout(0):
                await transport.connection.ready()
        except TROUBLE:
            return False
        return True

    def _note(self, error: BaseException, way: tuple[str, str], used: AbstractExchange, *, unconfirmed: bool) -> None:
        """Remember what a failure says of the way and of the channel.

        A channel that does not confirm is replaced. Before RabbitMQ 4.2 one that lost a message with a queue's leader
        confirms nothing from that queue any more: its next messages wait in the queue for the lost one
        (rabbitmq-server #14589).
        """
        if unconfirmed:
            self._unconfirmed.note(way)
        if isinstance(error, PublishError):
            self._returned.note(way)
        elif isinstance(error, DeliveryError):
            self._refused.note(way)
        elif (unconfirmed or not isinstance(error, TimeoutError)) and self._exchanges[way[0]] is used:
            self._failed.add(way[0])
        if isinstance(error, ChannelNotFoundEntity):
            self._absent.note(way)
        elif isinstance(error, ChannelAccessRefused):
            self._forbidden.note(way)
        if isinstance(error, PublishError | ChannelNotFoundEntity):
            self.on_lost_way()


async def _close_later(channel: AbstractRobustChannel) -> None:
    """Close a channel when its last publish is confirmed or given up."""
    try:
        if not channel.is_closed:
            await asyncio.sleep(PUBLISH_TIMEOUT)
    finally:
        await close(channel)


def carried(request_id: str | None, traceparent: str | None) -> dict[str, str]:
    """Headers that say on whose behalf a message travels: the request that caused it, and its trace."""
    return {
        **({MESSAGE_HEADER: request_id} if request_id else {}),
        **({traces.MESSAGE_HEADER: traceparent} if traceparent else {}),
    }


def _headers(attempt: int) -> dict[str, str | int]:
    """The attempt, and on whose behalf."""
    return {**({ATTEMPT_HEADER: attempt} if attempt else {}), **carried(current_request_id(), traces.current())}
