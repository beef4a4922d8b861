"""How deep a queue is and who consumes it, asked without declaring it."""

from dataclasses import dataclass

from aio_pika.abc import AbstractRobustConnection
from aiormq.exceptions import ChannelNotFoundEntity

from shared.amqp.connection import TROUBLE, in_words, not_cancelled
from shared.errors import BrokerUnavailableError, QueueMissingError

TIMEOUT = 10.0
"""Seconds to wait for the broker's answer."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages ready in a queue, and its consumers."""

    ready: int
    consumers: int


async def depth(connection: AbstractRobustConnection, queue: str) -> Depth:
    """Look at `queue`; raises `QueueMissingError`, or `BrokerUnavailableError` when the broker is away."""
    try:
        transport = connection.transport
        if transport is None:
            raise BrokerUnavailableError(f"Queue {queue} cannot be asked: the connection is being opened again.")
        with not_cancelled():
            channel = await transport.connection.channel(timeout=TIMEOUT)
            try:
                declared = await channel.queue_declare(queue, passive=True, timeout=TIMEOUT)
            finally:
                await channel.close()
    except ChannelNotFoundEntity as error:
        raise QueueMissingError(f"Queue {queue} is missing: {error}") from error
    except TROUBLE as error:
        raise BrokerUnavailableError(f"Queue {queue} cannot be asked: {in_words(error)}") from error
    return Depth(int(declared.message_count or 0), int(declared.consumer_count or 0))


async def ready_messages(connection: AbstractRobustConnection, queue: str) -> int:
    """Messages ready in `queue`; raises as `depth`."""
    return (await depth(connection, queue)).ready
