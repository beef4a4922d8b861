"""Queues that the broker knows and that serve nobody: found, named, and put back where the broker lets us."""

import asyncio
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

import pytest

from deploy.local.broker import Broker
from shared.amqp import publisher as publishing_module
from shared.amqp.connection import connect
from shared.amqp.dead_letters import DeadLetters
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.amqp.workers import WorkerPool
from shared.topology import DEAD, EXCHANGES, QUEUES, RETRY, leader_probe
from shared.topology.declare import declare
from shared.topology.repair import Repair
from tests.integration.shared.amqp.mending import SOON, WITHIN, arrives, mended, mended_by_restricted
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually
from tests.support.forwarder import Forwarder
from tests.support.shared_broker import running_broker

pytestmark = pytest.mark.timeout(180)

SUSPENDED = "sys:suspend(Name)"
"""It is there and answers nothing, as after the broker's crash."""
STOPPED = "ra:stop_server(quorum_queues, {Name, node()})"
"""It is not there; the broker says INTERNAL_ERROR to who asks for it, and ends his connection."""
LONG = 90.0
"""Seconds: two looks that wait a second each for the queue, a deletion that waits 5 for its leader, and it put back."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a publish and a queue given up sooner than their 15 and 5 seconds."""
    monkeypatch.setattr(publishing_module, "PUBLISH_TIMEOUT", 1.0)
    monkeypatch.setattr(leader_probe, "ANSWERS_WITHIN", 1.0)


@pytest.fixture
def lose_leader(broker: Broker, amqp_url: str) -> Callable[[str, str], None]:
    """Make a function that takes a queue's leader away."""
    control = broker.control
    if control is None:
        pytest.skip("`rabbitmqctl` of this broker cannot be reached")
    vhost = unquote(urlsplit(amqp_url).path.removeprefix("/"))

    def lose(queue: str, how: str) -> None:
        name = f'rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)'
        control("eval", f"{{ok, Q}} = rabbit_amqqueue:lookup({name}), {{Name, _}} = amqqueue:get_pid(Q), {how}.")

    return lose


@pytest.fixture
def lone_broker(own_broker: Broker) -> Iterator[Broker]:
    """Start a broker that serves no other test: an alarm holds all that publish."""
    with running_broker() as broker:
        yield broker


@pytest.mark.parametrize("how", [SUSPENDED, STOPPED])
async def test_a_queue_that_confirms_nothing_is_named_and_put_back(
    publishing: BrokerConnection,
    publisher: Publisher,
    outside: Outside,
    lose_leader: Callable[[str, str], None],
    how: str,
) -> None:
    """Nobody consumes it, as nobody does a rung's: the publishes that fail tell."""
    async with mended(publishing, publisher, SOON) as repair:
        await asyncio.to_thread(lose_leader, "sender.retry.10s", how)
        assert not await arrives(publisher, RETRY, "10s.high")

        async def named() -> bool:
            told = await repair.check() or ""
            return told.startswith("Queue sender.retry.10s is there, but takes no message and gives none")

        await eventually(named, WITHIN)
        await eventually(lambda: arrives(publisher, RETRY, "10s.high"), LONG)

        async def whole() -> bool:
            return await repair.check() is None

        await eventually(whole, WITHIN)
    assert await outside.ready("sender.retry.10s") >= 1


@pytest.mark.parametrize("how", [SUSPENDED, STOPPED])
async def test_a_queue_that_registers_no_consumer_is_put_back_and_consumed(
    connection: BrokerConnection,
    publishing: BrokerConnection,
    publisher: Publisher,
    dead: DeadLetters,
    lose_leader: Callable[[str, str], None],
    how: str,
) -> None:
    """Nobody publishes to it while nobody consumes: the consumer that waits tells."""
    await asyncio.to_thread(lose_leader, "sender.high", how)
    done: list[bool] = []
    pool = WorkerPool(connection, "sender.high", lambda _: _done(done), dead, workers=1, prefetch=2)
    async with mended(publishing, publisher, SOON, pool):
        running = asyncio.create_task(pool.run())
        await eventually(lambda: pool.consuming, LONG)
        await eventually(lambda: arrives(publisher), WITHIN)
        await eventually(lambda: done, WITHIN)
        await pool.stop(5)
        await running


async def test_a_consumer_of_a_lost_queue_takes_no_other_of_its_connection_along(
    connection: BrokerConnection,
    publishing: BrokerConnection,
    publisher: Publisher,
    dead: DeadLetters,
    lose_leader: Callable[[str, str], None],
) -> None:
    """RabbitMQ closes the connection that consumes it, again after each reconnect: so it is no longer consumed."""
    done: list[bool] = []
    pools = [
        WorkerPool(connection, queue, lambda _: _done(done), dead, workers=1, prefetch=2)
        for queue in ("sender.high", "sender.low")
    ]
    async with mended(publishing, publisher, SOON, *pools):
        running = [asyncio.create_task(pool.run()) for pool in pools]
        await eventually(lambda: all(pool.consuming for pool in pools), WITHIN)
        await asyncio.to_thread(lose_leader, "sender.high", STOPPED)
        assert connection.transport is not None
        await connection.transport.connection.close(OSError("cut"))
        assert await arrives(publisher, key="new.low")
        await eventually(lambda: done, WITHIN)
        await eventually(lambda: all(pool.consuming for pool in pools), LONG)
        await eventually(lambda: arrives(publisher), WITHIN)
        await eventually(lambda: len(done) >= 2, WITHIN)
        for pool in pools:
            await pool.stop(5)
        await asyncio.gather(*running)


