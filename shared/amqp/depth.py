"""How many messages and consumers a queue has, by a passive declaration.

Up to 4.2.5 RabbitMQ lets every user ask. From 4.3.1 on the user needs any permission on the queue; in between (4.2.6
and 4.3.0) it needs `configure`, which no service has. So the question may be refused although the queue exists and
works.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractRobustConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.amqp.connection import TROUBLE, in_words, not_cancelled
from shared.errors import BrokerUnavailableError, LookRefusedError, QueueMissingError

log = structlog.get_logger()

TIMEOUT = 10.0
"""Seconds to wait for the broker's answer."""
ASK_AGAIN = 300.0
"""Seconds until a refused question is asked again: an administrator may have granted the permission by then, and each
refusal is an error in the broker's log."""
RENEW = (
    "Run `python -m shared.topology` with CARILLON_BROKER_PASSWORDS_DIR, as an administrator of the vhost: it renews "
    "the rights of the services' broker users. RabbitMQ 4.2.6 and 4.3.0 refuse even so; later versions do not"
)


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages ready in a queue, and its consumers."""

    ready: int
    consumers: int


class Refusals:
    """Queues and exchanges that this connection's user may not look at, for as long as the connection lives."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._seen: object = None
        self._since = 0.0
        self._names: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        """Whether it was refused lately; a new connection may have other rights."""
        now = asyncio.get_running_loop().time()
        if self._seen is not self._connection.transport or now - self._since >= ASK_AGAIN:
            self._names.clear()
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._names))

    def note(self, name: str, error: Exception) -> None:
        """Note a refusal: each is logged once, the first with what to do."""
        remedy = {} if self._names else {"remedy": RENEW}
        if not self._names:
            self._seen, self._since = self._connection.transport, asyncio.get_running_loop().time()
        self._names[name] = None
        log.warning("topology.may_not_look", name=name, error=in_words(error), **remedy)


async def depth(connection: AbstractRobustConnection, queue: str, refusals: Refusals | None = None) -> Depth:
    """Look at `queue`, unless `refusals` knows that we may not.

    Raises `QueueMissingError`, `LookRefusedError`, or `BrokerUnavailableError` when the broker is away.
    """
    if refusals is not None and queue in refusals:
        raise LookRefusedError(f"Queue {queue} may not be looked at. {RENEW}.")
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
    except ChannelAccessRefused as error:
        if refusals is not None:
            refusals.note(queue, error)
        raise LookRefusedError(f"Queue {queue} may not be looked at: {error}. {RENEW}.") from error
    except TROUBLE as error:
        raise BrokerUnavailableError(f"Queue {queue} cannot be asked: {in_words(error)}") from error
    return Depth(int(declared.message_count or 0), int(declared.consumer_count or 0))


async def ready_messages(connection: AbstractRobustConnection, queue: str, refusals: Refusals | None = None) -> int:
    """Messages ready in `queue`; raises as `depth`."""
    return (await depth(connection, queue, refusals)).ready
