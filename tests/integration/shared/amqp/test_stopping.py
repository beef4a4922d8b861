"""A service that is asked to end while the broker is away ends: nothing waits for the broker to come back."""

import asyncio
from contextlib import AsyncExitStack
from typing import Literal

import pytest
from yarl import URL

from shared.amqp import connection as connections
from shared.amqp import consumer
from shared.amqp.connection import connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.topology import BATCHES, DEAD
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder


@pytest.mark.parametrize("trouble", ["gone", "silent"])
async def test_a_pool_and_its_connection_close_though_the_broker_is_away(
    amqp_url: str, way: Forwarder, trouble: Literal["gone", "silent"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message whose work goes on is given its budget, no more."""
    for module in (connections, consumer):
        monkeypatch.setattr(module, "CLOSE_TIMEOUT", 0.5)
    working = asyncio.Event()

    async def work(_delivery: Delivery) -> None:
        working.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(30), AsyncExitStack() as stack:
        url = str(URL(amqp_url).with_port(way.port))
        connection = await stack.enter_async_context(connected(url, name="test", timeout=10))
        publisher = Publisher(connection)
        await publisher.open(BATCHES, DEAD)
        stack.push_async_callback(publisher.close)
        pool = WorkerPool(connection, "sender.high", work, DeadLetters(publisher), workers=2, prefetch=10)
        running = asyncio.create_task(pool.run())
        await eventually(lambda: pool.consuming or running.done())
        await publisher.publish_raw(b"{}", BATCHES, "new.high", kind="push.batch.v1")
        await working.wait()
        if trouble == "gone":
            await way.close()
            await eventually(lambda: not connection.connected.is_set())
        else:
            way.hold()
        assert not await pool.stop(0.2)
        await asyncio.gather(running, return_exceptions=True)
