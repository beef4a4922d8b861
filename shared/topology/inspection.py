"""Inspects exchanges and queues: which are missing, how deep the others are, which may not be inspected.

What may not be inspected (see `shared.amqp.depth`) is assumed to exist. If it is missing, that shows when it is used: a
publish closes its channel or comes back, a consumer is not registered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from aio_pika.abc import AbstractRobustConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.amqp.connection import CHECK
from shared.amqp.depth import RENEW, Depth, Refusals
from shared.errors import BrokerUnavailableError
from shared.topology import Queue


@dataclass(slots=True)
class Seen:
    """What a look saw: missing exchanges, queues that are there, and the names of all that may be."""

    missing: list[str] = field(default_factory=list)
    there: dict[str, Depth] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)

    def lacks(self, queue: Queue) -> bool:
        """Whether it is known not to be there."""
        return queue.name not in self.there and queue.name not in self.hidden


class Inspector:
    """Inspects over one connection; what was refused it does not ask for again for a while."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._refusals = Refusals(connection)

    def told(self) -> str | None:
        """What may not be looked at and what to do, for people; None if there is nothing."""
        names = ", ".join(self._refusals)
        if not names:
            return None
        transport = self._connection.transport
        user = (transport.connection.url.user if transport is not None else None) or "of this process"
        return (
            f"Broker user {user} may not look at {names}: work goes on, but what is wrong there shows only when it is "
            f"used. {RENEW}."
        )

    async def look(self, exchanges: Sequence[str], queues: Sequence[Queue]) -> Seen:
        """Ask for all of these passively; the broker closes a channel that misses one or may not look."""
        seen = Seen()
        channel = await self.channel()
        try:
            for name in exchanges:
                if name in self._refusals:
                    seen.hidden.add(name)
                    continue
                try:
                    await channel.exchange_declare(name, passive=True)
                except ChannelNotFoundEntity:
                    seen.missing.append(name)
                    channel = await self.channel()
                except ChannelAccessRefused as error:
                    self._refusals.note(name, error)
                    seen.hidden.add(name)
                    channel = await self.channel()
            for queue in queues:
                if queue.name in self._refusals:
                    seen.hidden.add(queue.name)
                    continue
                try:
                    found = await channel.queue_declare(queue.name, passive=True)
                except ChannelNotFoundEntity:
                    channel = await self.channel()
                except ChannelAccessRefused as error:
                    self._refusals.note(queue.name, error)
                    seen.hidden.add(queue.name)
                    channel = await self.channel()
                else:
                    seen.there[queue.name] = Depth(int(found.message_count or 0), int(found.consumer_count or 0))
        finally:
            await channel.close()
        return seen

    async def channel(self) -> AbstractChannel:
        """A channel that is not reopened by itself; raises `BrokerUnavailableError`."""
        transport = self._connection.transport
        if transport is None:
            raise BrokerUnavailableError(f"The topology cannot be looked at: RabbitMQ's connection is lost. {CHECK}")
        return await transport.connection.channel()
