"""`/v1/lanes` and `/v1/workers` over a running API."""

import aio_pika
import httpx
from aio_pika.abc import AbstractIncomingMessage
from sqlalchemy import text

from shared.db import Database
from shared.heartbeat import Heartbeat
from tests.support.eventually import eventually

CLAIMED = text("""
    with c as (insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, status)
               values ('t', '{}', '{}', 'high', 1, 'at_least_once', 1, 'sending') returning id)
    insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, state, outcomes, reported, first_id,
                                last_id)
    select c.id, n, 'high', 'default', 2, case when n < 2 then 'claimed' else 'waiting' end, '..', '..', 1, 2
      from c, generate_series(0, 2) as n
""")


async def ignore(_: AbstractIncomingMessage) -> None:
    """Consume and do nothing."""


async def test_lanes_tell_what_waits_what_is_in_flight_and_who_serves(
    client: httpx.AsyncClient, database: Database, amqp_url: str
) -> None:
    """The broker's figures and the ledger's."""
    async with database.write() as tx:
        await tx.run(CLAIMED)
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        for _ in range(3):
            await channel.default_exchange.publish(aio_pika.Message(b"{}"), "sender.high")
        low = await channel.get_queue("sender.low")
        await low.consume(ignore)

        async def told() -> bool:
            answer = (await client.get("/v1/lanes")).json()
            lanes = {lane["lane"]: lane for lane in answer["items"]}
            assert list(lanes) == ["high", "normal", "low"]
            high = lanes["high"]
            assert (high["ready"], high["consumers"], lanes["low"]["consumers"]) == (3, 0, 1)
            assert (high["in_flight"], high["in_flight_devices"], high["waiting"]) == (2, 4, 1)
            assert {queue["queue"] for queue in answer["queues"]} >= {"planner.commands", "aggregator.results", "dead"}
            return True

        await eventually(told)


async def test_workers_are_listed_while_they_live(client: httpx.AsyncClient, database: Database) -> None:
    """The API itself, and a sender until it has stopped; one that is silent is said to be."""
    done = [0.0]
    beating = Heartbeat(database, "sender", in_flight=lambda: 4, done=lambda: done[0])
    await beating.beat()
    done[0] = 10.0
    await beating.beat()

    async def listed() -> dict[str, dict[str, object]]:
        items = (await client.get("/v1/workers")).json()["items"]
        return {item["service"]: item for item in items}

    workers = await eventually(listed)
    assert workers["sender"]["state"] == "alive"
    assert workers["sender"]["in_flight"] == 4
    assert float(str(workers["sender"]["rate"])) > 0
    async with database.write() as tx:
        await tx.run(text("update heartbeat set seen_at = now() - interval '1 minute' where service = 'sender'"))
    assert (await listed())["sender"]["state"] == "silent"
    await beating.stop()
    assert "sender" not in await listed()
    await eventually(lambda: _has_api(client))


async def _has_api(client: httpx.AsyncClient) -> bool:
    return any(item["service"] == "api" for item in (await client.get("/v1/workers")).json()["items"])
