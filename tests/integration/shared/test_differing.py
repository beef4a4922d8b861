"""A vhost that holds our names otherwise than we declare them: all of it is told at once, and nothing is changed."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest
from aio_pika import ExchangeType

from deploy.local.broker import Broker
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher
from shared.errors import TopologyDiffersError
from shared.topology import DEAD, EXCHANGES, LANES, QUEUES, Lane
from shared.topology.__main__ import main
from shared.topology.comparing import Comparing
from shared.topology.differing import differing
from shared.topology.inspection import Inspector
from shared.topology.repair import Repair
from tests.integration.shared.amqp.mending import SOON, WITHIN, restricted
from tests.integration.shared.amqp.outside import Outside
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from pamqp.common import FieldTable

HIGH = LANES[Lane.HIGH]


@pytest.fixture
async def spoilt(empty_amqp_url: str) -> str:
    """Give a vhost with a fanout, a lane with another limit and length, and classic dead letters."""
    async with Outside.on(empty_amqp_url) as outside:
        await outside.channel.declare_exchange(DEAD, ExchangeType.FANOUT, durable=True)
        other: FieldTable = {**HIGH.arguments, "x-delivery-limit": 20, "x-max-length": 7}
        await outside.channel.declare_queue(HIGH.name, durable=True, arguments=other)
        await outside.channel.declare_queue("dead", durable=True, arguments={"x-queue-type": "classic"})
    return empty_amqp_url


async def put(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> str:
    """Run the bootstrap; returns how it failed."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TopologyDiffersError) as told:
        await main()
    return str(told.value)


async def names_there(url: str) -> list[str]:
    """Ask which of our exchanges and queues are there."""
    async with await connect(url, name="test", timeout=10) as connection:
        seen = await Inspector(connection).look(EXCHANGES, QUEUES)
        return [*(name for name in EXCHANGES if name not in seen.missing), *seen.there]


async def test_the_bootstrap_tells_what_the_broker_refuses(spoilt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each the first difference, with the remedy; what is missing is not declared either."""
    told = await put(monkeypatch, {"CARILLON_AMQP_URL": spoilt})
    assert "exchange push.dead: type is fanout and should be topic. Delete it" in told
    assert "queue dead: x-queue-type is classic and should be quorum. Replay or discard its letters" in told
    assert "queue sender.high: x-" in told
    assert "the ledger publishes again" in told
    assert "with CARILLON_MANAGEMENT_URL all are" in told
    assert await names_there(spoilt) == [DEAD, HIGH.name, "dead"]


async def test_with_the_management_api_it_tells_all(
    spoilt: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each argument, and a policy that would lose messages."""
    vhost = unquote(urlsplit(spoilt).path.removeprefix("/"))
    lossy = {"pattern": "^dead$", "definition": {"max-length": 5, "overflow": "drop-head"}, "apply-to": "queues"}
    broker.manage("PUT", f"/policies/{quote(vhost, safe='')}/mine", lossy)
    told = await put(monkeypatch, {"CARILLON_AMQP_URL": spoilt, "CARILLON_MANAGEMENT_URL": broker.management_url or ""})
    assert "queue sender.high: x-delivery-limit is 20 and should be 50, x-max-length is 7 and should not be set" in told
    assert "exchange push.dead: type is fanout and should be topic" in told
    assert "x-delivery-limit is not set and should be 1000000000, x-queue-type is classic and should be quorum" in told
    assert (
        "queue dead: policy mine sets overflow drop-head, which must stay as it is declared. Have that policy" in told
    )
    assert "CARILLON_MANAGEMENT_URL all are" not in told
    assert await names_there(spoilt) == [DEAD, HIGH.name, "dead"]


async def test_what_is_as_it_should_be_differs_in_nothing(
    amqp_url: str, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the broker's word nor in its listings, policies of ours included."""
    monkeypatch.setenv("CARILLON_AMQP_URL", amqp_url)
    monkeypatch.setenv("CARILLON_MANAGEMENT_URL", broker.management_url or "")
    await main()
    await main()
    async with await connect(amqp_url, name="test", timeout=10) as connection:
        assert await differing(Inspector(connection).channel, EXCHANGES, QUEUES) == []


async def test_readiness_names_it_until_it_is_mended(spoilt: str) -> None:
    """A service whose user may declare finds out, works on, and harms nothing that is there."""
    async with Outside.on(spoilt) as outside, await connect(spoilt, name="test", timeout=10) as connection:
        publisher = Publisher(connection)
        repair = Repair(connection, publisher, exchanges=[DEAD], queues=[HIGH], every=SOON)
        await repair.whole(10)
        running = asyncio.create_task(repair.run())

        async def says(text: str) -> bool:
            return text in (await repair.check() or "nothing")

        await eventually(lambda: says("In the vhost exchange push.dead: type is fanout and should be topic."), WITHIN)
        assert await says("In the vhost queue sender.high: x-")
        await outside.channel.queue_delete(HIGH.name)
        await outside.channel.exchange_delete(DEAD)
        await eventually(lambda: says("nothing"), WITHIN)
        assert await differing(Inspector(connection).channel, [DEAD], [HIGH]) == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_who_may_not_declare_says_nothing_of_it(spoilt: str, broker: Broker) -> None:
    """The restricted users leave it to the bootstrap, and stay ready."""
    with restricted(spoilt, broker) as url:
        async with await connect(url, name="test", timeout=10) as connection:
            inspector = Inspector(connection)
            comparing = Comparing(inspector)
            await comparing.look([DEAD], [HIGH])
            assert comparing.told() is None
            assert (await inspector.look([DEAD], [HIGH])).missing == []
