"""Pause, resume and cancel while messages flow: holders see it within two seconds, and the counts stay exact."""

import pytest

from tests.flow.conftest import TIMES
from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(120)

HANDS = int(TIMES["CARILLON_BATCHES"])
"""Batches of one lane that the one sender holds at a time."""
AT_ONCE = 2.0
"""Seconds within which a pause or cancel acts."""
HELD = "select count(*) from campaign_batch where campaign_id = $1 and state = 'claimed'"
NOT_PARKED = "select count(*) from campaign_batch where campaign_id = $1 and state not in ('planned', 'finished')"


async def test_a_paused_campaign_stands_still_until_it_is_resumed(system: System) -> None:
    """Every batch is back in the ledger, nothing more reaches FCM, and the rest is sent once."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    campaign_id = await system.send(await system.audience(4000), rate=1000)
    await system.accepted(campaign_id, at_least=500)
    assert (await system.act(campaign_id, "pause")).status_code == 200
    await eventually(lambda: _none(system, HELD, campaign_id), within=AT_ONCE)
    sent = await system.requests(campaign_id)
    await eventually(lambda: _none(system, NOT_PARKED, campaign_id))
    await system.accepted(campaign_id, at_least=sent)
    stats = await system.stats(campaign_id)
    assert (stats["status"], stats["success_count"]) == ("paused", sent)
    assert await system.requests(campaign_id) == sent
    assert 500 <= sent < 4000
    assert (await system.act(campaign_id, "resume")).status_code == 200
    await eventually(lambda: system.pushed(campaign_id, at_least=sent + 1), within=AT_ONCE)
    verdict = await system.settled(campaign_id)
    assert verdict.letters == {"A": 4000}
    assert verdict.duplicates == 0


async def test_a_campaign_resumed_at_once_goes_on_at_once(system: System) -> None:
    """What a holder remembers of a pause that is over costs no batch a round, and the campaign no time."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    before = await system.claims()
    campaign_id = await system.send(await system.audience(3000))
    await system.accepted(campaign_id, at_least=500)
    for _ in range(3):
        await system.act(campaign_id, "pause")
        await eventually(lambda: _none(system, HELD, campaign_id), within=AT_ONCE)
        await system.act(campaign_id, "resume")
    verdict = await system.settled(campaign_id)
    assert verdict.letters == {"A": 3000}
    assert verdict.duplicates == 0
    batches = await system.value("select count(*) from campaign_batch where campaign_id = $1", campaign_id)
    rounds = "select max(epoch) from campaign_batch where campaign_id = $1"
    assert await system.value(rounds, campaign_id) <= 7, "released and given back at each pause, and the last"
    assert await system.claims() - before <= batches + 3 * HANDS, "one each, and what was held at each pause"


@pytest.mark.parametrize(
    ("devices", "rate", "planned_whole"), [(5000, 1000, True), (3000, 40, False)], ids=["planned", "half planned"]
)
async def test_a_cancelled_campaign_ends_with_exact_counts(
    system: System, devices: int, rate: int, *, planned_whole: bool
) -> None:
    """Every device is accepted, cancelled, or was never planned; FCM's own count agrees."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    campaign_id = await system.send(await system.audience(devices), rate=rate)
    await system.pushed(campaign_id, at_least=rate)
    assert (await system.act(campaign_id, "cancel")).status_code == 202
    await eventually(lambda: _none(system, HELD, campaign_id), within=AT_ONCE)
    stats = await system.ended(campaign_id)
    verdict = await system.settled(campaign_id)
    assert stats["status"] == "cancelled"
    assert verdict.letters.keys() == {"A", "C"}
    assert verdict.letters["A"] == await system.requests(campaign_id)
    assert verdict.duplicates == 0
    assert verdict.letters.total() + stats["not_planned"] == devices
    assert (stats["not_planned"] == 0) is planned_whole


async def _none(system: System, query: str, campaign_id: int) -> bool:
    return bool(await system.value(query, campaign_id) == 0)
