"""Quota, circuits and platforms: what holds for every sender at once."""

import pytest

from services.sender.answers import Verdict
from services.sender.incidents import Incidents, Recovered
from shared.ledger.claiming import PACE_TOLERANCE, NotYet
from shared.ledger.projects import BOOKED, LATE
from shared.ledger.quota import TOLERANCE
from shared.topology import Lane
from tests.contracts.ledger.desk import TIMES, Desk, granted, said

NOTHING = Recovered()


async def test_claims_book_the_quota_one_after_the_other_and_a_denial_tells_the_wait(desk: Desk) -> None:
    """Exactly: asked again then, it is granted; a denial writes nothing."""
    await desk.add_project("default", rate=10.0)
    batches = await desk.planned(20)
    starts = []
    for batch in batches:
        outcome = await desk.claim(batch)
        if isinstance(outcome, NotYet):
            break
        starts.append(granted(outcome).start_in)
    assert starts == pytest.approx([number * 2 / (10 * BOOKED) for number in range(len(starts))], abs=1e-5)
    assert starts[-1] <= TOLERANCE[Lane.NORMAL]
    before = await desk.rows()
    denied = await desk.claim(batch)
    assert isinstance(denied, NotYet)
    assert await desk.rows() == before
    assert (denied.own, denied.stopped) == (False, False)
    await desk.wait(denied.wait + 0.001)
    granted(await desk.claim(batch))


async def test_a_campaigns_own_rate_is_booked_too(desk: Desk) -> None:
    """And it is said that it is its own."""
    first, second = await desk.planned(2, rate=0.25)
    claim = granted(await desk.claim(first))
    assert (claim.pace, claim.limit) == (0.25, 1)
    denied = await desk.claim(second)
    assert isinstance(denied, NotYet)
    assert denied.own
    assert denied.wait == pytest.approx(4 - PACE_TOLERANCE, abs=1e-5)
    await desk.wait(denied.wait + 0.001)
    before = await desk.rows()
    early = await desk.claim(second)
    assert isinstance(early, NotYet)
    assert early.own
    assert early.wait == pytest.approx(PACE_TOLERANCE - LATE, abs=0.01)
    assert await desk.rows() == before
    await desk.wait(early.wait + 0.001)
    assert granted(await desk.claim(second)).start_in == pytest.approx(LATE, abs=0.01)


async def test_a_quota_that_is_used_up_pauses_the_project_and_cuts_its_rate(desk: Desk) -> None:
    """For every sender; the same overload cuts once."""
    first, second = await desk.planned()
    claim = granted(await desk.claim(first))
    for _ in range(2):
        await desk.sender.record_incidents(claim, Incidents(quota_wait=30.0), NOTHING)
    (project,) = (await desk.rows())["projects"]
    assert project["paused_until"] == desk.time.now + 30
    assert project["cut_rate"] == pytest.approx(7000)
    denied = await desk.claim(second)
    assert isinstance(denied, NotYet)
    assert denied.stopped
    assert denied.wait <= 30
    assert "paused for 30 s" in (await desk.sender.hindrances())["project default"]


async def test_an_open_circuit_lets_one_probe_through_at_a_time(desk: Desk) -> None:
    """One message; the probe that is answered closes it, with an event for each change."""
    first, second, third = await desk.planned(6)
    claim = granted(await desk.claim(first))
    for _ in range(2):
        await desk.sender.record_incidents(claim, Incidents(open_circuit="PERMISSION_DENIED"), NOTHING)
    denied = await desk.claim(second)
    assert denied == NotYet(TIMES.probe, stopped=True)
    await desk.wait(TIMES.probe)
    probe = granted(await desk.claim(second))
    assert (probe.probe, probe.limit) == (True, 1)
    assert isinstance(await desk.claim(third), NotYet)
    await desk.sender.record_incidents(probe, Incidents(), Recovered(project=True))
    assert not granted(await desk.claim(third)).probe
    names = [row["routing_key"] for row in (await desk.rows())["outbox"] if row["routing_key"].startswith("project")]
    assert names == ["project.circuit_opened", "project.circuit_closed"]


