"""Looks that the broker refuses, as RabbitMQ 4.2.6 does to who may not configure: nothing stops, and it is said."""

from collections.abc import AsyncIterator

import pytest
from yarl import URL

from deploy.local.ports import free_port
from shared.amqp.connection import connected
from shared.amqp.depth import Refusals, depth
from shared.amqp.dialling import BrokerConnection
from shared.amqp.publisher import Publisher
from shared.errors import LookRefusedError
from shared.topology import BATCHES, EXCHANGES, QUEUES, RESULTS
from shared.topology.repair import Repair
from tests.integration.shared.amqp.mending import NEVER, arrives
from tests.integration.shared.amqp.outside import Outside
from tests.support.look_refuser import LookRefuser


@pytest.fixture
async def refuser(amqp_url: str) -> AsyncIterator[LookRefuser]:
    """Refuse looks before the broker."""
    forwarder = LookRefuser(free_port(), to=URL(amqp_url).port or 5672)
    await forwarder.open()
    yield forwarder
    await forwarder.close()


@pytest.fixture
async def blind(amqp_url: str, refuser: LookRefuser) -> AsyncIterator[BrokerConnection]:
    """Connect by way of it."""
    async with connected(str(URL(amqp_url).with_port(refuser.port)), name="blind", timeout=10) as opened:
        yield opened


async def test_a_refused_look_is_no_missing_queue_and_is_asked_for_once(
    blind: BrokerConnection, refuser: LookRefuser
) -> None:
    """Every refusal is an error in the broker's log."""
    refusals = Refusals(blind)
    for _ in range(3):
        with pytest.raises(LookRefusedError, match=r"Queue sender\.high may not be looked at.*`python -m shared"):
            await depth(blind, "sender.high", refusals)
    assert refuser.looks == 1


async def test_a_service_that_may_not_look_starts_publishes_and_says_it(
    blind: BrokerConnection, refuser: LookRefuser, outside: Outside
) -> None:
    """It is ready, with a note; looks are not repeated."""
    publisher = Publisher(blind)
    repair = Repair(blind, publisher, exchanges=EXCHANGES, queues=QUEUES, every=NEVER)
    await repair.whole(5)
    await publisher.open(*EXCHANGES)
    assert await arrives(publisher)
    looked = refuser.looks
    await repair.round()
    assert refuser.looks == looked
    assert await repair.check() is None
    told = (await repair.notes())["topology"]
    assert told.startswith("Broker user carillon may not look at push.commands, ")
    assert "CARILLON_BROKER_PASSWORDS_DIR" in told
    assert await outside.ready("sender.high") == 1


async def test_what_may_not_be_looked_at_and_is_missing_is_told_by_its_use(
    blind: BrokerConnection, outside: Outside
) -> None:
    """A publish that comes back or closes its channel."""
    publisher = Publisher(blind)
    repair = Repair(blind, publisher, exchanges=EXCHANGES, queues=QUEUES, every=NEVER)
    await repair.whole(5)
    await publisher.open(*EXCHANGES)
    await outside.channel.queue_delete("sender.high")
    await outside.channel.exchange_delete(RESULTS)
    assert not await arrives(publisher)
    assert not await arrives(publisher, RESULTS, "result.high")
    told = await repair.check()
    assert told is not None
    assert "queue sender.high, or the binding of sender.high to push.batches by *.high" in told
    await repair.round()
    told = await repair.check()
    assert told is not None
    assert "exchange push.results" in told
    assert BATCHES not in told.replace("to push.batches", "")
