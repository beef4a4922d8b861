"""The broker in memory keeps what RabbitMQ promises, under the services' own client code."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from random import Random
from typing import Any, cast

import pytest

from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.depth import ready_messages
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.contracts.messages import BatchReady, Payload
from shared.errors import BrokerUnavailableError, MalformedMessageError
from shared.topology import BATCHES, DEAD, DEAD_LETTERS, LANES, RETRY, RUNGS, Lane
from tests.chaos.simulation.boundary import Boundary
from tests.chaos.simulation.broker.client import Connection
from tests.chaos.simulation.broker.server import Broker
from tests.chaos.simulation.history import History
from tests.chaos.simulation.loop import VirtualLoop
from tests.chaos.simulation.process import Process
from tests.chaos.simulation.weather import Climate, Weather

HIGH = LANES[Lane.HIGH].name


class Ground:
    """A broker, a process that publishes and others that consume, in fair weather unless told otherwise."""

    def __init__(self, climate: Climate = Climate()) -> None:  # noqa: B008 - frozen
        self.loop = VirtualLoop()
        history = History(self.loop.time, on=False)
        self.weather = Weather(Random(1), climate, self.loop.time, history, lease=12.0)
        self.weather.foul = climate != Climate()
        self.broker = Broker(self.loop, self.weather, history)
        self.handled: list[int] = []
        self.redelivered = 0

    def process(self, name: str) -> tuple[Process, Any]:
        """A process and its connection."""
        process = Process(self.loop, name)
        return process, Connection(self.broker, Boundary(process, self.weather), name)

    def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run a story to its end."""

        async def tell() -> None:
            await work()

        self.loop.run_until_complete(tell())
        assert self.loop.dispose() == []

    async def publish(self, *numbers: int, exchange: str = BATCHES, key: str = "new.high") -> None:
        """Publish a batch reference for each number."""
        process, connection = self.process("publisher")
        publisher = Publisher(connection)

        async def work() -> None:
            await publisher.open(BATCHES, RETRY)
            for number in numbers:
                await publisher.publish(reference(number), exchange, key)

        await process.spawn(work())

    def consume(self, handler: Callable[[Delivery], Awaitable[None]], *, prefetch: int = 4) -> Process:
        """Start a process that handles the high lane."""
        process, connection = self.process("consumer")
        publisher = Publisher(connection)

        async def work() -> None:
            await publisher.open(DEAD)
            pool = WorkerPool(connection, HIGH, handler, DeadLetters(publisher), workers=2, prefetch=prefetch)
            await pool.run()

        process.spawn(work())
        return process

    async def note(self, delivery: Delivery) -> None:
        """Handle a delivery in a tenth of a second."""
        await asyncio.sleep(0.1)
        self.redelivered += delivery.redelivered
        self.handled.append(BatchReady.model_validate_json(delivery.body).batch_no)


def reference(number: int) -> Payload:
    """A batch reference."""
    return BatchReady(campaign_id=1, batch_no=number, epoch=0, size=1, lane="high", project="p")


@pytest.fixture
def ground() -> Generator[Ground]:
    """Fair weather."""
    ground = Ground()
    yield ground
    if not ground.loop.is_closed():
        ground.loop.dispose()


def test_what_is_published_is_handled_in_order_and_acked(ground: Ground) -> None:
    """Nothing is left."""

    async def story() -> None:
        await ground.publish(1, 2, 3, 4, 5)
        ground.consume(ground.note)
        await asyncio.sleep(1.0)

    ground.run(story)
    assert ground.handled == [1, 2, 3, 4, 5]
    assert ground.broker.messages == 0


def test_what_a_dead_consumer_held_comes_again(ground: Ground) -> None:
    """Marked as redelivered, and first."""

    async def story() -> None:
        await ground.publish(1, 2, 3)
        first = ground.consume(ground.note)
        await asyncio.sleep(0.05)
        first.end()
        ground.consume(ground.note)
        await asyncio.sleep(1.0)

    ground.run(story)
    assert ground.handled == [1, 2, 3]
    assert ground.redelivered == 3


