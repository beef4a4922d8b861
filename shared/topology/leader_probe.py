"""Probes whether a queue has a leader, each time on a connection of its own.

A request that waits for a queue's leader blocks its channel, and RabbitMQ may close the connection.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiormq
import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused, ConnectionInternalError

from shared.amqp.connection import CHECK, CONNECT_TIMEOUT, TROUBLE, in_words, not_cancelled
from shared.amqp.dialling import TRY, BrokerConnection, To
from shared.amqp.node_health import Answer
from shared.amqp.nodes import Address
from shared.errors import BrokerUnavailableError
from shared.topology import Queue

log = structlog.get_logger()

ANSWERS_WITHIN = 5.0
"""Seconds in which a queue registers a consumer or hands a message over: milliseconds, if it has a leader."""
DELETE_WITHIN = 20.0
"""Seconds for a deletion: RabbitMQ waits 5 for the leader, then deletes without it."""
BYE = 1.0
"""Seconds to close a connection, which the broker puts off while one of its channels waits for a leader."""
NAME = "carillon asks for a queue's leader"
"""What the management UI shows of that connection."""
LAST = -1000
"""Priority of the consumer that is asked for: a message comes to it only when no other can take one, and goes back."""
TRIAL_LIVES = 60_000
"""Milliseconds after which the broker itself deletes a trial's queue, should this process die in between."""


class LeaderProbe:
    """Probes at the node of `connection`; `refused` once it was not allowed to declare or delete."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self.refused = False

    async def elsewhere(self, queue: Queue) -> list[Answer]:
        """Whether it registers a consumer at each of the other nodes: none is known where the URL leads to one only."""
        here = self._connection.address
        if here is None:
            return [Answer.UNKNOWN]
        others = await self._connection.nodes.others(here)
        return await asyncio.gather(*(self.answer(queue, at=other) for other in others))

    async def answer(self, queue: Queue, *, at: Address | None = None) -> Answer:
        """Whether it registers a consumer, at this node or at another."""
        try:
            async with self._channel(ANSWERS_WITHIN, at) as channel:
                await channel.basic_qos(prefetch_count=1)
                await channel.basic_consume(queue.name, _ignore, arguments={"x-priority": LAST})
        except (TimeoutError, ConnectionInternalError):
            return Answer.SILENT  # it says nothing, or the broker that there is no process to ask
        except ChannelAccessRefused:
            return Answer.NOT_OURS_TO_ASK
        except (*TROUBLE, BrokerUnavailableError) as error:  # the queue is missing, which is told elsewhere, or all is
            log.warning("queue.not_asked", queue=queue.name, error=in_words(error))
            return Answer.UNKNOWN
        return Answer.SERVES

    async def a_new_one_works(self, like: Queue) -> bool:
        """Whether a newly declared queue takes and delivers a message: if not, the broker has failed, not one queue."""
        name = f"{like.name}.trial-{uuid.uuid4().hex}"
        arrived = asyncio.Event()
        try:
            async with self._channel(ANSWERS_WITHIN) as channel:
                await channel.queue_declare(
                    name, durable=True, arguments={"x-queue-type": "quorum", "x-expires": TRIAL_LIVES}
                )
                await channel.basic_consume(name, _telling(arrived), no_ack=True)
                await channel.basic_publish(b"", routing_key=name, mandatory=True)
                await arrived.wait()
                await channel.queue_delete(name)
        except ChannelAccessRefused:
            self.refused = True
        except (*TROUBLE, BrokerUnavailableError) as error:
            log.warning("queue.leaderless_kept", queue=like.name, error=f"a new one does not work: {in_words(error)}")
            return False
        return not self.refused

    async def delete(self, queue: Queue) -> bool:
        """Delete a queue with all it holds; whether it was done."""
        try:
            async with self._channel(DELETE_WITHIN) as channel:
                await channel.queue_delete(queue.name)
        except ChannelAccessRefused:
            self.refused = True
        except (*TROUBLE, BrokerUnavailableError) as error:
            log.warning("queue.leaderless_kept", queue=queue.name, error=in_words(error))
        else:
            log.warning("queue.leaderless_deleted", queue=queue.name)
            return True
        return False

    @asynccontextmanager
    async def _channel(self, within: float, at: Address | None = None) -> AsyncGenerator[AbstractChannel]:
        """A channel on a connection of its own: what waits for a leader holds up everything on its connection.

        Raises `BrokerUnavailableError` when the broker does not take the connection, `TimeoutError` for what follows.
        """
        address = at or self._connection.address
        if address is None:
            raise BrokerUnavailableError(f"No queue can be asked: RabbitMQ's connection is lost. {CHECK}")
        connection = aiormq.Connection(
            self._connection.nodes.url.at(address.host),
            client_properties={"connection_name": NAME},
            transport_factory=To(address),
        )
        try:
            try:
                with not_cancelled():
                    async with asyncio.timeout(CONNECT_TIMEOUT if at is None else TRY):
                        await connection.connect()
            except TROUBLE as error:
                raise BrokerUnavailableError(f"RabbitMQ takes no connection: {in_words(error)}. {CHECK}") from error
            with not_cancelled():
                async with asyncio.timeout(within):
                    yield await connection.channel()
        finally:
            with suppress(*TROUBLE), not_cancelled():
                async with asyncio.timeout(BYE):
                    await connection.close()


async def _ignore(_: DeliveredMessage) -> None:
    """Leave a message unacked: it goes back with the connection."""


def _telling(arrived: asyncio.Event) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
    async def tell(_: DeliveredMessage) -> None:
        arrived.set()

    return tell
