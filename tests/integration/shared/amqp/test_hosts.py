"""A URL with several hosts, and names with several addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import aio_pika
import pytest
from yarl import URL

from deploy.local.ports import LOOPBACK, free_port
from shared.amqp import connection as connecting
from shared.amqp import dialling
from shared.amqp.connection import connect, connected
from shared.amqp.dialling import BrokerConnection
from shared.amqp.nodes import Address, Nodes
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder


def with_hosts(url: str, *hosts: str) -> str:
    """The URL with these hosts instead of its own."""
    whole = URL(url)
    login = url.removeprefix("amqp://").partition("@")[0]
    return f"amqp://{login}@{','.join(hosts)}{whole.raw_path}"


def _elsewhere(connection: BrokerConnection, before: Address) -> bool:
    return connection.address not in {None, before}


@pytest.fixture
async def ways(amqp_url: str) -> AsyncIterator[list[Forwarder]]:
    """Three hosts that lead to the broker."""
    forwarders = [Forwarder(free_port(), to=URL(amqp_url).port or 5672) for _ in range(3)]
    for forwarder in forwarders:
        await forwarder.open()
    yield forwarders
    for forwarder in forwarders:
        await forwarder.close()


async def test_a_host_that_is_dead_costs_nothing(amqp_url: str) -> None:
    """Whatever its place, and however many there are."""
    dead = [f"{LOOPBACK}:{free_port()}" for _ in range(3)]
    url = with_hosts(amqp_url, *dead, f"{LOOPBACK}:{URL(amqp_url).port}")
    for _ in range(3):
        async with asyncio.timeout(2), connected(url, name="test", timeout=1) as connection:
            assert connection.address is not None
            assert connection.address.host.port == URL(amqp_url).port


async def test_a_host_that_is_silent_costs_its_share_only(
    amqp_url: str, ways: list[Forwarder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and says nothing: the next attempt begins with another."""
    monkeypatch.setattr(dialling, "TRY", 0.2)
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    ways[0].hold()
    ways[1].hold()
    url = with_hosts(amqp_url, *(f"{LOOPBACK}:{way.port}" for way in ways))
    for _ in range(4):
        nodes = Nodes.of(url)
        async with asyncio.timeout(5), connected(nodes, name="test", timeout=5) as connection:
            assert connection.address is not None
            assert connection.address.host.port == ways[2].port


async def test_a_lost_connection_comes_back_at_another_host(
    amqp_url: str, ways: list[Forwarder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, though the host that it was at would take it again; channels and consumers come along."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    async with await connect(
        with_hosts(amqp_url, *(f"{LOOPBACK}:{way.port}" for way in ways)), name="test", timeout=5
    ) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("sender.high")
        arrived: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            await message.ack()
            arrived.put_nowait(message.body)

        await queue.consume(take)
        for number in range(4):
            before = connection.address
            assert before is not None
            at = next(way for way in ways if way.port == before.host.port)
            at.cut()
            await eventually(partial(_elsewhere, connection, before))
            body = str(number).encode()
            async with await connect(amqp_url, name="other", timeout=5) as other, other.channel() as there:
                await there.default_exchange.publish(aio_pika.Message(body), "sender.high")
            assert await asyncio.wait_for(arrived.get(), 5) == body


async def test_who_is_told_to_leave_goes_and_the_process_avoids_that_node(
    amqp_url: str, ways: list[Forwarder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is made afterwards goes elsewhere, too."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    nodes = Nodes.of(with_hosts(amqp_url, *(f"{LOOPBACK}:{way.port}" for way in ways)))
    async with connected(nodes, name="one", timeout=5) as one:
        left = one.address
        assert left is not None
        nodes.avoid(left)
        one.leave()
        await eventually(lambda: one.address not in {None, left})
        for _ in range(5):
            async with connected(nodes, name="two", timeout=5) as two:
                assert two.address not in {None, left}


Look = Callable[..., Awaitable[list[tuple[object, ...]]]]


async def test_a_name_with_several_addresses_is_several_nodes_and_is_looked_up_anew(
    amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A headless service, a round of A records: those that are dead are passed, one that moves is followed."""
    monkeypatch.setattr(connecting, "RECONNECT_INTERVAL", 0.05)
    known = {"rabbitmq.test": ["127.0.0.2", "127.0.0.3", LOOPBACK]}
    looked: list[str] = []

    async def look(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        looked.append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    port = URL(amqp_url).port
    url = with_hosts(amqp_url, f"nowhere.test:{port}", f"rabbitmq.test:{port}")
    nodes = Nodes.of(url)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look)
    assert [address.ip for address in await nodes.addresses()] == known["rabbitmq.test"]
    async with connected(nodes, name="test", timeout=5) as connection:
        assert str(connection.address) == f"rabbitmq.test:{port} ({LOOPBACK})"
        known["rabbitmq.test"], known["nowhere.test"] = [], [LOOPBACK]
        looked.clear()
        connection.leave()
        await eventually(lambda: connection.address is not None and connection.address.host.name == "nowhere.test")
        assert looked
