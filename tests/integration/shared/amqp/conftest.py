"""A vhost with our publisher on it, and queues looked into from outside."""

from collections.abc import AsyncIterator

import pytest
from aio_pika.abc import AbstractRobustConnection

from shared.amqp.connection import connect
from shared.amqp.dead import DeadLetters
from shared.amqp.publisher import Publisher
from shared.topology import EXCHANGES
from tests.integration.shared.amqp.outside import Outside


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[AbstractRobustConnection]:
    """Connect as a service does."""
    async with await connect(amqp_url, name="test", timeout=10) as opened:
        yield opened


@pytest.fixture
async def publisher(connection: AbstractRobustConnection) -> AsyncIterator[Publisher]:
    """Publish to every exchange."""
    opened = Publisher(connection)
    await opened.open(*EXCHANGES)
    yield opened
    await opened.close()


@pytest.fixture
def dead(publisher: Publisher) -> DeadLetters:
    """Give the way to `dead`."""
    return DeadLetters(publisher)


@pytest.fixture
async def outside(amqp_url: str) -> AsyncIterator[Outside]:
    """Look into queues."""
    async with Outside.on(amqp_url) as watcher:
        yield watcher