async def test_a_broker_that_goes_away_while_a_queue_is_asked_ends_nobody(
    remote: BrokerConnection,
    way: Forwarder,
    publisher: Publisher,
    lose_leader: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what was silent before it went has a new minute."""
    monkeypatch.setattr(leader_probe, "ANSWERS_WITHIN", 5.0)
    own = Publisher(remote)
    await own.open(*EXCHANGES)
    async with mended(remote, own, SOON) as repair:
        await asyncio.to_thread(lose_leader, "sender.retry.10s", SUSPENDED)
        assert not await arrives(own, RETRY, "10s.high")
        await eventually(lambda: way.callers > 1, WITHIN)  # the question's own
        way.go_away()
        await eventually(lambda: way.refused > 0, WITHIN)
        assert await repair.check() is None
        way.come_back()
        await eventually(lambda: arrives(own, RETRY, "10s.high"), LONG)
    await own.close()


async def test_two_that_look_put_it_back_once(
    amqp_url: str,
    publishing: BrokerConnection,
    publisher: Publisher,
    outside: Outside,
    lose_leader: Callable[[str, str], None],
) -> None:
    """What came into the new queue stays there: the one that looks last finds it working."""
    async with await connect(amqp_url, name="other", timeout=10) as connection:
        other = Publisher(connection)
        await other.open(*EXCHANGES)
        async with mended(publishing, publisher, SOON), mended(connection, other, SOON):
            await asyncio.to_thread(lose_leader, "sender.retry.10s", SUSPENDED)
            assert not any(await asyncio.gather(*(arrives(who, RETRY, "10s.high") for who in (publisher, other))))
            await eventually(lambda: arrives(publisher, RETRY, "10s.high"), LONG)
            arrived = await outside.ready("sender.retry.10s")
            second = Repair(connection, other, exchanges=EXCHANGES, queues=QUEUES, every=SOON)
            await second.round()
            await second.round()
            assert await outside.ready("sender.retry.10s") >= arrived
        await other.close()


async def test_dead_letters_are_named_and_never_deleted(
    publishing: BrokerConnection,
    publisher: Publisher,
    lose_leader: Callable[[str, str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They stand for nothing else."""
    async with mended(publishing, publisher, SOON) as repair:
        await asyncio.to_thread(lose_leader, "dead", SUSPENDED)
        assert not await arrives(publisher, DEAD, "sender.high")
        looks = 0

        async def named_again() -> bool:
            nonlocal looks
            await repair.round()
            looks += 1
            told = await repair.check() or ""
            return looks >= 3 and "Queue dead is there" in told and "the letters in dead are lost" in told

        await eventually(named_again, LONG)


async def test_who_may_not_ask_names_what_is_not_confirmed(
    amqp_url: str,
    broker: Broker,
    lose_leader: Callable[[str, str], None],
) -> None:
    """The restricted users of a deployment: a sender may not read what it publishes to."""
    async with mended_by_restricted(amqp_url, broker, read="^sender[.]high$") as (publisher, repair):
        await asyncio.to_thread(lose_leader, "sender.retry.10s", SUSPENDED)
        assert not await arrives(publisher, RETRY, "10s.high")
        assert not await arrives(publisher, RETRY, "10s.high")

        async def named() -> bool:
            return (await repair.check() or "").startswith(
                "Nothing published to sender.retry.10s is confirmed, though RabbitMQ answers: look in its "
                "management UI which of them has no leader, and delete it and run `python -m shared.topology`"
            )

        await eventually(named, WITHIN)


async def test_who_may_not_delete_names_it(
    amqp_url: str,
    broker: Broker,
    lose_leader: Callable[[str, str], None],
) -> None:
    """It may ask for a consumer, and finds out the rest."""
    async with mended_by_restricted(amqp_url, broker) as (publisher, repair):
        await asyncio.to_thread(lose_leader, "sender.retry.10s", SUSPENDED)
        assert not await arrives(publisher, RETRY, "10s.high")

        async def named() -> bool:
            return "and this process's broker user may not delete it" in (await repair.check() or "")

        await eventually(named, WITHIN)


async def test_a_publish_that_an_alarm_holds_accuses_no_queue(lone_broker: Broker) -> None:
    """Nor does one that waits for a connection."""
    control = lone_broker.control
    if control is None:
        pytest.skip("`rabbitmqctl` of this broker cannot be reached")
    async with await connect(lone_broker.amqp_url(), name="publishing", timeout=10) as connection:
        async with connection.channel() as channel:
            await declare(channel)
        publisher = Publisher(connection)
        await publisher.open(*EXCHANGES)
        await asyncio.to_thread(control, "set_vm_memory_high_watermark", "0")
        assert not await arrives(publisher, RETRY, "10s.high")
        assert not publisher.unconfirmed
        await asyncio.to_thread(control, "set_vm_memory_high_watermark", "0.4")
        await eventually(lambda: arrives(publisher, RETRY, "10s.high"), WITHIN)
        await publisher.close()


async def _done(done: list[bool]) -> None:
    done.append(True)
