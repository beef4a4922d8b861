"""Restricted users: each service works as its own, and cannot do what it must not."""

import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ProbableAuthenticationError

from deploy.local.ports import free_port
from shared.topology import EVENTS, EXCHANGES, QUEUES
from shared.topology.access import (
    AGGREGATOR,
    API,
    DEFAULT_EXCHANGE,
    MONITORING,
    PLANNER,
    SENDER,
    SUBSCRIBER,
    USERS,
    User,
)
from tests.integration.deploy.fleet import SERVICES, fleet
from tests.integration.deploy.rabbitmq.conftest import Vhost
from tests.support.look_refuser import LookRefuser

OWN = dict(zip(SERVICES, (API, PLANNER, SENDER, AGGREGATOR), strict=True))
DEVICES = 1_200


@pytest.mark.timeout(120)
async def test_a_campaign_completes_with_each_service_as_its_own_user(
    vhost: Vhost, database_url: str, tmp_path: Path
) -> None:
    """Nothing that a service does is refused."""
    own = {name: {"CARILLON_AMQP_URL": vhost.url(user)} for name, user in OWN.items()}
    async with fleet(tmp_path, {"CARILLON_DATABASE_URL": database_url}, own) as services:
        await services.register(DEVICES)
        stats = await services.completed(await services.send())
        lanes = (await services.api.get("/v1/lanes")).json()
    assert stats["outcomes"]["accepted"] == DEVICES
    assert not [name for name in SERVICES if "ACCESS_REFUSED" in (tmp_path / f"{name}.log").read_text()]
    assert {lane["consumers"] for lane in lanes["items"]} == {1}


BEFORE_LOOKS_NEEDED_A_RIGHT = {
    API: r"^(push\.commands|push\.events|amq\.default)$",
    PLANNER: r"^(push\.commands|push\.batches|push\.results|push\.events|push\.dead)$",
    SENDER: r"^(push\.batches|push\.retry|push\.results|push\.dead)$",
    AGGREGATOR: r"^(push\.commands|push\.events|push\.dead)$",
}
"""What each might write to before: nothing that it only looks at."""


@pytest.mark.timeout(120)
async def test_services_whose_users_have_the_rights_of_before_work_and_say_what_they_may_not_look_at(
    vhost: Vhost, database_url: str, tmp_path: Path
) -> None:
    """RabbitMQ 4.3 lets them look at nothing that they do not publish to or consume; 3.10 at everything."""
    for user, write in BEFORE_LOOKS_NEEDED_A_RIGHT.items():
        vhost.put(f"/permissions/{{vhost}}/{user.name}", {"configure": "^$", "write": write, "read": user.read})
    own = {name: {"CARILLON_AMQP_URL": vhost.url(user)} for name, user in OWN.items()}
    async with fleet(tmp_path, {"CARILLON_DATABASE_URL": database_url}, own) as services:
        await services.register(DEVICES)
        campaign = await services.send()
        explained = (await services.api.get(f"/v1/campaigns/{campaign}/explain")).json()
        assert "broker_unreachable" not in {reason["code"] for reason in explained["reasons"]}
        stats = await services.completed(campaign)
        lanes = (await services.api.get("/v1/lanes")).json()
        ready = {name: (await services.api.get(f"{services.urls[name]}/health/ready")).json() for name in SERVICES}
    assert stats["outcomes"]["accepted"] == DEVICES
    hidden = [name for name in SERVICES if "topology.may_not_look" in (tmp_path / f"{name}.log").read_text()]
    notes = [name for name, answer in ready.items() if "notes" in answer]
    if may_look_without_a_right(await version(vhost)):
        assert (hidden, notes) == ([], [])
        assert {lane["consumers"] for lane in lanes["items"]} == {1}
    else:
        assert hidden == notes == list(SERVICES)
        assert {lane["consumers"] for lane in lanes["items"]} == {None}
        assert "Broker user carillon-sender may not look at " in ready["sender"]["notes"]["topology"]
        assert "`python -m shared.topology` with CARILLON_BROKER_PASSWORDS_DIR" in ready["api"]["notes"]["topology"]


@pytest.mark.timeout(120)
async def test_services_that_may_look_at_nothing_work(vhost: Vhost, database_url: str, tmp_path: Path) -> None:
    """As on RabbitMQ 4.2.6, which asks for a right that no service has; what cannot be seen is told as unknown."""
    refuser = LookRefuser(free_port(), to=urlsplit(vhost.broker.url).port or 5672)
    await refuser.open()
    own = {
        name: {"CARILLON_AMQP_URL": vhost.url(user).replace(f":{refuser.to}/", f":{refuser.port}/")}
        for name, user in OWN.items()
    }
    async with fleet(tmp_path, {"CARILLON_DATABASE_URL": database_url}, own) as services:
        await services.register(DEVICES)
        stats = await services.completed(await services.send())
        lanes = (await services.api.get("/v1/lanes")).json()
        letters = await services.api.get("/v1/dead-letters")
    await refuser.close()
    assert letters.json()["ready"] == 0, letters.text
    assert stats["outcomes"]["accepted"] == DEVICES
    assert refuser.looks
    assert {(lane["ready"], lane["consumers"]) for lane in lanes["items"]} == {(None, None)}


