"""Probes a queue at a node by registering a consumer: only a queue with a leader registers one.

A passive declaration does not show it: a node that has lost the majority of its cluster answers it as before.
"""

import asyncio
from contextlib import suppress

import aiormq
import structlog
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelAccessRefused, ConnectionInternalError

from shared.amqp.connection import TROUBLE, in_words, not_cancelled
from shared.amqp.dialling import TRY, To
from shared.amqp.node_health import Answer
from shared.amqp.nodes import Address, Nodes

log = structlog.get_logger()

ANSWERS_WITHIN = 4.0
"""Seconds in which a queue registers a consumer: milliseconds, if its leader can be reached; an election is over in
one or two."""
BYE = 1.0
"""Seconds to close a channel or a connection, which the broker puts off while it waits for a leader."""
NAME = "carillon asks for a sign of life"
"""What the management UI shows of these connections."""
LAST = -1000
"""Priority of the consumer that is asked for: a message comes to it only when no other can take one, and goes back."""


class QueueProbe:
    """Probes nodes, over one open connection to each: a new one every few seconds would fill a broker's log."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._open: dict[Address, tuple[aiormq.Connection, To]] = {}

    async def answer(self, address: Address, queue: str) -> Answer:
        """Whether `queue` registers a consumer at that node; takes `TRY` + `ANSWERS_WITHIN` seconds at most."""
        try:
            return await self._answer(address, queue)
        except asyncio.CancelledError:
            await self._drop(address)  # its answer is no longer awaited
            raise

    async def _answer(self, address: Address, queue: str) -> Answer:
        try:
            with not_cancelled():
                async with asyncio.timeout(TRY):
                    channel = await self._channel(address)
        except TROUBLE as error:
            await self._drop(address)
            log.warning("node.not_asked", node=str(address), error=in_words(error))
            return Answer.UNKNOWN
        answer = await _consume(channel, queue)
        if answer is not Answer.SERVES or not await _closed(channel):
            await self._drop(address)
        return answer

    async def _channel(self, address: Address) -> AbstractChannel:
        connection, _ = self._open.get(address, (None, None))
        if connection is None or not connection.is_opened:
            await self._drop(address)
            way = To(address)
            connection = aiormq.Connection(
                self._nodes.url.at(address.host),
                client_properties={"connection_name": NAME},
                transport_factory=way,
            )
            self._open[address] = connection, way
            await connection.connect()
        return await connection.channel()

    async def _drop(self, address: Address) -> None:
        if address not in self._open:
            return
        connection, way = self._open.pop(address)
        with suppress(*TROUBLE), not_cancelled():
            async with asyncio.timeout(BYE):
                await connection.close()
        way.cut()

    async def close(self) -> None:
        """Close what is open."""
        await asyncio.gather(*(self._drop(address) for address in list(self._open)))


async def _consume(channel: AbstractChannel, queue: str) -> Answer:
    try:
        with not_cancelled():
            async with asyncio.timeout(ANSWERS_WITHIN):
                await channel.basic_qos(prefetch_count=1)
                await channel.basic_consume(queue, _ignore, arguments={"x-priority": LAST})
    except (TimeoutError, ConnectionInternalError):
        return Answer.SILENT  # it says nothing, or the broker that there is no process to ask
    except ChannelAccessRefused:
        return Answer.NOT_OURS_TO_ASK
    except TROUBLE as error:  # the queue is missing, which is told elsewhere, or the node has just gone
        log.warning("queue.not_asked", queue=queue, error=in_words(error))
        return Answer.UNKNOWN
    return Answer.SERVES


async def _closed(channel: AbstractChannel) -> bool:
    try:
        with not_cancelled():
            async with asyncio.timeout(BYE):
                await channel.close()
    except TROUBLE:
        return False
    return True


async def _ignore(_: DeliveredMessage) -> None:
    """Leave a message unacked: it goes back with the channel."""
