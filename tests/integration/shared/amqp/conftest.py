"""A vhost with our publisher on it, and queues looked into from outside."""

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from deploy.local.ports import free_port
from shared.amqp.connection import connect, connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.topology import EXCHANGES
from tests.integration.shared.amqp.outside import Outside
from tests.support.forwarder import Forwarder


@pytest.fixture
async def connection(amqp_url: str) -> AsyncIterator[BrokerConnection]:
    """Connect as a service does."""
    async with await connect(amqp_url, name="test", timeout=10) as opened:
        yield opened


@pytest.fixture
async def way(amqp_url: str) -> AsyncIterator[Forwarder]:
    """Put a port of ours before the broker's."""
    forwarder = Forwarder(free_port(), to=URL(amqp_url).port or 5672)
    await forwarder.open()
    yield forwarder
    await forwarder.close()


@pytest.fixture
async def remote(amqp_url: str, way: Forwarder) -> AsyncIterator[BrokerConnection]:
    """Connect by way of that port."""
    async with connected(str(URL(amqp_url).with_port(way.port)), name="remote", timeout=10) as opened:
        yield opened


@pytest.fixture
async def publishing(amqp_url: str) -> AsyncIterator[BrokerConnection]:
    """Publish on a connection of its own, as a service does."""
    async with await connect(amqp_url, name="publishing", timeout=10) as opened:
        yield opened


@pytest.fixture
async def publisher(publishing: BrokerConnection) -> AsyncIterator[Publisher]:
    """Publish to every exchange."""
    opened = Publisher(publishing)
    await opened.open(*EXCHANGES)
    yield opened
    await opened.close()


@pytest.fixture
def dead(publisher: Publisher) -> DeadLetters:
    """Make the publisher of dead letters."""
    return DeadLetters(publisher)


@pytest.fixture
async def outside(amqp_url: str) -> AsyncIterator[Outside]:
    """Look into queues."""
    async with Outside.on(amqp_url) as watcher:
        yield watcher
