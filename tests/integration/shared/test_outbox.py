"""A message that follows a state change: never without it, never lost, perhaps twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from shared import outbox
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher
from shared.contracts.messages import CampaignEvent, CloseCampaign, PlanCampaign
from shared.db import Database
from shared.errors import BrokerUnavailableError
from shared.outbox import Relay, add_command, add_event
from shared.topology import COMMANDS, EVENTS
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually

COMMAND = PlanCampaign(campaign_id=7, seq=3)
EVENT = CampaignEvent(campaign_id=7, campaign_seq=1, name="started", at=datetime(2026, 11, 22, tzinfo=UTC))


class FailingPublisher(Publisher):
    """Lets the first `lets` publishes through, then says that the broker did not confirm."""

    lets = 0

    async def publish_raw(self, *arguments: object, **options: object) -> None:
        """Publish or fail."""
        if self.lets == 0:
            raise BrokerUnavailableError("not confirmed")
        self.lets -= 1
        await super().publish_raw(*arguments, **options)  # type: ignore[arg-type]  # passed on as they came


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a database."""
    opened = Database(database_url, name="test", pool=4)
    yield opened
    await opened.close()


@pytest.fixture
async def publisher(amqp_url: str) -> AsyncIterator[FailingPublisher]:
    """Open a publisher that can be made to fail."""
    async with await connect(amqp_url, name="test", timeout=10) as connection:
        opened = FailingPublisher(connection)
        opened.lets = -1
        await opened.open(COMMANDS, EVENTS)
        yield opened
        await opened.close()


@pytest.fixture
async def outside(amqp_url: str) -> AsyncIterator[Outside]:
    """Look into queues."""
    async with Outside.on(amqp_url) as watcher:
        yield watcher


async def left(database: Database) -> int:
    """Count the rows that are still to be published."""
    async with database.read() as tx:
        row = await tx.first(text("select count(*) as n from outbox"))
    assert row is not None
    return int(row.n)


async def test_a_row_is_published_and_gone(database: Database, publisher: FailingPublisher, outside: Outside) -> None:
    """As the payload that was added."""
    async with database.write() as tx:
        await add_command(tx, COMMAND)
    assert await Relay(database, publisher, "command").relay_once() == 1
    message = await outside.take("planner.commands")
    assert (message.type, message.correlation_id, message.routing_key) == ("campaign.plan.v1", "7", "campaign.plan")
    assert PlanCampaign.model_validate_json(message.body) == COMMAND
    assert await left(database) == 0


