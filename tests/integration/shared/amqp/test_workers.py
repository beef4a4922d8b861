"""Acks come after the work; what fails is held, buried or returned, and stops nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import structlog
from aio_pika.abc import AbstractRobustConnection

from shared.amqp import workers
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.amqp.workers import WorkerPool
from shared.errors import BrokerUnavailableError, DatabaseUnavailableError, MalformedMessageError
from shared.topology import BATCHES
from shared.topology.declare import declare
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder

QUEUE = "sender.high"
Handler = Callable[[Delivery], Awaitable[None]]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a backoff take no time."""
    monkeypatch.setattr(workers, "BACKOFF", (0.01, 0.01, 0.01, 0.01, 0.02))


class Pools:
    """Starts pools on the test's connection and stops those that still run."""

    def __init__(self, connection: AbstractRobustConnection, dead: DeadLetters) -> None:
        self._connection = connection
        self._dead = dead

    @asynccontextmanager
    async def run(self, handler: Handler, *, count: int = 2, prefetch: int = 10) -> AsyncIterator[WorkerPool]:
        """Run a pool for as long as the block."""
        pool = WorkerPool(self._connection, QUEUE, handler, self._dead, workers=count, prefetch=prefetch)
        task = asyncio.create_task(pool.run())
        await eventually(lambda: pool.consuming or task.done())
        try:
            yield pool
        finally:
            await pool.stop(5)
            await task


@pytest.fixture
def pools(connection: AbstractRobustConnection, dead: DeadLetters) -> Pools:
    """Give pools of workers on `sender.high`."""
    return Pools(connection, dead)


@pytest.fixture
def send(publisher: Publisher) -> Callable[..., Awaitable[None]]:
    """Publish bodies to `sender.high`."""

    async def publish(*bodies: str) -> None:
        for body in bodies:
            await publisher.publish_raw(body.encode(), BATCHES, "new.high", kind="push.batch.v1")

    return publish


Send = Callable[..., Awaitable[None]]


async def test_a_message_is_acked_after_its_handler_has_returned(pools: Pools, send: Send, outside: Outside) -> None:
    """Until then the broker keeps it: a worker that dies loses nothing."""
    started, finish = asyncio.Event(), asyncio.Event()

    async def work(_: Delivery) -> None:
        started.set()
        await finish.wait()

    async with pools.run(work) as pool:
        await send("one")
        await started.wait()
        assert pool.in_flight == 1
        finish.set()
        await eventually(lambda: pool.in_flight == 0)
    assert await outside.ready(QUEUE) == 0


async def test_a_message_whose_worker_is_gone_before_the_ack_comes_back(
    connection: AbstractRobustConnection, dead: DeadLetters, send: Send, outside: Outside
) -> None:
    """Marked as redelivered."""
    started = asyncio.Event()

    async def work(_: Delivery) -> None:
        started.set()
        await asyncio.Future()

    pool = WorkerPool(connection, QUEUE, work, dead, workers=1, prefetch=1)
    task = asyncio.create_task(pool.run())
    await send("one")
    await started.wait()
    assert not await pool.stop(0.05)
    await task
    message = await outside.take(QUEUE)
    assert (message.body, message.redelivered) == (b"one", True)


async def test_a_malformed_message_goes_to_dead_with_its_reason_and_the_others_flow_on(
    pools: Pools, send: Send, outside: Outside
) -> None:
    """The copy is confirmed before the ack."""
    done: list[bytes] = []

    async def work(delivery: Delivery) -> None:
        if delivery.body == b"bad":
            raise MalformedMessageError("campaign_id: Field required")
        done.append(delivery.body)

    async with pools.run(work):
        await send("one", "bad", "two")
        await eventually(lambda: sorted(done) == [b"one", b"two"])
        letter = await outside.take("dead")
    assert letter.body == b"bad"
    assert letter.type == "push.batch.v1"
    assert letter.headers["carillon-queue"] == QUEUE
    assert letter.headers["carillon-routing-key"] == "new.high"
    assert letter.headers["carillon-reason"] == "campaign_id: Field required"
    assert await outside.ready(QUEUE) == 0


