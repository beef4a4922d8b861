"""The broker or PostgreSQL gone in the middle of a campaign, and messages lost: waited out, and nobody pushed twice."""

import asyncio
import dataclasses
import signal

import aio_pika
import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from shared.topology import QUEUES
from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)


async def test_the_broker_killed_in_mid_campaign_repeats_nothing(system: System) -> None:
    """Services hold what they have, come back with it, and are ready again."""
    if system.stack.broker.kind != "package":
        pytest.skip(
            "the broker is not ours to kill: a container takes its data along, and others may use a foreign one"
        )
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    campaign_id = await system.send(await system.audience(6000), rate=1000)
    await system.accepted(campaign_id, at_least=1000)
    await system.kill("rabbitmq")
    await system.start("rabbitmq")
    verdict = await system.settled(campaign_id, within=60)
    assert verdict.letters == {"A": 6000}
    assert verdict.duplicates == 0
    await eventually(lambda: _all_ready(system), within=20)


async def test_postgresql_crashed_in_mid_campaign_repeats_nothing(system: System) -> None:
    """Its recovery brings back what was committed; what was not is done again."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    campaign_id = await system.send(await system.audience(5000), rate=1000)
    await system.accepted(campaign_id, at_least=1000)
    process = system.process("postgres")
    process.send(signal.SIGQUIT)  # ends at once, without a checkpoint
    await asyncio.to_thread(process.wait, 20)
    await system.start("postgres")
    connection = await asyncpg.connect(system.stack.database_url)
    try:
        healed = dataclasses.replace(system, ledger=connection)
        verdict = await healed.settled(campaign_id, within=60)
    finally:
        await connection.close()
    assert verdict.letters == {"A": 5000}
    assert verdict.duplicates == 0
    await eventually(lambda: _all_ready(system), within=20)


async def test_every_queue_wiped_in_mid_campaign_is_filled_again_from_the_ledger(system: System) -> None:
    """Batches, retries and results are gone; the sweeps bring each back, and nothing is sent twice."""
    await system.fcm.follow({"shares": {"UNAVAILABLE": 0.05}})
    audience = await system.audience(6000)
    await system.stop("aggregator-1", within=15)
    campaign_id = await system.send(audience, rate=800)
    await system.pushed(campaign_id, at_least=1500)
    wiped: dict[str, int] = {}

    async def lost_of_every_kind() -> bool:
        for name, count in (await _wipe(system)).items():
            wiped[name] = wiped.get(name, 0) + count
        assert all(wiped[name] for name in ("sender.high", "sender.retry.10s", "aggregator.results")), wiped
        return True

    await eventually(lost_of_every_kind)
    await system.fcm.follow({"shares": {}})
    await system.start("aggregator-1")
    verdict = await system.settled(campaign_id, within=60)
    assert verdict.letters == {"A": 6000}
    assert verdict.duplicates == 0


async def _wipe(system: System) -> dict[str, int]:
    """Purge every queue; return how many messages each lost."""
    async with await aio_pika.connect(system.stack.amqp_url) as connection, connection.channel() as channel:
        queues = [await channel.get_queue(queue.name) for queue in QUEUES]
        return {queue.name: (await queue.purge()).message_count or 0 for queue in queues}


async def _all_ready(system: System) -> bool:
    for service in system.stack.services.values():
        answer = await system.api.get(f"{service.url}/health/ready")
        assert answer.status_code == 200, f"{service.name}: {answer.text}"
    return True
