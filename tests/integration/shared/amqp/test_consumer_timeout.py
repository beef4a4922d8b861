"""RabbitMQ loses patience with who holds a message: up to 4.2 it closes the channel, since 4.3 it cancels the consumer.

Either way the message goes back and the consumer is registered again, on the same connection.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import structlog
from aio_pika.abc import AbstractRobustConnection

from deploy.local.broker import Broker
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.publisher import Publisher
from shared.amqp.workers import Handler, WorkerPool
from shared.topology import BATCHES, LANES, Lane
from tests.integration.shared.amqp.outside import Outside
from tests.support.consumer_timeout import consumer_timeout
from tests.support.eventually import eventually

PATIENCE = 2.0
WITHIN = 20.0
HANDS = 5
"""Workers: each may still hold a message that was delivered again to another."""


@pytest.fixture(autouse=True)
def impatient(broker: Broker) -> Iterator[None]:
    """Two seconds instead of half an hour."""
    assert broker.control is not None
    with consumer_timeout(broker.control, PATIENCE):
        yield


@asynccontextmanager
async def running(
    connection: AbstractRobustConnection, lane: Lane, handler: Handler, dead: DeadLetters
) -> AsyncIterator[WorkerPool]:
    """Handle a lane for as long as the block."""
    pool = WorkerPool(connection, LANES[lane].name, handler, dead, workers=HANDS, prefetch=HANDS)
    task = asyncio.create_task(pool.run())
    await eventually(lambda: pool.consuming)
    try:
        yield pool
        assert not task.done()
    finally:
        await pool.stop(5)
        await task


@pytest.mark.parametrize("times", [1, 3])
async def test_a_message_that_is_held_for_too_long_goes_back_and_the_consumer_is_registered_again(
    connection: AbstractRobustConnection, publisher: Publisher, dead: DeadLetters, outside: Outside, times: int
) -> None:
    """However often it happens, and the other consumer of the connection does not notice."""
    release = asyncio.Event()
    came: list[bool] = []
    others: list[bytes] = []

    async def hold(delivery: Delivery) -> None:
        came.append(delivery.redelivered)
        if len(came) <= times:
            await release.wait()

    async def note(delivery: Delivery) -> None:
        others.append(delivery.body)

    def ended() -> list[object]:
        return [line["queue"] for line in logs if line["event"] == "consumer.ended"]

    with structlog.testing.capture_logs() as logs:
        async with running(connection, Lane.HIGH, hold, dead) as held, running(connection, Lane.LOW, note, dead) as low:
            before = connection.transport
            await publisher.publish_raw(b"held", BATCHES, "new.high", kind=None)
            await eventually(lambda: len(came) == times + 1, WITHIN)
            await eventually(lambda: held.consuming and low.consuming, WITHIN)
            await publisher.publish_raw(b"later", BATCHES, "new.high", kind=None)
            await publisher.publish_raw(b"other", BATCHES, "new.low", kind=None)
            await eventually(lambda: len(came) == times + 2 and others == [b"other"], WITHIN)
            release.set()  # what they ack now the broker has requeued: the ack has no effect
            assert connection.transport is before
    assert came == [False, *[True] * times, False]
    assert ended() == ["sender.high"] * times
    assert await outside.ready("sender.high") == 0
    assert await outside.ready("dead") == 0
