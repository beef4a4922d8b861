"""The topology on a broker: declared once, again without change, and carrying messages as it says."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from deploy.local.broker import Broker
from shared import topology
from shared.amqp import delivery as deliveries
from shared.amqp.connection import connect, connected
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.delivery import Delivery
from shared.amqp.depth import ready_messages
from shared.amqp.publisher import Publisher
from shared.amqp.subscription import Subscription
from shared.amqp.workers import WorkerPool
from shared.contracts.messages import BatchReady, PlanCampaign
from shared.errors import QueueMissingError
from shared.topology import COMMANDS, DEAD, QUEUES, RETRY, RUNGS
from shared.topology.declare import declare
from tests.integration.shared.amqp.outside import Outside
from tests.support.consumer_timeout import consumer_timeout

if TYPE_CHECKING:
    from pamqp.common import FieldTable

SOON = 300
"""Milliseconds instead of a rung's seconds."""


async def test_declaring_again_changes_nothing(amqp_url: str) -> None:
    """Every start may run the bootstrap."""
    async with Outside.on(amqp_url) as outside:
        await declare(outside.channel)
        for queue in QUEUES:
            assert await outside.ready(queue.name) == 0


async def test_a_retry_comes_back_to_its_lane_with_its_attempt(
    empty_amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rung as it is, but for its delay."""
    rung = RUNGS["10s"]
    soon = replace(rung, extra={**rung.extra, "x-message-ttl": SOON})
    monkeypatch.setattr("shared.topology.declare.QUEUES", tuple(soon if q is rung else q for q in QUEUES))
    batch = BatchReady(campaign_id=7, batch_no=1, epoch=3, size=2, lane="low", project="default")
    async with Outside.on(empty_amqp_url) as outside:
        await declare(outside.channel)
        async with await connect(empty_amqp_url, name="test", timeout=10) as connection:
            publisher = Publisher(connection)
            await publisher.open(RETRY)
            await publisher.publish(batch, RETRY, "10s.low", attempt=2)
            assert await outside.ready("sender.retry.10s") == 1
            message = await outside.take("sender.low", within=10)
            await publisher.close()
    assert BatchReady.model_validate_json(message.body) == batch
    assert message.routing_key == "10s.low"
    assert message.headers["carillon-attempt"] == 2
    assert (message.type, message.correlation_id) == ("push.batch.v1", "7")


async def test_a_delayed_command_comes_back_to_the_planner(amqp_url: str) -> None:
    """After half a second, as it was."""
    assert timedelta(seconds=1) >= topology.PLAN_DELAY
    command = PlanCampaign(campaign_id=7, seq=4)
    async with Outside.on(amqp_url) as outside, await connect(amqp_url, name="test", timeout=10) as connection:
        publisher = Publisher(connection)
        await publisher.open(COMMANDS)
        await publisher.publish(command, COMMANDS, "delayed.plan")
        assert await outside.ready("planner.commands") == 0
        message = await outside.take("planner.commands", within=10)
        await publisher.close()
    assert (message.type, PlanCampaign.model_validate_json(message.body)) == (command.type, command)


@asynccontextmanager
async def impatient_queue(url: str, limit: int) -> AsyncGenerator[tuple[Outside, Subscription]]:
    """A queue like a lane's that gives a message up after `limit` returns, with one message, and who consumes it."""
    async with Outside.on(url) as outside, connected(url, name="test", timeout=10) as connection:
        await declare(outside.channel)
        limited: FieldTable = {**topology.LANES[topology.Lane.HIGH].arguments, "x-delivery-limit": limit}
        queue = await outside.channel.declare_queue("impatient", durable=True, arguments=limited)
        await queue.bind(topology.EVENTS, "impatient")
        publisher = Publisher(connection)
        await publisher.open(topology.EVENTS)
        await publisher.publish(PlanCampaign(campaign_id=1, seq=0), topology.EVENTS, "impatient")
        await publisher.close()
        subscription = Subscription(connection, "impatient", prefetch=1)
        yield outside, subscription
        await subscription.close()


async def test_a_message_that_is_returned_too_often_ends_in_dead(empty_amqp_url: str) -> None:
    """The broker's own limit, for a consumer that dies before it can judge: what was unacked on its channel returns."""
    async with impatient_queue(empty_amqp_url, 2) as (outside, subscription):
        await subscription.start()
        for _ in range(2):
            await subscription.deliveries.get()
            await subscription.start_again()
        await subscription.deliveries.get()
        await subscription.close()
        letter = await outside.take("dead", within=10)
    assert PlanCampaign.model_validate_json(letter.body).campaign_id == 1


async def test_a_message_that_the_broker_takes_back_itself_too_often_ends_in_dead(
    empty_amqp_url: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From who holds it for too long: up to 4.2 by the broker's count, since 4.3 by ours."""
    monkeypatch.setattr(deliveries, "DELIVERY_LIMIT", 1)
    assert broker.control is not None
    hung: list[asyncio.Event] = []

    async def hang(_: Delivery) -> None:
        hung.append(asyncio.Event())
        await hung[-1].wait()

    async with AsyncExitStack() as stack:
        stack.enter_context(consumer_timeout(broker.control, 1.0))
        outside, _ = await stack.enter_async_context(impatient_queue(empty_amqp_url, 1))
        connection = await stack.enter_async_context(connected(empty_amqp_url, name="worker", timeout=10))
        publisher = Publisher(connection)
        await publisher.open(DEAD)
        pool = WorkerPool(connection, "impatient", hang, DeadLetters(publisher), workers=4, prefetch=4)
        running = asyncio.create_task(pool.run())
        letter = await outside.take("dead", within=30)
        for event in hung:
            event.set()
        await pool.stop(5)
        await running
        await publisher.close()
    assert PlanCampaign.model_validate_json(letter.body).campaign_id == 1
    assert len(hung) == 2


async def test_the_depth_of_a_queue_is_asked_without_declaring_it(amqp_url: str) -> None:
    """A queue that is missing is trouble, not a new queue; the connection goes on."""
    async with await connect(amqp_url, name="test", timeout=10) as connection:
        publisher = Publisher(connection)
        await publisher.open(COMMANDS)
        await publisher.publish(PlanCampaign(campaign_id=7, seq=4), COMMANDS, "campaign.plan")
        assert await ready_messages(connection, "planner.commands") == 1
        with pytest.raises(QueueMissingError, match="Queue nowhere is missing"):
            await ready_messages(connection, "nowhere")
        assert await ready_messages(connection, "dead") == 0
        await publisher.close()
