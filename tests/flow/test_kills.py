"""Processes killed in the middle of a campaign: it completes, balanced, and nobody is pushed twice beyond the bound."""

import pytest

from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(120)


async def test_a_sender_killed_in_mid_campaign_loses_nothing(system: System) -> None:
    """What it held is sent again at least once, or called unknown at most once; repeats only of what it held."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:300ms"})
    audiences = [await system.audience(3000) for _ in range(2)]
    again = await system.send(audiences[0], rate=800, delivery="at_least_once")
    never = await system.send(audiences[1], rate=800, delivery="at_most_once")
    await system.pushed(again, at_least=700)
    await system.pushed(never, at_least=700)
    await system.kill("sender-1")
    await system.start("sender-1")
    repeated = await system.settled(again, within=40)
    silent = await system.settled(never, within=40)
    assert repeated.letters == {"A": 3000}
    assert 0 < repeated.duplicates <= await system.repeats_allowed(again)
    assert silent.duplicates == 0
    assert silent.letters["?"] > 0
    assert silent.letters["A"] + silent.letters["?"] == 3000


async def test_a_planner_killed_within_a_step_and_between_steps_plans_every_device_once(system: System) -> None:
    """An uncommitted step leaves nothing; a committed one is published by the next planner."""
    campaign_id = await system.create(await system.audience(12_000))
    async with system.frozen("campaign_batch_member"):
        await system.act(campaign_id, "send")
        await system.hangs("planner")
        await system.kill("planner-1")
    assert await system.value("select count(*) from campaign_batch where campaign_id = $1", campaign_id) == 0
    await system.start("planner-1")
    await eventually(lambda: system.value("select total from campaign where id = $1", campaign_id), within=10)
    await system.kill("planner-1")
    await system.start("planner-1")
    verdict = await system.settled(campaign_id)
    assert verdict.letters == {"A": 12_000}
    assert verdict.duplicates == 0


async def test_an_aggregator_killed_anywhere_within_a_merge_counts_every_device_once(system: System) -> None:
    """An uncommitted merge is done again, and none is committed without its dead tokens' deactivation."""
    await system.fcm.follow({"shares": {"UNREGISTERED": 0.05}})
    audience = await system.audience(2000)
    async with system.frozen("campaign_error"):
        campaign_id = await system.send(audience)
        await system.hangs("aggregator")
        await system.kill("aggregator-1")
    async with system.frozen("device"):
        await system.start("aggregator-1")
        await system.hangs("aggregator")
        assert await system.value("select unregistered from campaign where id = $1", campaign_id) == 0
        await system.kill("aggregator-1")
    await system.start("aggregator-1")
    verdict = await system.settled(campaign_id)
    assert 0 < verdict.letters["U"] < 200
    assert verdict.duplicates == 0
