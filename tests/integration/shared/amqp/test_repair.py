"""Topology deleted while it is used: put back where the broker lets us, told where it does not."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

import aio_pika
import pytest

from deploy.local.broker import Broker
from shared.amqp.connection import connect
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.errors import BrokerUnavailableError
from shared.topology import BATCHES, EXCHANGES, LANES, QUEUES, RESULTS, Lane
from shared.topology.declare import declare
from shared.topology.repair import Repair
from tests.integration.shared.amqp.mending import (
    BATCH,
    NEVER,
    SOON,
    WITHIN,
    arrives,
    is_whole,
    mended,
    mended_by_restricted,
    restricted,
)
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder


@asynccontextmanager
async def consuming(
    connection: BrokerConnection, dead: DeadLetters, work: Callable[[Delivery], object]
) -> AsyncGenerator[WorkerPool]:
    """Work on `sender.high` for as long as the block."""

    async def handle(delivery: Delivery) -> None:
        answer = work(delivery)
        if asyncio.iscoroutine(answer):
            await answer

    pool = WorkerPool(connection, "sender.high", handle, dead, workers=2, prefetch=4)
    task = asyncio.create_task(pool.run())
    await eventually(lambda: pool.consuming or task.done())
    try:
        yield pool
        assert not task.done()
    finally:
        await pool.stop(5)
        await task


async def test_a_deleted_queue_is_put_back_and_consumed_again(
    connection: BrokerConnection,
    publishing: BrokerConnection,
    publisher: Publisher,
    dead: DeadLetters,
    outside: Outside,
) -> None:
    """Work in progress is finished, though its ack has no effect; later messages are handled."""
    started, finish = asyncio.Event(), asyncio.Event()
    done: list[bool] = []

    async def work(_: Delivery) -> None:
        started.set()
        await finish.wait()
        done.append(True)

    async with consuming(connection, dead, work) as pool, mended(publishing, publisher, SOON, pool):
        await publisher.publish(BATCH, BATCHES, "new.high")
        await started.wait()
        await outside.channel.queue_delete("sender.high")
        await eventually(lambda: arrives(publisher), WITHIN)
        finish.set()
        await eventually(lambda: len(done) >= 2, WITHIN)
        assert pool.consuming
        await publisher.publish(BATCH, BATCHES, "new.high")
        await eventually(lambda: len(done) >= 3, WITHIN)
        await eventually(lambda: pool.in_flight == 0)
    assert await outside.ready("sender.high") == 0
    assert await outside.ready("dead") == 0


async def test_a_removed_binding_is_named_by_the_message_that_came_back_and_put_back_at_once(
    publishing: BrokerConnection, publisher: Publisher, outside: Outside
) -> None:
    """No look finds it: a binding cannot be asked for."""
    async with mended(publishing, publisher, NEVER) as repair:
        lane = await outside.channel.get_queue("sender.high")
        await lane.unbind(BATCHES, "*.high")
        assert not await arrives(publisher)
        told = await repair.check()
        assert told is not None
        assert "The vhost lacks binding of sender.high to push.batches by *.high" in told
        assert "`python -m shared.topology`" in told
        await eventually(lambda: arrives(publisher), WITHIN)
        assert await repair.check() is None
    assert await outside.ready("sender.high") == 1


async def test_a_deleted_exchange_hinders_no_other_and_is_put_back_with_its_bindings(
    publishing: BrokerConnection, publisher: Publisher, outside: Outside
) -> None:
    """A publish to it closes its own channel only; the broker had deleted its bindings along with it."""
    await outside.channel.exchange_delete(RESULTS)
    for _ in range(3):
        answers = await asyncio.gather(
            *(arrives(publisher, exchange, key) for exchange, key in ((RESULTS, "a"), (BATCHES, "new.low"))),
        )
        assert answers == [False, True]
    again = Repair(publishing, publisher, exchanges=EXCHANGES, queues=QUEUES, every=NEVER)
    await again.whole(5)
    await eventually(lambda: arrives(publisher, RESULTS, "result.high"), WITHIN)
    assert await outside.ready("aggregator.results") == 1
    assert await outside.ready("sender.low") == 3


async def test_a_vhost_that_was_wiped_is_filled_again_and_everything_goes_on(
    amqp_url: str,
    connection: BrokerConnection,
    publishing: BrokerConnection,
    publisher: Publisher,
    dead: DeadLetters,
    broker: Broker,
) -> None:
    """Connections come back when it is there again, then the topology, then the consumers."""
    vhost = unquote(urlsplit(amqp_url).path.removeprefix("/"))
    done: list[bytes] = []

    async with (
        consuming(connection, dead, lambda delivery: done.append(delivery.body)) as pool,
        mended(publishing, publisher, SOON, pool) as repair,
    ):
        await asyncio.to_thread(broker.delete_vhost, vhost)
        await eventually(lambda: not pool.consuming, WITHIN)
        await asyncio.to_thread(broker.create_vhost, vhost)
        await eventually(lambda: arrives(publisher), WITHIN)
        await eventually(lambda: done, WITHIN)
        await eventually(lambda: pool.consuming, WITHIN)
        await eventually(lambda: is_whole(repair), WITHIN)  # the last binding comes after the first publish
    async with Outside.on(amqp_url) as outside:
        for queue in QUEUES:
            assert await outside.ready(queue.name) == 0


async def test_who_may_not_declare_says_what_is_missing_and_comes_back_when_somebody_else_puts_it_back(
    amqp_url: str, broker: Broker, outside: Outside
) -> None:
    """The restricted users of a deployment: readiness has the name and the command."""
    async with mended_by_restricted(amqp_url, broker) as (_, repair):
        await outside.channel.queue_delete("sender.low")

        async def told() -> bool:
            return (await repair.check() or "") == (
                "The vhost lacks queue sender.low, and this process's broker user may not put it back: run "
                "`python -m shared.topology` as an administrator of the vhost."
            )

        await eventually(told, WITHIN)
        await declare(outside.channel)
        await eventually(lambda: is_whole(repair), WITHIN)


async def test_a_queue_that_stays_away_keeps_no_other_of_its_connection_from_coming_back(
    amqp_url: str, broker: Broker, outside: Outside, publisher: Publisher
) -> None:
    """Both are consumed on one connection, which is lost while one of the two is missing."""
    taken: set[str] = set()  # what is unacked while a consumer is registered anew comes twice

    async def take(delivery: Delivery) -> None:
        taken.add(delivery.routing_key)

    with restricted(amqp_url, broker) as url:
        async with (
            await connect(url, name="restricted", timeout=10) as connection,
            await connect(url, name="restricted", timeout=10) as looking,
        ):
            own = Publisher(looking)
            await own.open(*EXCHANGES)
            pools = [
                WorkerPool(connection, lane.queue, take, DeadLetters(own), workers=1, prefetch=2)
                for lane in (Lane.LOW, Lane.HIGH)
            ]
            low, high = pools
            tasks = [asyncio.create_task(pool.run()) for pool in pools]
            await eventually(lambda: low.consuming and high.consuming, WITHIN)
            async with mended(looking, own, SOON, *pools):
                await outside.channel.queue_delete(Lane.LOW.queue)
                await eventually(lambda: not low.consuming, WITHIN)
                assert connection.transport is not None
                await connection.transport.connection.close(OSError("cut"))
                assert await arrives(publisher, key="new.high")
                await eventually(lambda: taken == {"new.high"} and high.consuming, WITHIN)
                await declare(outside.channel)
                await eventually(lambda: low.consuming, WITHIN)
                assert await arrives(publisher, key="new.low")
                await eventually(lambda: taken == {"new.high", "new.low"}, WITHIN)
            for pool in pools:
                await pool.stop(5)
            await asyncio.gather(*tasks)
            await own.close()


async def test_a_vhost_with_nothing_of_ours_is_left_alone(empty_amqp_url: str) -> None:
    """It may be the wrong one: a service that starts there waits for the bootstrap, and gives up with the command."""
    async with await connect(empty_amqp_url, name="test", timeout=10) as connection:
        repair = Repair(connection, Publisher(connection), exchanges=EXCHANGES, queues=QUEUES, every=NEVER)
        with pytest.raises(BrokerUnavailableError, match=r"holds nothing of ours.*`python -m shared\.topology`"):
            await repair.whole(0)
        async with await aio_pika.connect(empty_amqp_url) as other, other.channel() as channel:
            with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
                await channel.get_exchange(BATCHES, ensure=True)


async def test_a_broker_that_goes_away_while_a_service_looks_is_waited_for(
    remote: BrokerConnection, way: Forwarder
) -> None:
    """And given up, when its time is over, with what to check."""
    repair = Repair(remote, Publisher(remote), exchanges=EXCHANGES, queues=QUEUES, every=NEVER)
    way.go_away()
    with pytest.raises(BrokerUnavailableError, match=r"cannot be looked.*CARILLON_AMQP_URL is right.*Given up after"):
        await repair.whole(0)
    looking = asyncio.create_task(repair.whole(30))
    await eventually(lambda: way.refused > 1)
    assert not looking.done()
    way.come_back()
    await looking


async def test_who_uses_a_part_looks_after_that_part_only(
    amqp_url: str, publishing: BrokerConnection, publisher: Publisher, outside: Outside
) -> None:
    """A sender of the high lane is not unready for want of the low one."""
    await outside.channel.queue_delete("sender.low")
    repair = Repair(publishing, publisher, exchanges=(RESULTS,), queues=(LANES[Lane.HIGH],), every=NEVER)
    await repair.whole(5)
    assert await repair.check() is None
    async with Outside.on(amqp_url) as other:
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await other.ready("sender.low")
