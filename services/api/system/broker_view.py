"""What the API sees of the broker's queues."""

from aio_pika.abc import AbstractRobustConnection

from shared.amqp.depth import Depth, Refusals, depth


class BrokerView:
    """Looks through a connection that never publishes: an alarm of the broker does not block it."""

    def __init__(self, connection: AbstractRobustConnection) -> None:
        self._connection = connection
        self._refusals = Refusals(connection)

    async def depth(self, queue: str) -> Depth:
        """Messages ready and consumers of a queue; raises as `shared.amqp.depth.depth`."""
        return await depth(self._connection, queue, self._refusals)
