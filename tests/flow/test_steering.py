"""What operators do beyond send and cancel, the whole way: tries, schedules, follow-ups, a new course, a full stop."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.flow.system import System
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(120)

AT_ONCE = 2.0
"""Seconds within which a stop or another rate acts."""


async def post(system: System, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """Ask the API for something that must work."""
    answer = await system.api.post(path, json=body)
    assert answer.is_success, answer.text
    return answer


async def test_a_dry_run_tells_what_fcm_would_do_and_does_nothing(system: System) -> None:
    """Nothing is delivered, and a token that it found dead is still there for the real campaign."""
    audience = await system.audience(6)
    await system.fcm.follow({"shares": {}, "tokens": {audience.tokens[0]: "UNREGISTERED"}})
    draft = await system.create(audience)
    tried = (await post(system, f"/v1/campaigns/{draft}/dry-run", {"sample": 100})).json()["id"]
    stats = await system.ended(tried)
    assert (stats["outcomes"]["accepted"], stats["outcomes"]["unregistered"]) == (5, 1)
    assert await system.requests(tried) == 0, "FCM's record holds what it would deliver"
    failures = (await system.api.get(f"/v1/campaigns/{tried}/failures")).json()["items"]
    assert [(group["outcome"], group["code"], group["count"]) for group in failures] == [
        ("unregistered", "UNREGISTERED", 1)
    ]
    assert await system.value("select bool_and(active) from device where user_id = $1", audience.user)


async def test_a_test_reaches_one_user_and_the_draft_stays_a_draft(system: System) -> None:
    """Through the whole path, at once."""
    audience, others = await system.audience(2), await system.audience(3)
    draft = await system.create(others)
    tried = (await post(system, f"/v1/campaigns/{draft}/test", {"user_id": audience.user})).json()["id"]
    verdict = await system.settled(tried)
    assert verdict.letters == {"A": 2}
    assert (await system.stats(draft))["status"] == "draft"
    log = (await system.api.get("/v1/push-log", params={"user_id": audience.user})).json()["items"]
    assert {(push["campaign_id"], push["kind"], push["outcome"]) for push in log} == {(tried, "test", "accepted")}


async def test_a_follow_up_reaches_those_whom_the_first_did_not(system: System) -> None:
    """The first ledger stays as it ended."""
    audience = await system.audience(8)
    dead = dict.fromkeys(audience.tokens[:3], "UNAVAILABLE")
    await system.fcm.follow({"shares": {}, "tokens": dead})
    first = await system.send(audience, max_attempts=1)
    assert (await system.settled(first)).letters == {"A": 5, "D": 3}
    await system.fcm.follow({"shares": {}})
    draft = (await post(system, f"/v1/campaigns/{first}/follow-up", {"outcomes": ["dead", "unknown"]})).json()["id"]
    assert (await system.act(draft, "send")).is_success
    assert (await system.settled(draft)).letters == {"A": 3}
    assert (await system.stats(first))["outcomes"]["dead"] == 3


async def test_a_scheduled_campaign_is_sent_when_its_time_has_come(system: System) -> None:
    """Within a second or so; not before."""
    campaign_id = await system.create(await system.audience(2))
    at = datetime.now(UTC) + timedelta(seconds=2)
    local = at.astimezone(tz=None).isoformat()
    await post(system, f"/v1/campaigns/{campaign_id}/schedule", {"at": local, "time_zone": "Asia/Seoul"})
    stats = await system.ended(campaign_id)
    began = datetime.fromisoformat(stats["started_at"])
    assert timedelta(0) <= began - at < timedelta(seconds=3)
    assert stats["outcomes"]["accepted"] == 2


async def test_another_rate_and_another_lane_hold_at_once(system: System) -> None:
    """A campaign that would take minutes ends in seconds; nothing is sent twice by the move."""
    campaign_id = await system.send(await system.audience(3000), rate=20, priority="low")
    await system.accepted(campaign_id, at_least=10)
    answer = await system.api.patch(
        f"/v1/campaigns/{campaign_id}", json={"rate": None, "priority": "high"}, headers={"If-Match": "*"}
    )
    assert answer.is_success, answer.text
    verdict = await system.settled(campaign_id, within=20)
    assert verdict.letters == {"A": 3000}
    assert verdict.duplicates == 0


async def test_a_campaign_that_is_slowed_down_is_slow_within_two_seconds(system: System) -> None:
    """Holders give back what they have not sent at the old rate."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    campaign_id = await system.send(await system.audience(4000), rate=1000)
    await system.accepted(campaign_id, at_least=500)
    await system.api.patch(f"/v1/campaigns/{campaign_id}", json={"rate": 1}, headers={"If-Match": "*"})
    changed = time.time()

    async def two_seconds_later() -> bool:
        return time.time() > changed + AT_ONCE + 1

    await eventually(two_seconds_later)
    arrived = await system.fcm.rate(label=f"carillon-{campaign_id}")
    assert sum(count for tenth, count, _ in arrived if tenth > (changed + AT_ONCE) * 10) <= 5
    explained = (await system.api.get(f"/v1/campaigns/{campaign_id}/explain")).json()
    assert "own_rate" in {reason["code"] for reason in explained["reasons"]}
    await system.act(campaign_id, "cancel")
    assert (await system.settled(campaign_id)).duplicates == 0


async def test_everything_stands_still_after_one_call_and_goes_on_after_another(system: System) -> None:
    """Two campaigns at full flow, and one that nobody may send meanwhile."""
    await system.fcm.follow({"shares": {}, "latency": "fixed:100ms"})
    one = await system.send(await system.audience(2000), rate=400)
    two = await system.send(await system.audience(2000), rate=400, priority="low")
    later = await system.create(await system.audience(1))
    for campaign_id in (one, two):
        await system.accepted(campaign_id, at_least=100)
    stop = (await post(system, "/v1/stop", {"scope": "system", "reason": "rehearsal"})).json()
    try:
        assert {one, two} <= set(stop["campaigns"])
        assert (await system.act(later, "send")).status_code == 409
        held = "select count(*) from campaign_batch where state = 'claimed'"
        await eventually(lambda: _none(system, held), within=AT_ONCE)
    finally:
        await post(system, "/v1/resume-all", {"stop_id": stop["id"]})
    for campaign_id in (one, two):
        verdict = await system.settled(campaign_id)
        assert (verdict.letters, verdict.duplicates) == ({"A": 2000}, 0)
    assert (await system.act(later, "send")).is_success
    assert (await system.settled(later)).letters == {"A": 1}


async def _none(system: System, query: str) -> bool:
    return bool(await system.value(query) == 0)
