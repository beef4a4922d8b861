"""SIGTERM under full flow: what is in hand is finished, the rest goes on elsewhere, and nothing is delivered twice."""

import asyncio
import signal

import pytest

from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(120)

BUDGET = 15.0
"""Seconds: what this system's services are given to drain."""
EXIT_SECOND_SIGNAL = 130


@pytest.mark.parametrize("name", ["api", "planner-1", "sender-1", "aggregator-1"])
async def test_a_service_that_is_asked_to_end_in_mid_campaign_returns_nothing_to_the_broker(
    system: System, name: str
) -> None:
    """It ends with 0 within its budget, and no message is delivered a second time to anybody."""
    await system.fcm.follow({"shares": {"UNREGISTERED": 0.01}, "latency": "fixed:200ms"})
    campaign_id = await system.send(await system.audience(3000), rate=1000)
    await system.accepted(campaign_id, at_least=500)
    before = await system.redeliveries()
    assert await system.stop(name, within=BUDGET) < BUDGET
    await system.start(name)
    verdict = await system.settled(campaign_id)
    assert verdict.duplicates == 0
    assert verdict.letters["A"] + verdict.letters["U"] == 3000
    assert await system.redeliveries() == {**before, name: 0.0}


async def test_a_sender_that_drains_one_lane_takes_nothing_new_on_the_others(system: System) -> None:
    """However long the slowest lane needs: a batch that is taken and not sent costs quota and moves its epoch."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:2000ms"})
    slow = await system.send(await system.audience(500), priority="high")
    await system.pushed(slow, at_least=500)
    waiting = await system.send(await system.audience(5000), priority="normal")
    await system.pushed(waiting, at_least=100)
    before = await system.redeliveries()
    await system.stop("sender-1", within=BUDGET)
    assert await system.value("select max(epoch) from campaign_batch where campaign_id = $1", waiting) <= 1
    await system.fcm.follow({"shares": {}})
    await system.start("sender-1")
    for campaign_id in (slow, waiting):
        assert (await system.settled(campaign_id)).duplicates == 0
    assert await system.redeliveries() == {**before, "sender-1": 0.0}


async def test_a_second_signal_ends_at_once(system: System) -> None:
    """Whoever asks twice does not want to wait; the lease brings back what was in hand."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:5000ms"})
    campaign_id = await system.send(await system.audience(100))
    await system.pushed(campaign_id, at_least=100)
    sender = system.process("sender-1")
    already = sender.log.stat().st_size
    sender.send(signal.SIGTERM)
    await eventually(lambda: b'"service.stopping"' in sender.log.read_bytes()[already:])
    sender.send(signal.SIGTERM)
    assert await asyncio.to_thread(sender.wait, 2.0)
    assert sender.exit_code == EXIT_SECOND_SIGNAL
    await system.fcm.follow({"shares": {}})
    await system.start("sender-1")
    verdict = await system.settled(campaign_id, within=40)
    assert verdict.duplicates == 100, "FCM had accepted all of them, and nobody was there to hear it"