async def version(vhost: Vhost) -> tuple[int, ...]:
    """The broker's version, as it sends it to every client."""
    async with await aio_pika.connect(vhost.url(MONITORING)) as connection:
        assert connection.transport is not None
        told = connection.transport.connection.server_properties["version"]
    return tuple(int(part) for part in str(told).split(".")[:3])


def may_look_without_a_right(told: tuple[int, ...]) -> bool:
    """Whether this version lets anybody look."""
    return told < (4, 2, 6)


@pytest.fixture
async def connections(vhost: Vhost) -> AsyncIterator[dict[User, AbstractConnection]]:
    """A connection for every user."""
    opened: dict[User, AbstractConnection] = {user: await aio_pika.connect(vhost.url(user)) for user in USERS}
    yield opened
    for connection in opened.values():
        await connection.close()


Act = Callable[[AbstractChannel], Awaitable[object]]


async def is_allowed(connection: AbstractConnection, act: Act) -> bool:
    """Whether the broker lets the connection's user do it; a refusal closes the channel."""
    channel = await connection.channel()
    try:
        await act(channel)
    except ChannelAccessRefused:
        return False
    await channel.close()
    return True


async def test_every_user_may_publish_and_consume_just_what_its_patterns_say(
    connections: dict[User, AbstractConnection],
) -> None:
    """All users, all exchanges, all queues."""
    for (user, connection), exchange in itertools.product(connections.items(), (*EXCHANGES, DEFAULT_EXCHANGE)):

        async def publish(channel: AbstractChannel, exchange: str = exchange) -> None:
            named = exchange != DEFAULT_EXCHANGE
            target = await channel.get_exchange(exchange, ensure=False) if named else channel.default_exchange
            await target.publish(aio_pika.Message(b"{}"), "nobody.listens.here", mandatory=False)

        expected = bool(re.search(user.write, exchange))
        assert await is_allowed(connection, publish) == expected, (user.name, "publish", exchange)
    for (user, connection), queue in itertools.product(connections.items(), QUEUES):

        async def consume(channel: AbstractChannel, name: str = queue.name) -> None:
            await (await channel.get_queue(name, ensure=False)).get(fail=False)

        expected = bool(re.search(user.read, queue.name))
        assert await is_allowed(connection, consume) == expected, (user.name, "consume", queue.name)


async def test_no_service_may_declare_bind_delete_or_purge(connections: dict[User, AbstractConnection]) -> None:
    """A stolen password of one service does not give access to the topology."""

    async def declare(channel: AbstractChannel) -> None:
        await channel.declare_queue("of-my-own", durable=True, arguments={"x-queue-type": "quorum"})

    async def exchange(channel: AbstractChannel) -> None:
        await channel.declare_exchange("of-my-own", durable=True)

    def bind(queue: str) -> Act:
        async def bind(channel: AbstractChannel) -> None:
            await (await channel.get_queue(queue, ensure=False)).bind(EVENTS, "#")

        return bind

    async def delete(channel: AbstractChannel) -> None:
        await channel.exchange_delete(EVENTS)

    async def purge(channel: AbstractChannel) -> None:
        await (await channel.get_queue("sender.retry.1m", ensure=False)).purge()

    acts = (declare, exchange, *(bind(queue.name) for queue in QUEUES), delete, purge)
    for user, act in itertools.product((*OWN.values(), MONITORING), acts):
        assert not await is_allowed(connections[user], act), (user.name, act.__name__)


async def test_a_subscriber_hears_events_on_a_queue_of_its_own(connections: dict[User, AbstractConnection]) -> None:
    """And only under a name that the policy bounds."""

    async def subscribe(channel: AbstractChannel, name: str = "events.mine") -> None:
        queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(EVENTS, "campaign.*")
        await queue.get(fail=False)

    async def elsewhere(channel: AbstractChannel) -> None:
        await subscribe(channel, "mine")

    assert await is_allowed(connections[SUBSCRIBER], subscribe)
    assert not await is_allowed(connections[SUBSCRIBER], elsewhere)


async def test_a_changed_password_takes_effect(vhost: Vhost) -> None:
    """The old one is refused from then on."""
    vhost.broker.manage("GET", f"/users/{SENDER.name}")
    wrong = vhost.url(SENDER).replace(vhost.passwords[SENDER.name], "not-the-password")
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(wrong)