async def test_a_message_that_keeps_crashing_is_tried_three_times_and_buried_while_others_flow_on(
    pools: Pools, send: Send, outside: Outside
) -> None:
    """One poison message, one worker, and still everybody is served."""
    tries: Counter[bytes] = Counter()

    async def work(delivery: Delivery) -> None:
        tries[delivery.body] += 1
        if delivery.body == b"poison":
            raise ZeroDivisionError("division by zero")

    async with pools.run(work, count=1):
        await send("one", "poison", "two")
        letter = await outside.take("dead")
        await eventually(lambda: tries == {b"one": 1, b"poison": 3, b"two": 1})
    assert (letter.body, letter.headers["carillon-reason"]) == (b"poison", "ZeroDivisionError: division by zero")


async def test_a_message_that_crashes_twice_and_then_works_is_acked(pools: Pools, send: Send, outside: Outside) -> None:
    """No letter, no redelivery."""
    tries = 0

    async def work(_: Delivery) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise KeyError("not yet")

    async with pools.run(work):
        await send("one")
        await eventually(lambda: tries == 3)
    assert await outside.ready("dead") == await outside.ready(QUEUE) == 0


@pytest.mark.parametrize("trouble", [DatabaseUnavailableError("away"), BrokerUnavailableError("away")])
async def test_trouble_of_the_infrastructure_holds_the_message(
    pools: Pools, send: Send, outside: Outside, trouble: Exception
) -> None:
    """However often it is tried, it is neither buried nor delivered to another."""
    away = True
    tries: list[bool] = []

    async def work(delivery: Delivery) -> None:
        tries.append(delivery.redelivered)
        if away:
            raise trouble

    async with pools.run(work):
        await send("one")
        await eventually(lambda: len(tries) > 10)
        away = False
        await eventually(lambda: len(set(tries)) == 1 and tries)
    assert True not in tries
    assert await outside.ready("dead") == await outside.ready(QUEUE) == 0


