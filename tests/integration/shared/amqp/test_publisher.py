"""A publish returns only when the broker has the message."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from aio_pika.abc import AbstractRobustConnection

from shared.amqp import publisher as publishing
from shared.amqp.publisher import ATTEMPT_HEADER, Publisher
from shared.contracts.messages import BatchReady, CampaignEvent, PlanCampaign
from shared.errors import BrokerUnavailableError
from shared.topology import BATCHES, COMMANDS, EVENTS, RETRY
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder

if TYPE_CHECKING:
    from pamqp.common import FieldTable

BATCH = BatchReady(campaign_id=7, batch_no=1, epoch=0, size=2, lane="high", project="default")


async def test_a_publish_is_in_its_queue_when_it_returns(publisher: Publisher, outside: Outside) -> None:
    """With the envelope that people and receivers rely on."""
    await publisher.publish(BATCH, BATCHES, "new.high", attempt=3)
    message = await outside.take("sender.high", within=0)
    assert BatchReady.model_validate_json(message.body) == BATCH
    assert (message.type, message.correlation_id) == ("push.batch.v1", "7")
    assert (message.content_type, int(message.delivery_mode or 0)) == ("application/json", 2)
    assert message.headers[ATTEMPT_HEADER] == 3
    assert message.message_id is not None
    assert message.timestamp is not None


async def test_every_publish_has_an_id_of_its_own(publisher: Publisher, outside: Outside) -> None:
    """Also a repeat of the same payload."""
    for _ in range(2):
        await publisher.publish(BATCH, BATCHES, "new.high")
    first, second = await outside.take_all("sender.high")
    assert first.message_id != second.message_id


async def test_an_unroutable_message_is_not_taken_for_published(publisher: Publisher) -> None:
    """The text says what, where and with which key."""
    with pytest.raises(BrokerUnavailableError, match=r"push\.batch\.v1 to push\.batches with key new\.urgent"):
        await publisher.publish(BATCH, BATCHES, "new.urgent")


async def test_an_event_that_nobody_listens_to_is_fine(publisher: Publisher) -> None:
    """It is not mandatory."""
    event = CampaignEvent.model_validate({"campaign_id": 1, "campaign_seq": 1, "name": "sent", "at": "2026-01-01"})
    await publisher.publish(event, EVENTS, "campaign.sent", mandatory=False)


async def test_the_channel_survives_an_unroutable_message(publisher: Publisher, outside: Outside) -> None:
    """One bad key must not stop the others, published at the same time."""
    keys = ["new.high", "nowhere", "new.normal", "nowhere", "new.low"]
    answers = await asyncio.gather(*(publisher.publish(BATCH, BATCHES, key) for key in keys), return_exceptions=True)
    assert [isinstance(answer, BrokerUnavailableError) for answer in answers] == [key == "nowhere" for key in keys]
    assert [await outside.ready(f"sender.{lane}") for lane in ("high", "normal", "low")] == [1, 1, 1]


async def test_many_publishes_are_outstanding_at_once(publisher: Publisher, outside: Outside) -> None:
    """Confirms pipeline on one channel."""
    await asyncio.gather(*(publisher.publish(BATCH, BATCHES, "new.low") for _ in range(500)))
    assert await outside.ready("sender.low") == 500


async def test_a_full_queue_refuses(publisher: Publisher, outside: Outside) -> None:
    """Nothing is dropped in silence."""
    arguments: FieldTable = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await outside.channel.declare_queue("small", durable=True, arguments=arguments)
    await queue.bind(EVENTS, "small")
    taken = 0

    async def overfill() -> None:
        """A quorum queue refuses only some messages after its limit."""
        nonlocal taken
        for taken in range(1_000):
            await publisher.publish(PlanCampaign(campaign_id=1, seq=taken), EVENTS, "small")

    with pytest.raises(BrokerUnavailableError, match=r"to push\.events with key small was not confirmed"):
        await overfill()
    assert await outside.ready("small") == taken


async def test_a_missing_exchange_is_said_when_opening(connection: AbstractRobustConnection) -> None:
    """With the command that declares it."""
    opening = Publisher(connection)
    with pytest.raises(BrokerUnavailableError, match=r"push\.nothing could not be opened.*shared\.topology"):
        await opening.open("push.nothing")
    await opening.close()


async def test_a_broker_that_goes_away_before_the_exchanges_are_opened_is_waited_for(
    remote: AbstractRobustConnection, way: Forwarder, outside: Outside
) -> None:
    """As one that is away when a service connects."""
    way.go_away()
    opening = Publisher(remote)
    with pytest.raises(BrokerUnavailableError, match=r"push\.batches could not be opened.*CARILLON_AMQP_URL is right"):
        await opening.open(BATCHES)
    waiting = asyncio.create_task(opening.open(BATCHES, within=30))
    await eventually(lambda: way.refused > 1)
    assert not waiting.done()
    way.come_back()
    await waiting
    await opening.publish(BATCH, BATCHES, "new.high")
    assert await outside.ready("sender.high") == 1
    await opening.close()


async def test_a_publish_that_is_not_confirmed_in_time_is_unknown(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have arrived: the caller repeats it."""
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.0)
    with pytest.raises(BrokerUnavailableError, match="TimeoutError"):
        await publisher.publish(BATCH, BATCHES, "new.high")


async def test_a_channel_that_does_not_confirm_is_replaced(
    publisher: Publisher, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker's side of it may wait for ever for a leader that is gone; a new one looks for the leader anew."""
    silent = publisher._channels[BATCHES]
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.0)
    with pytest.raises(BrokerUnavailableError, match="TimeoutError"):
        await publisher.publish(BATCH, BATCHES, "new.high")
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 1.0)
    await publisher.publish(BATCH, BATCHES, "new.high")
    assert publisher._channels[BATCHES] is not silent
    await eventually(lambda: silent.is_closed)
    await eventually(lambda: outside.ready("sender.high"))


async def test_a_retry_is_where_its_rung_says(publisher: Publisher, outside: Outside) -> None:
    """Held by the broker, not by a worker's memory."""
    await publisher.publish(BATCH, RETRY, "30m.high", attempt=1)
    assert await outside.ready("sender.retry.30m") == 1
    assert await outside.ready("sender.high") == 0
    assert await outside.ready("planner.commands") == 0
    await publisher.publish(PlanCampaign(campaign_id=7, seq=0), COMMANDS, "campaign.plan")
    assert await outside.ready("planner.commands") == 1
