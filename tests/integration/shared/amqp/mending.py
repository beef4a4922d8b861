"""A Repair that looks after everything, and whether a publish gets through."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote, urlsplit

from deploy.local.broker import Broker
from shared.amqp.connection import connect
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.contracts.messages import BatchReady
from shared.errors import BrokerUnavailableError
from shared.topology import BATCHES, EXCHANGES, QUEUES
from shared.topology.management import Management
from shared.topology.repair import Repair

BATCH = BatchReady(campaign_id=7, batch_no=1, epoch=0, size=2, lane="high", project="default")
SOON = 0.2
"""Seconds between looks."""
PATIENCE = 1.0
NEVER = 3600.0
WITHIN = 15.0
"""Seconds: a look, the client's own tries a second apart, and a queue's election on a busy machine."""


@asynccontextmanager
async def mended(
    connection: BrokerConnection, publisher: Publisher, every: float, *consumers: WorkerPool
) -> AsyncGenerator[Repair]:
    """Look after everything for as long as the block."""
    repair = Repair(
        connection,
        publisher,
        exchanges=EXCHANGES,
        queues=QUEUES,
        consumers=[pool.subscription for pool in consumers],
        every=every,
        patience=PATIENCE,
    )
    await repair.whole(5)
    task = asyncio.create_task(repair.run())
    try:
        yield repair
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def arrives(publisher: Publisher, exchange: str = BATCHES, key: str = "new.high") -> bool:
    """Whether a publish is confirmed now."""
    try:
        await publisher.publish(BATCH, exchange, key)
    except BrokerUnavailableError:
        return False
    return True


async def is_whole(repair: Repair) -> bool:
    """Whether readiness has nothing to say of the topology."""
    return await repair.check() is None


@contextmanager
def restricted(amqp_url: str, broker: Broker, *, read: str = ".*") -> Iterator[str]:
    """The URL of a user that may not declare, for as long as the block."""
    parts = urlsplit(amqp_url)
    vhost = unquote(parts.path.removeprefix("/"))
    assert broker.management_url is not None
    user = f"restricted-{vhost}"
    management = Management(broker.management_url, user=parts.username or "", password=parts.password or "")
    management._put(f"/users/{user}", {"password": "secret", "tags": ""})
    management._put(f"/permissions/{vhost}/{user}", {"configure": "^$", "write": ".*", "read": read})
    try:
        yield parts._replace(netloc=f"{user}:secret@{parts.hostname}:{parts.port}").geturl()
    finally:
        broker.manage("DELETE", f"/users/{user}")


@asynccontextmanager
async def mended_by_restricted(
    amqp_url: str, broker: Broker, *, read: str = ".*"
) -> AsyncGenerator[tuple[Publisher, Repair]]:
    """Look after everything as a user that may not declare, and publish as it, for as long as the block."""
    with restricted(amqp_url, broker, read=read) as url:
        async with await connect(url, name="restricted", timeout=10) as connection:
            publisher = Publisher(connection)
            await publisher.open(*EXCHANGES)
            async with mended(connection, publisher, SOON) as repair:
                yield publisher, repair
            await publisher.close()
