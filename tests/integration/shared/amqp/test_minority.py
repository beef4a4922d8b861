"""A node that is cut off from the other two and takes clients as ever: it is left, nothing is lost, nothing doubled."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import aio_pika
import pytest

from deploy.local.broker import VHOST
from deploy.local.guardian import Guardian
from shared.amqp.connection import connect, connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.dialling import BrokerConnection
from shared.amqp.minority import Minority
from shared.amqp.node_health import Answer
from shared.amqp.nodes import Nodes
from shared.amqp.publisher import Publisher
from shared.amqp.queue_probe import QueueProbe
from shared.amqp.workers import WorkerPool
from shared.contracts.messages import BatchReady
from shared.errors import BrokerUnavailableError
from shared.tasks import end
from shared.topology import BATCHES, EXCHANGES
from shared.topology.declare import declare
from tests.support.cluster import Cluster, NoClusterError, Node, running_cluster
from tests.support.cluster.namespaces import why_not
from tests.support.eventually import eventually
from tests.support.versions import newer, rabbitmq_of

ASKED = 20.0
"""Seconds that a partition may stop the work at most, while a majority can be reached."""
TOLD = 15.0
"""Seconds until readiness says it."""
INSIST_PAUSE = 0.5
"""Seconds until a sender publishes again what was not confirmed."""

ELECTS = "4"
"""First version whose majority was seen to elect leaders in every partition of these tests, one after another."""

NUMBERS = itertools.count(1)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes with the topology."""
    if reason := why_not():
        if os.environ.get("CI") == "true":
            raise NoClusterError(reason)
        pytest.skip(reason)
    with Guardian() as guardian, running_cluster(tmp_path_factory.mktemp("cluster"), guardian) as running:
        if not newer(version := asyncio.run(_version(running.nodes[0])), ELECTS):
            pytest.skip(f"RabbitMQ {version} may elect no leader for minutes in a second partition: see cluster.md")
        asyncio.run(_declared(f"{running.url()}/{VHOST}"))
        yield running


async def _version(node: Node) -> str:
    async with await aio_pika.connect(node.broker.amqp_url()) as connection:
        return rabbitmq_of(connection)


async def _declared(url: str) -> None:
    connection = await connect(url, name="topology", timeout=30)
    async with connection, connection.channel() as channel:
        await declare(channel)


@pytest.fixture(autouse=True)
async def _whole(cluster: Cluster) -> AsyncIterator[None]:
    """Leave the cluster as it was."""
    yield
    cluster.heal()
    await asyncio.to_thread(cluster.wait_whole)


async def send(publisher: Publisher) -> int:
    """Publish one batch, insisting as a sender does; returns what will be taken."""
    batch = BatchReady(campaign_id=next(NUMBERS), batch_no=1, epoch=1, size=1, lane="high", project="p")
    while True:
        try:
            await publisher.publish(batch, BATCHES, "now.high")
        except BrokerUnavailableError:
            await asyncio.sleep(INSIST_PAUSE)
        else:
            return batch.campaign_id


class Process:
    """What a service consists of, on the broker: it publishes batches and takes those of its lane."""

    def __init__(self, connections: Sequence[BrokerConnection], publisher: Publisher) -> None:
        self.connections = connections
        self.publisher = publisher
        self.minority: Minority | None = None
        self.taken: list[int] = []

    async def take(self, delivery: Delivery) -> None:
        """Handle a batch."""
        self.taken.append(BatchReady.model_validate_json(delivery.body).campaign_id)

    async def works(self) -> bool:
        """Whether something that is sent is taken at once: what a consumer that is cut off holds comes later."""
        sent = await send(self.publisher)
        with contextlib.suppress(AssertionError):
            await eventually(lambda: sent in self.taken, 1.0)
        return sent in self.taken

    async def told(self) -> str:
        """What readiness says of its nodes."""
        return (await self.minority.check() if self.minority else None) or ""

    def is_at(self, node: Node) -> list[bool]:
        """Whether its connections are there."""
        return [c.address is not None and c.address.ip == node.address for c in self.connections]


@contextlib.asynccontextmanager
async def process_at(node: Node, url: str) -> AsyncIterator[Process]:
    """Start with all connections at this node."""
    nodes = Nodes.of(url)
    for address in await nodes.addresses():
        if address.ip != node.address:
            nodes.avoid(address)
    async with (
        connected(nodes, name="publish", timeout=30) as publish,
        connected(nodes, name="consume", timeout=30) as consume,
    ):
        nodes._avoided.clear()
        publisher = Publisher(publish)
        await publisher.open(*EXCHANGES, within=30)
        process = Process((publish, consume), publisher)
        pool = WorkerPool(
            consume,
            "sender.high",
            process.take,
            DeadLetters(publisher),
            workers=2,
            prefetch=2,
        )
        process.minority = minority = Minority(nodes, (publish, consume), publisher, (pool.subscription,))
        tasks = [asyncio.create_task(pool.run()), asyncio.create_task(minority.run())]
        await eventually(process.works, 30)
        assert process.is_at(node) == [True, True]
        try:
            yield process
        finally:
            await pool.stop(5)
            await end(tasks)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("busy", [True, False])
async def test_a_node_that_is_cut_off_is_left_within_seconds(cluster: Cluster, number: int, busy: bool) -> None:
    """While it publishes, and when it only waits for work that others publish at the majority."""
    node, other = cluster.nodes[number - 1], cluster.nodes[number % 3]
    async with (
        process_at(node, f"{cluster.url()}/{VHOST}") as process,
        connected(other.broker.amqp_url(), name="outside", timeout=30) as connection,
    ):
        outside = Publisher(connection)
        await outside.open(BATCHES, within=30)
        await asyncio.to_thread(cluster.part, number, from_clients=False)
        began = time.monotonic()
        sent = await asyncio.gather(*(send(process.publisher if busy else outside) for _ in range(10)))
        await eventually(process.works, ASKED)
        assert time.monotonic() - began < ASKED
        await eventually(lambda: process.is_at(node) == [False, False], ASKED - (time.monotonic() - began))
        assert await process.told() == ""
        # The others find out later that its consumers are gone, and give what those held to ours.
        cluster.heal()
        await eventually(lambda: set(sent) <= set(process.taken), 60)


async def test_a_node_that_is_cut_off_and_known_alone_is_told_as_what_it_may_be(cluster: Cluster) -> None:
    """Nobody is advised to delete a queue that the majority has."""
    node = cluster.nodes[2]
    async with process_at(node, node.broker.amqp_url()) as process:
        assert await process.told() == ""
        await asyncio.to_thread(cluster.part, 3, from_clients=False)
        said = await eventually(process.told, TOLD)
        assert "lost the majority" in said
        assert "delete nothing" in said
        cluster.heal()
        await eventually(process.works, 60)
        await eventually(lambda: _nothing(process), 15)


async def _nothing(process: Process) -> bool:
    return await process.told() == ""


async def test_a_probe_tells_a_node_that_is_cut_off_from_the_others(cluster: Cluster) -> None:
    """What passive questions do not."""
    nodes = Nodes.of(f"{cluster.url()}/{VHOST}")
    probe = QueueProbe(nodes)
    addresses = await nodes.addresses()
    try:
        assert [await probe.answer(address, "sender.low") for address in addresses] == [Answer.SERVES] * 3
        await asyncio.to_thread(cluster.part, 2, from_clients=False)

        async def apart() -> bool:
            found = await asyncio.gather(*(probe.answer(address, "sender.low") for address in addresses))
            return found[1] is Answer.SILENT and Answer.SERVES in found

        await eventually(apart, 30)
    finally:
        await probe.close()
