"""The servers that other tests rely on."""

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.local.broker import Broker
from shared.topology import QUEUES


@pytest.mark.parametrize("again", [1, 2])
async def test_each_test_has_an_empty_database_at_the_newest_schema(database_url: str, again: int) -> None:
    """What one test writes, the next one does not see."""
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("select count(*) from campaign") == 0
        await connection.execute("create table left_behind ()")
    finally:
        await connection.close()


async def test_each_test_has_a_vhost_with_every_queue(amqp_url: str) -> None:
    """A passive declaration of each queue succeeds."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        for queue in QUEUES:
            await channel.declare_queue(queue.name, passive=True)


async def test_an_empty_vhost_has_no_queue(empty_amqp_url: str, broker: Broker) -> None:
    """Tests of the bootstrap itself start from nothing."""
    vhost = empty_amqp_url.rpartition("/")[2]
    assert broker.manage("GET", f"/queues/{vhost}") == []
