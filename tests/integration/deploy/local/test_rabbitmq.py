"""Private RabbitMQ nodes of the machine's package."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from deploy.local.broker import Broker
from deploy.local.guardian import Guardian
from deploy.local.ports import is_free
from deploy.local.rabbitmq import PackagedNode, package_script
from deploy.local.together import together
from tests.support.eventually import eventually


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    """End what a failing test leaves."""
    with Guardian() as guardian:
        yield guardian


@pytest.fixture
def script() -> Path:
    """Skip where only Docker or a foreign broker serves."""
    script = package_script()
    if script is None:
        pytest.skip("no RabbitMQ package on this machine")
    return script


async def publish(broker: Broker, queue: str) -> None:
    """Put one persistent message on a quorum queue."""
    async with await aio_pika.connect(broker.amqp_url()) as connection, connection.channel() as channel:
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(
            aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), queue
        )


async def test_two_nodes_run_side_by_side_and_leave_nothing(tmp_path: Path, guardian: Guardian, script: Path) -> None:
    """Own names, ports, cookies and name servers; after the stop no process and no port of theirs is left."""
    nodes = [PackagedNode(script, tmp_path / name, guardian, keep=False) for name in ("one", "two")]
    brokers: list[Broker] = []

    def start(node: PackagedNode) -> None:
        brokers.append(node.start())

    await together(*(partial(start, node) for node in nodes))
    processes = [process for node in nodes for process in (node.node, node.names)]
    family = [member for process in processes for member in with_descendants(process.pid)]
    listening = {
        (socket.laddr.ip, socket.laddr.port)
        for member in family
        for socket in member.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN
    }
    try:
        for broker in brokers:
            await publish(broker, "bells")
            assert isinstance(broker.manage("GET", "/whoami"), dict)
        assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}
        assert len({port for _, port in listening}) == 8, "two nodes: AMQP, management, distribution, name server"
    finally:
        await together(*(broker.stop for broker in brokers))
    assert not any(process.running for process in processes)
    await eventually(lambda: not any(lives(member) for member in family))
    assert all(is_free(port) for _, port in listening)


def lives(process: psutil.Process) -> bool:
    """Whether it runs; helpers that were killed may wait for the system to clear them away."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def with_descendants(pid: int) -> list[psutil.Process]:
    """Return a process and all that it started."""
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]


async def test_a_second_start_finds_the_messages_of_the_first(tmp_path: Path, guardian: Guardian, script: Path) -> None:
    """On other ports, under the same node name and password."""
    first = PackagedNode(script, tmp_path, guardian, keep=True).start()
    await publish(first, "bells")
    first.stop()
    second = PackagedNode(script, tmp_path, guardian, keep=True).start()
    try:
        assert urlsplit(first.url).password == urlsplit(second.url).password
        async with await aio_pika.connect(second.amqp_url()) as connection, connection.channel() as channel:
            queue = await channel.declare_queue("bells", passive=True)
            message = await queue.get(no_ack=True)
            assert message is not None
            assert message.body == b"kept"
    finally:
        second.stop()