async def test_a_probe_that_fails_makes_the_next_one_wait_longer(desk: Desk) -> None:
    """Twice as long."""
    first, second = await desk.planned()
    claim = granted(await desk.claim(first))
    await desk.sender.record_incidents(claim, Incidents(open_circuit="UNAVAILABLE"), NOTHING)
    await desk.wait(TIMES.probe)
    probe = granted(await desk.claim(second))
    await desk.sender.record_incidents(probe, Incidents(open_circuit="UNAVAILABLE"), NOTHING)
    (project,) = (await desk.rows())["projects"]
    assert project["circuit_probe_at"] == desk.time.now + 2 * TIMES.probe


async def test_a_platform_that_fcm_refuses_waits_and_is_probed(desk: Desk) -> None:
    """The others flow."""
    await desk.devices(2, platform="ios")
    campaign_id = await desk.draft()
    await desk.send(campaign_id)
    (batch,) = await desk.plan(campaign_id)
    claim = granted(await desk.claim(batch))
    await desk.sender.record_incidents(claim, Incidents(stop_platforms=(("ios", "APNs key"),)), NOTHING)
    await desk.release(claim, "..")
    again = granted(await desk.claim(batch.model_copy(update={"epoch": 1})))
    assert (again.blocked, again.probing) == (frozenset({"ios"}), frozenset())
    await desk.release(again, "..")
    await desk.wait(TIMES.probe)
    probe = granted(await desk.claim(batch.model_copy(update={"epoch": 2})))
    assert (probe.blocked, probe.probing) == (frozenset(), frozenset({"ios"}))
    await desk.sender.record_incidents(probe, Incidents(), Recovered(platforms=frozenset({"ios"})))
    assert await desk.sender.hindrances() == {}


async def test_a_refused_payload_stops_its_campaign_unless_something_was_accepted(desk: Desk) -> None:
    """With FCM's words."""
    trouble = Incidents(stop_campaign=Verdict(None, "INVALID_ARGUMENT", "bad field"))
    claim = await desk.claimed()
    await desk.sender.record_incidents(claim, trouble, NOTHING)
    row = await desk.campaign(claim.campaign_id)
    assert (row["status"], row["stopped"]["code"]) == ("paused", "INVALID_ARGUMENT")
    first, second, *_ = await desk.planned()
    proven = granted(await desk.claim(first))
    await desk.merge(said(proven, "A."))
    await desk.sender.record_incidents(proven, trouble, NOTHING)
    assert (await desk.campaign(first.campaign_id))["status"] == "sending"
    assert granted(await desk.claim(second)).proven


async def test_without_credentials_the_project_stops_and_its_batch_goes_back(desk: Desk) -> None:
    """Whoever holds nothing of it is not disturbed."""
    (batch, _) = await desk.planned()
    await desk.planner.stamp([batch])
    await desk.sender.without_credentials(batch, "no credentials")
    row = await desk.batch(batch)
    assert (row["state"], row["epoch"], row["due_at"]) == ("planned", 1, desk.time.now + TIMES.probe)
    assert await desk.sender.hindrances() == {"project default": "circuit open: no credentials"}


async def test_a_campaigns_message_is_known_by_its_id(desk: Desk) -> None:
    """And a message that names no campaign has none."""
    campaign_id = await desk.draft(priority="high")
    template = await desk.sender.template(campaign_id)
    wire = template.message(now=desk.time.as_datetime(), deadline=None)
    assert wire["notification"]["title"] == "News"
    assert wire["android"]["priority"] == "high"


async def test_a_lane_behind_its_share_gets_its_turn(desk: Desk) -> None:
    """While the high lane has booked as far ahead as it may; then it has to wait like any other."""
    await desk.add_project("default", rate=10.0)
    high = await desk.planned(20, priority="high")
    first, second, *_ = await desk.planned(2, priority="low")
    while not isinstance(await desk.claim(high.pop(0)), NotYet):
        pass
    assert granted(await desk.claim(first)).start_in > TOLERANCE[Lane.HIGH]
    assert isinstance(await desk.claim(second), NotYet)