def test_a_cut_connection_comes_back_and_consumes_on(ground: Ground) -> None:
    """Like aio-pika's robust connection; an ack on the old channel is lost."""

    async def story() -> None:
        process, connection = ground.process("consumer")
        publisher = Publisher(connection)

        async def work() -> None:
            await publisher.open(DEAD)
            await WorkerPool(connection, HIGH, ground.note, DeadLetters(publisher), workers=1, prefetch=1).run()

        process.spawn(work())
        await ground.publish(1, 2)
        connection.cut()
        await asyncio.sleep(5.0)
        await ground.publish(3)
        await asyncio.sleep(1.0)

    ground.run(story)
    assert set(ground.handled) == {1, 2, 3}
    assert ground.broker.messages == 0


def test_a_publish_waits_for_the_connection(ground: Ground) -> None:
    """And is confirmed when it is back."""

    async def story() -> None:
        process, connection = ground.process("publisher")
        publisher = Publisher(connection)

        async def work() -> float:
            await publisher.open(BATCHES)
            connection.cut()
            await publisher.publish(reference(1), BATCHES, "new.high")
            return ground.loop.time()

        assert await process.spawn(work()) >= 1.0

    ground.run(story)
    assert len(ground.broker.queues[HIGH].ready) == 1


def test_what_no_queue_takes_comes_back(ground: Ground) -> None:
    """A mandatory message without a binding is returned."""

    async def story() -> None:
        with pytest.raises(BrokerUnavailableError):
            await ground.publish(1, key="new.nowhere.at.all")

    ground.run(story)


def test_a_retry_waits_on_its_rung(ground: Ground) -> None:
    """And comes back to its lane by itself."""

    async def story() -> None:
        await ground.publish(7, exchange=RETRY, key="10s.high")
        assert len(ground.broker.queues[RUNGS["10s"].name].ready) == 1
        ground.consume(ground.note)
        await asyncio.sleep(9.9)
        assert ground.handled == []
        await asyncio.sleep(0.5)

    ground.run(story)
    assert ground.handled == [7]


def test_what_cannot_be_handled_ends_among_the_dead(ground: Ground) -> None:
    """And stops nobody."""

    async def handle(delivery: Delivery) -> None:
        if BatchReady.model_validate_json(delivery.body).batch_no == 1:
            raise MalformedMessageError("no")
        await ground.note(delivery)

    async def story() -> None:
        await ground.publish(1, 2)
        ground.consume(handle)
        await asyncio.sleep(2.0)

    ground.run(story)
    assert ground.handled == [2]
    assert len(ground.broker.queues[DEAD_LETTERS.name].ready) == 1


def test_what_comes_back_too_often_is_dead(ground: Ground) -> None:
    """The queue's own delivery limit."""

    async def story() -> None:
        await ground.publish(1)
        for _ in range(60):
            process = ground.consume(ground.note)
            await asyncio.sleep(0.05)
            process.end()
            await asyncio.sleep(0.01)

    ground.run(story)
    assert ground.handled == []
    assert ground.broker.messages == 0
    assert len(ground.broker.queues[DEAD_LETTERS.name].ready) == 1


def test_a_wiped_queue_knows_nothing_any_more(ground: Ground) -> None:
    """Neither what was ready nor what a consumer holds; its ack has no effect."""

    async def story() -> None:
        await ground.publish(1, 2, 3, 4, 5, 6)
        process = ground.consume(ground.note, prefetch=2)
        await asyncio.sleep(0.05)
        ground.broker.wipe([HIGH])
        await asyncio.sleep(1.0)
        process.end()

    ground.run(story)
    assert ground.handled == [1, 2]
    assert ground.broker.messages == 0


def test_a_queue_tells_its_depth(ground: Ground) -> None:
    """As the timekeeper asks it."""

    async def story() -> None:
        await ground.publish(1, 2, 3)
        process, connection = ground.process("planner")
        assert await process.spawn(ready_messages(cast("Any", connection), HIGH)) == 3

    ground.run(story)


def test_messages_come_twice_late_and_out_of_order() -> None:
    """None is lost."""
    ground = Ground(Climate(twice=0.3, late=0.3, ahead=0.3))

    async def story() -> None:
        await ground.publish(*range(50))
        ground.consume(ground.note)
        await asyncio.sleep(60.0)

    ground.run(story)
    assert set(ground.handled) == set(range(50))
    assert len(ground.handled) > 50
    assert ground.handled != sorted(ground.handled)
    assert ground.broker.messages == 0
