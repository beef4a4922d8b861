"""Put the topology on a broker. One bootstrap owns it: services look passively, and mend it by `repair`."""

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.topology import EXCHANGES, QUEUES


async def declare(channel: AbstractChannel) -> None:
    """Create every exchange, queue and binding that is missing; repeating it changes nothing.

    Raises aio_pika's `ChannelPreconditionFailed` when a queue exists with other arguments: delete that queue (its
    messages come back from the ledger) and run this again.
    """
    for name in EXCHANGES:
        await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
    for spec in QUEUES:
        queue = await channel.declare_queue(spec.name, durable=True, arguments={**spec.arguments})
        for binding in spec.bindings:
            await queue.bind(binding.exchange, binding.pattern)
