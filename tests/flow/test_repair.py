"""Topology deleted in the middle of a campaign: it is put back by itself, and the campaign ends balanced."""

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.topology import EXCHANGES, LANES, QUEUES, RUNGS, Lane
from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)

WITHIN = 60.0
"""Seconds to the end of a campaign of five seconds: a look a second, sweeps after three, a retry's ten seconds."""

Deed = Callable[[AbstractChannel], Awaitable[object]]


async def purge_the_lane(channel: AbstractChannel) -> None:
    """Lose the batches that wait."""
    await (await channel.get_queue(LANES[Lane.HIGH].name)).purge()


async def delete_every_queue(channel: AbstractChannel) -> None:
    """Lose all that waits, and every consumer."""
    for queue in QUEUES:
        await channel.queue_delete(queue.name)


async def remove_every_binding(channel: AbstractChannel) -> None:
    """Leave queues that nothing comes into."""
    for queue in QUEUES:
        handle = await channel.get_queue(queue.name)
        for binding in queue.bindings:
            await handle.unbind(binding.exchange, binding.pattern)


async def delete_every_exchange(channel: AbstractChannel) -> None:
    """Leave nothing to publish to."""
    for name in EXCHANGES:
        await channel.exchange_delete(name)


@pytest.mark.parametrize(
    "deed",
    [purge_the_lane, delete_every_queue, remove_every_binding, delete_every_exchange],
    ids=lambda deed: deed.__name__,
)
async def test_what_is_deleted_in_mid_campaign_is_put_back_and_nobody_is_pushed_twice(
    system: System, deed: Deed
) -> None:
    """Consumers come back, what was lost with the queues comes again from the ledger, and everybody is ready."""
    await system.fcm.follow({"shares": {"UNREGISTERED": 0.01, "UNAVAILABLE": 0.01}})
    campaign_id = await system.send(await system.audience(4000), rate=800)
    await system.accepted(campaign_id, at_least=800)
    async with await aio_pika.connect(system.stack.amqp_url) as connection, connection.channel() as channel:
        await deed(channel)
    verdict = await system.settled(campaign_id, within=WITHIN)
    assert verdict.duplicates == 0
    assert verdict.letters["A"] + verdict.letters["U"] == 4000
    await eventually(lambda: all_ready(system), within=20)


async def test_a_vhost_wiped_in_mid_campaign_is_filled_again_and_nobody_is_pushed_twice(system: System) -> None:
    """Everybody says that it is not ready while it is away."""
    if system.stack.broker.kind not in {"package", "docker"}:
        pytest.skip("the broker is not ours to wipe")
    await system.fcm.follow({"shares": {"UNREGISTERED": 0.01, "UNAVAILABLE": 0.01}})
    campaign_id = await system.send(await system.audience(4000), rate=800)
    await system.accepted(campaign_id, at_least=800)
    broker = system.stack.broker
    await asyncio.to_thread(broker.delete_vhost, broker.vhost)
    await eventually(lambda: none_ready(system), within=20)
    await asyncio.to_thread(broker.create_vhost, broker.vhost)
    verdict = await system.settled(campaign_id, within=WITHIN)
    assert verdict.duplicates == 0
    assert verdict.letters["A"] + verdict.letters["U"] == 4000
    await eventually(lambda: all_ready(system), within=20)


async def test_a_queue_that_the_brokers_crash_leaves_without_a_leader_is_put_back(system: System) -> None:
    """RabbitMQ 3.10.8 does so to a queue that was just declared again; no device gets two pushes, and all end ready."""
    if system.stack.broker.kind != "package":
        pytest.skip("the broker is not ours to kill")
    await system.fcm.follow({"shares": {"UNAVAILABLE": 0.1}})
    rung = RUNGS["10s"].name
    campaign_id = await system.send(await system.audience(4000), rate=800)
    await system.accepted(campaign_id, at_least=800)
    async with await aio_pika.connect(system.stack.amqp_url) as connection:
        async with connection.channel() as channel:
            await channel.queue_delete(rung)
        await eventually(lambda: held(connection, rung), within=20)  # put back, and retries are in it
    await system.kill("rabbitmq")
    await system.start("rabbitmq")
    async with await aio_pika.connect(system.stack.amqp_url) as connection:
        await eventually(lambda: held(connection, rung), within=WITHIN)  # it takes retries again
    await system.fcm.follow({"shares": {}})
    verdict = await system.settled(campaign_id, within=WITHIN)
    assert verdict.duplicates == 0
    assert verdict.letters == {"A": 4000}
    await eventually(lambda: all_ready(system), within=60)


async def held(connection: AbstractConnection, queue: str) -> int:
    """How many messages wait in a queue; none while it is not there."""
    try:
        async with connection.channel() as channel:
            return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0
    except ChannelNotFoundEntity:
        return 0


async def all_ready(system: System) -> bool:
    """Whether every service says that it can work."""
    for service in system.stack.services.values():
        answer = await system.api.get(f"{service.url}/health/ready")
        assert answer.status_code == 200, f"{service.name}: {answer.text}"
    return True


async def none_ready(system: System) -> bool:
    """Whether every service says that it cannot."""
    for service in system.stack.services.values():
        answer = await system.api.get(f"{service.url}/health/ready")
        assert answer.status_code == 503, f"{service.name}: {answer.text}"
    return True