async def test_a_delayed_command_takes_the_delay_queue(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """And comes back from it."""
    async with database.write() as tx:
        await add_command(tx, COMMAND, delayed=True)
    await Relay(database, publisher, "command").relay_once()
    assert (await outside.take("planner.commands", within=10)).type == "campaign.plan.v1"


async def test_a_change_that_was_rolled_back_publishes_nothing(database: Database) -> None:
    """The row is of the same transaction."""

    async def fail() -> None:
        async with database.write() as tx:
            await add_command(tx, COMMAND)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await left(database) == 0


async def test_a_crash_between_publish_and_delete_publishes_again(
    database: Database, publisher: FailingPublisher, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, with message ids of their own; receivers are idempotent."""
    async with database.write() as tx:
        await add_command(tx, COMMAND)
    relay = Relay(database, publisher, "command")
    with monkeypatch.context() as crash:
        crash.setattr(outbox, "DONE", text("select 1 / 0 where cast(:ids as bigint[]) is not null"))
        with pytest.raises(Exception, match="division by zero"):
            await relay.relay_once()
    assert await left(database) == 1
    assert await relay.relay_once() == 1
    first, second = await outside.take_all("planner.commands")
    assert first.body == second.body
    assert first.message_id != second.message_id


async def test_rows_that_were_not_confirmed_stay_and_the_confirmed_ones_go(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """Trouble with one publish repeats only that one."""
    async with database.write() as tx:
        for seq in range(3):
            await add_command(tx, PlanCampaign(campaign_id=7, seq=seq))
    publisher.lets = 2
    relay = Relay(database, publisher, "command")
    with pytest.raises(BrokerUnavailableError):
        await relay.relay_once()
    assert await left(database) == 1
    publisher.lets = -1
    await relay.relay_once()
    bodies = [PlanCampaign.model_validate_json(m.body).seq for m in await outside.take_all("planner.commands")]
    assert sorted(bodies) == [0, 1, 2]


async def test_events_need_nobody_to_listen(database: Database, publisher: FailingPublisher) -> None:
    """They are not mandatory."""
    async with database.write() as tx:
        await add_event(tx, EVENT)
    assert await Relay(database, publisher, "event").relay_once() == 1
    assert await left(database) == 0


async def test_events_reach_whoever_has_bound_a_queue(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """Under the name of what happened."""
    await (await outside.channel.declare_queue("events.test", auto_delete=True)).bind(EVENTS, "campaign.started")
    async with database.write() as tx:
        await add_event(tx, EVENT)
    await Relay(database, publisher, "event").relay_once()
    assert CampaignEvent.model_validate_json((await outside.take("events.test")).body) == EVENT


async def test_a_command_that_nobody_would_get_stays(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """Until the topology is whole again."""
    queue = await outside.channel.get_queue("planner.commands")
    await queue.unbind(COMMANDS, "campaign.*")
    async with database.write() as tx:
        await add_command(tx, COMMAND)
    relay = Relay(database, publisher, "command")
    with pytest.raises(BrokerUnavailableError):
        await relay.relay_once()
    assert await left(database) == 1
    await queue.bind(COMMANDS, "campaign.*")
    assert await relay.relay_once() == 1


async def test_a_stalled_event_does_not_stall_a_command(database: Database, publisher: FailingPublisher) -> None:
    """Each kind has its own relay."""
    async with database.write() as tx:
        await add_event(tx, EVENT)
        await add_command(tx, COMMAND)
    assert await Relay(database, publisher, "command").relay_once() == 1
    assert await left(database) == 1


async def test_relays_of_many_processes_publish_each_row_once(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """They pass over each other's rows."""
    async with database.write() as tx:
        for seq in range(450):
            await add_command(tx, PlanCampaign(campaign_id=7, seq=seq))
    relays = [Relay(database, publisher, "command") for _ in range(3)]
    taken = await asyncio.gather(*(relay.relay_once() for relay in relays))
    while await left(database):
        taken.append(await relays[0].relay_once())
    assert sum(taken) == 450
    assert await outside.ready("planner.commands") == 450


async def test_a_running_relay_publishes_as_soon_as_it_is_rung(
    database: Database, publisher: FailingPublisher, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at its next look."""
    monkeypatch.setattr(outbox, "POLL", 60.0)
    relay = Relay(database, publisher, "command")
    task = asyncio.create_task(relay.run())
    for seq in range(3):
        async with database.write() as tx:
            await add_command(tx, PlanCampaign(campaign_id=7, seq=seq))
        relay.ring()
        assert (await outside.take("planner.commands")).type == "campaign.plan.v1"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_running_relay_waits_out_trouble(
    database: Database, publisher: FailingPublisher, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither dies nor forgets."""
    monkeypatch.setattr(outbox, "POLL", 0.05)
    publisher.lets = 0
    async with database.write() as tx:
        await add_command(tx, CloseCampaign(campaign_id=7))
    task = asyncio.create_task(Relay(database, publisher, "command").run())
    await asyncio.wait({task}, timeout=0.2)
    assert not task.done()
    publisher.lets = -1
    assert (await outside.take("planner.commands")).type == "campaign.close.v1"
    await eventually(lambda: left_is_zero(database))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def left_is_zero(database: Database) -> bool:
    """Whether everything was published."""
    return await left(database) == 0


async def test_a_flush_publishes_all_that_is_there(
    database: Database, publisher: FailingPublisher, outside: Outside
) -> None:
    """More than one page of it."""
    async with database.write() as tx:
        for seq in range(outbox.BATCH + 1):
            await add_command(tx, PlanCampaign(campaign_id=7, seq=seq))
    await Relay(database, publisher, "command").flush(budget=10)
    assert await outside.ready("planner.commands") == outbox.BATCH + 1


@pytest.mark.parametrize("lets", [0, 1])
async def test_a_flush_that_fails_leaves_the_rest_to_others(
    database: Database, publisher: FailingPublisher, lets: int
) -> None:
    """A process that stops must not hang on its outbox."""
    async with database.write() as tx:
        for seq in range(3):
            await add_command(tx, PlanCampaign(campaign_id=7, seq=seq))
    publisher.lets = lets
    await Relay(database, publisher, "command").flush(budget=5)
    assert await left(database) == 3 - lets
