"""Put the topology on a broker. The bootstrap owns it: services declare passively, and repair it by `repair`."""

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.topology import EXCHANGES, QUEUES


async def declare(channel: AbstractChannel) -> None:
    """Create every exchange, queue and binding that is missing; repeating it changes nothing.

    Raises aio_pika's `ChannelPreconditionFailed` at the first that is there and different; `differing` tells them all.
    """
    for name in EXCHANGES:
        await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)
    for spec in QUEUES:
        queue = await channel.declare_queue(spec.name, durable=True, arguments={**spec.arguments})
        for binding in spec.bindings:
            await queue.bind(binding.exchange, binding.pattern)