async def test_after_a_minute_of_trouble_every_message_returns_and_consuming_starts_afresh(
    pools: Pools, send: Send, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held message helps nobody: another replica may reach what this one cannot."""
    monkeypatch.setattr(workers, "HOLD", 0.2)
    away = True
    done: list[tuple[bytes, bool]] = []

    async def work(delivery: Delivery) -> None:
        if away and not delivery.redelivered:
            raise DatabaseUnavailableError("away")
        done.append((delivery.body, delivery.redelivered))

    async with pools.run(work, count=2) as pool:
        await send("one", "two", "three")
        await eventually(lambda: sorted(done) == [(b"one", True), (b"three", True), (b"two", True)])
        away = False
        assert pool.consuming
        await send("four")
        await eventually(lambda: (b"four", False) in done)
    assert await outside.ready("dead") == await outside.ready(QUEUE) == 0


async def test_a_pool_that_starts_afresh_and_finds_the_queue_away_goes_on_trying(
    pools: Pools, send: Send, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not ready meanwhile, and the process lives."""
    monkeypatch.setattr(workers, "HOLD", 0.0)
    away = True
    done: list[bytes] = []

    async def work(delivery: Delivery) -> None:
        if away:
            await outside.channel.queue_delete(QUEUE)
            raise DatabaseUnavailableError("away")
        done.append(delivery.body)

    async with pools.run(work, count=1, prefetch=1) as pool:
        await send("one")
        await eventually(lambda: not pool.consuming)
        away = False
        with pytest.raises(BrokerUnavailableError):
            await send("two")
        assert not pool.consuming
        await declare(outside.channel)
        await eventually(lambda: pool.consuming)
        await send("three")
        await eventually(lambda: done == [b"three"])


async def test_a_pool_that_is_stopped_while_it_starts_afresh_consumes_no_more(
    connection: AbstractRobustConnection,
    dead: DeadLetters,
    send: Send,
    outside: Outside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or a drain under load would never end."""
    monkeypatch.setattr(workers, "HOLD", 0.0)
    monkeypatch.setattr(workers, "BACKOFF", (0.01, 0.3))
    held = asyncio.Event()

    async def work(_: Delivery) -> None:
        held.set()
        raise DatabaseUnavailableError("away")

    pool = WorkerPool(connection, QUEUE, work, dead, workers=1, prefetch=1)
    task = asyncio.create_task(pool.run())
    await send("one", "two")
    await held.wait()
    await eventually(lambda: not pool.consuming)
    assert await pool.stop(5)
    await task
    assert await outside.ready(QUEUE) == 2


async def test_a_stop_finishes_what_was_delivered_and_redelivers_nothing(
    pools: Pools, send: Send, outside: Outside
) -> None:
    """The rest waits for another replica, untouched."""
    done: list[bytes] = []
    first = asyncio.Event()

    async def work(delivery: Delivery) -> None:
        first.set()
        await asyncio.sleep(0)
        done.append(delivery.body)

    bodies = [f"{number}" for number in range(50)]
    async with pools.run(work, count=2, prefetch=5) as pool:
        await send(*bodies)
        await first.wait()
        assert await pool.stop(5)
        left = await outside.take_all(QUEUE)
    assert not any(message.redelivered for message in left)
    assert sorted(done + [message.body for message in left]) == sorted(body.encode() for body in bodies)


async def test_a_queue_that_is_missing_at_first_is_waited_for_and_said_with_the_command(
    connection: AbstractRobustConnection, dead: DeadLetters, send: Send, outside: Outside
) -> None:
    """A service has seen it at its start, and declares nothing here: that is `Repair`'s."""
    done: list[bytes] = []

    async def work(delivery: Delivery) -> None:
        done.append(delivery.body)

    await outside.channel.queue_delete(QUEUE)
    pool = WorkerPool(connection, QUEUE, work, dead, workers=1, prefetch=1)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(pool.run())
        await eventually(lambda: [line for line in logs if line["event"] == "broker.waiting"])
    assert f"Queue {QUEUE} cannot be consumed" in logs[0]["error"]
    assert "`python -m shared.topology`" in logs[0]["error"]
    assert not pool.consuming
    await declare(outside.channel)
    await eventually(lambda: pool.consuming)
    await send("one")
    await eventually(lambda: done == [b"one"])
    await pool.stop(5)
    await running


async def test_a_broker_that_goes_away_before_the_first_subscription_is_waited_for(
    remote: AbstractRobustConnection, way: Forwarder, dead: DeadLetters, send: Send
) -> None:
    """For ever: the pool is not ready meanwhile, and the process lives."""
    done: list[bytes] = []

    async def work(delivery: Delivery) -> None:
        done.append(delivery.body)

    way.go_away()
    pool = WorkerPool(remote, QUEUE, work, dead, workers=1, prefetch=1)
    running = asyncio.create_task(pool.run())
    await eventually(lambda: way.refused > 1)
    assert not pool.consuming
    assert not running.done()
    way.come_back()
    await send("one")
    await eventually(lambda: done == [b"one"] and pool.consuming, within=15)
    assert await pool.stop(5)
    await running


async def test_a_pool_that_still_waits_for_the_broker_ends_when_it_is_asked_to(
    remote: AbstractRobustConnection, way: Forwarder, dead: DeadLetters
) -> None:
    """It has nothing to drain."""

    async def work(_: Delivery) -> None:
        raise AssertionError

    way.go_away()
    pool = WorkerPool(remote, QUEUE, work, dead, workers=1, prefetch=1)
    running = asyncio.create_task(pool.run())
    await eventually(lambda: way.refused > 0)
    assert await pool.stop(5)
    await running
    assert not pool.consuming


async def test_who_starts_twice_consumes_once(connection: AbstractRobustConnection, outside: Outside) -> None:
    """A pool that waits for the broker, and the look that finds it there first."""
    subscription = Subscription(connection, QUEUE, prefetch=1)
    await asyncio.gather(subscription.start(), subscription.start_again(), subscription.start())
    queue = await outside.channel.declare_queue(QUEUE, passive=True)
    assert queue.declaration_result.consumer_count == 1
    await subscription.close()


async def test_a_consumer_whose_connection_was_cut_consumes_again(
    pools: Pools, connection: AbstractRobustConnection, send: Send, publisher: Publisher
) -> None:
    """What it held is delivered again; what it has finished is not lost for it."""
    done: list[bytes] = []

    async def work(delivery: Delivery) -> None:
        done.append(delivery.body)

    async with pools.run(work):
        await send("one")
        await eventually(lambda: b"one" in done)
        transport = connection.transport
        assert transport is not None
        await transport.connection.close(OSError("cut"))
        await eventually(connection.connected.is_set, within=10)

        async def arrives() -> bool:
            try:
                await send("two")
            except BrokerUnavailableError:
                return False
            return True

        await eventually(arrives, within=10)
        await eventually(lambda: b"two" in done, within=10)
