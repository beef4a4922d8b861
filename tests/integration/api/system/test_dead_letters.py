"""`/v1/dead-letters` over a running API and broker."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel

from shared.amqp.connection import connected
from shared.amqp.publisher import Publisher
from shared.topology import BATCHES, DEAD
from tests.integration.api.conftest import KEY
from tests.support.eventually import eventually


@pytest.fixture
async def channel(amqp_url: str) -> AsyncGenerator[AbstractChannel]:
    """The test's own connection to the broker."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        yield channel


async def bury(channel: AbstractChannel, *numbers: int, queue: str = "sender.high", reason: str = "KeyError") -> None:
    """Put letters into `dead`, as a service does."""
    exchange = await channel.get_exchange(DEAD)
    for number in numbers:
        headers = {"carillon-queue": queue, "carillon-routing-key": "new.high", "carillon-reason": reason}
        message = aio_pika.Message(
            b'{"campaign_id":%d}' % number,
            message_id=f"m{number}",
            type="push.batch.v1",
            headers={**headers, "carillon-attempt": 2},
        )
        await exchange.publish(message, queue)


async def listed(client: httpx.AsyncClient, count: int, **filters: Any) -> dict[str, Any]:
    """The listing, once it holds this many."""

    async def look() -> dict[str, Any]:
        answer: dict[str, Any] = (await client.get("/v1/dead-letters", params=filters)).json()
        assert len(answer["items"]) == count, answer
        return answer

    return await eventually(look)


async def test_looking_at_dead_letters_loses_none_and_groups_them(
    client: httpx.AsyncClient, channel: AbstractChannel
) -> None:
    """However often: more often than a broker of itself would let it."""
    await bury(channel, 1, 2)
    await bury(channel, 3, queue="aggregator.results", reason="ValueError")
    for _ in range(25):
        answer = await listed(client, 3)
    assert [item["id"] for item in answer["items"]] == ["m1", "m2", "m3"]
    assert (answer["ready"], answer["complete"]) == (3, True)
    assert answer["groups"] == [
        {"queue": "sender.high", "reason": "KeyError", "count": 2},
        {"queue": "aggregator.results", "reason": "ValueError", "count": 1},
    ]
    assert [item["id"] for item in (await listed(client, 1, reason="ValueError"))["items"]] == ["m3"]


async def test_a_replayed_letter_overtakes_nobody(
    client: httpx.AsyncClient, channel: AbstractChannel, amqp_url: str
) -> None:
    """RabbitMQ 4.3 serves priorities strictly, and one that is not set is above what our services send."""
    async with connected(amqp_url, name="test", timeout=10) as connection:
        publisher = Publisher(connection)
        await publisher.open(BATCHES)
        await publisher.publish_raw(b"{}", BATCHES, "new.high", kind="first")
        await bury(channel, 1)
        await listed(client, 1)
        assert (await client.post("/v1/dead-letters/replay", json={"ids": ["m1"]})).json()["done"] == 1
        await publisher.publish_raw(b"{}", BATCHES, "new.high", kind="last")
        await publisher.close()
    queue = await channel.get_queue("sender.high")
    taken = [await queue.get(no_ack=True) for _ in range(3)]
    assert [(message.type, message.priority) for message in taken] == [("first", 0), ("push.batch.v1", 0), ("last", 0)]


async def test_one_letter_is_read_whole(client: httpx.AsyncClient, channel: AbstractChannel) -> None:
    """Body, headers, and where it was."""
    await bury(channel, 1)
    await listed(client, 1)

    async def read() -> dict[str, Any]:
        answer = await client.get("/v1/dead-letters/m1")
        assert answer.status_code == 200
        letter: dict[str, Any] = answer.json()
        return letter

    letter = await eventually(read)
    assert letter["body"] == '{"campaign_id":1}'
    assert letter["headers"] == {"carillon-attempt": "2"}
    assert (letter["queue"], letter["routing_key"], letter["replayable"]) == ("sender.high", "new.high", True)
    assert (await client.get("/v1/dead-letters/ghost")).json()["type"] == "urn:carillon:problem:no-such-dead-letter"


async def test_chosen_letters_go_back_to_their_queue(client: httpx.AsyncClient, channel: AbstractChannel) -> None:
    """A dry run tells how many; what has no queue of ours stays."""
    await bury(channel, 1, 2, 3)
    await bury(channel, 4, queue="elsewhere")
    await listed(client, 4)

    async def replay(**chosen: Any) -> dict[str, Any]:
        answer = await client.post("/v1/dead-letters/replay", json=chosen)
        assert answer.status_code == 200, answer.text
        outcome: dict[str, Any] = answer.json()
        return outcome

    async def dry() -> bool:
        return bool((await replay(queue="sender.high", dry_run=True))["matched"] == 3)

    await eventually(dry)
    assert (await replay(ids=["m2"]))["done"] == 1
    await listed(client, 3)
    rest = await replay(all=True)
    assert (rest["matched"], rest["done"]) == (3, 2)
    assert rest["failed"] == {"its queue is elsewhere, which is none of ours": 1}
    lane = await channel.get_queue("sender.high")
    bodies = []
    for _ in range(3):
        message = await eventually(lambda: lane.get(fail=False))
        assert message is not None
        assert (message.type, message.headers["carillon-attempt"]) == ("push.batch.v1", 2)
        assert "carillon-reason" not in message.headers
        bodies.append(message.body)
    assert bodies == [b'{"campaign_id":%d}' % number for number in (2, 1, 3)]
    await listed(client, 1)


async def test_discarded_letters_are_gone_and_the_log_says_who_did_it(
    client: httpx.AsyncClient, channel: AbstractChannel
) -> None:
    """Nobody discards all by leaving something out."""
    await bury(channel, 1, 2)
    await bury(channel, 3, reason="ValueError")
    await listed(client, 3)
    assert (await client.post("/v1/dead-letters/discard", json={})).status_code == 422

    async def discard() -> bool:
        chosen = {"reason": "ValueError"}
        return bool((await client.post("/v1/dead-letters/discard", json=chosen)).json()["done"] == 1)

    await eventually(discard)
    assert [item["id"] for item in (await listed(client, 2))["items"]] == ["m1", "m2"]
    entry = (await client.get("/v1/audit?resource=dead-letters")).json()["items"][0]
    assert (entry["key_name"], entry["after"]["done"]) == ("operator", 1)


async def test_the_desk_on_the_command_line_lists_shows_replays_and_discards(
    client: httpx.AsyncClient, channel: AbstractChannel
) -> None:
    """A client of this API, with an operator's key."""
    await bury(channel, 1, 2)
    await bury(channel, 3, reason="ValueError")
    await listed(client, 3)

    async def desk(*arguments: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.dead_letters", "--api", str(client.base_url), *arguments, "--json"),
            env={**os.environ, "CARILLON_OPERATOR_KEY": KEY},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        answer: dict[str, Any] = json.loads(said)
        return answer

    assert (await desk("list"))["groups"][0] == {"queue": "sender.high", "reason": "KeyError", "count": 2}
    assert (await desk("show", "m3"))["body"] == '{"campaign_id":3}'
    assert (await desk("replay", "--queue", "sender.high", "--dry-run"))["matched"] == 3
    assert (await desk("replay", "--reason", "KeyError"))["done"] == 2
    assert (await desk("discard", "--all"))["done"] == 1
    assert (await desk("list"))["ready"] == 0
    lane = await channel.declare_queue("sender.high", passive=True)
    assert lane.declaration_result.message_count == 2
