"""What may become of a campaign: planning, pausing, steering, cancelling, its one end."""

import asyncio

from services.planner.window import Room, room
from shared.ledger.claiming import NoClaim
from shared.ledger.planning import Window
from shared.topology import Lane
from tests.contracts.ledger.desk import SIZE, STEP, TIMES, Desk, granted, said


async def test_a_send_starts_once_and_commands_the_first_step(desk: Desk) -> None:
    """Audience frozen at the devices that there are; one event."""
    await desk.devices(3)
    campaign_id = await desk.draft(ttl=600)
    assert await desk.send(campaign_id) is not None
    assert await desk.send(campaign_id) is None
    await desk.devices(2)
    assert sum(batch.size for batch in await desk.plan(campaign_id)) == 3
    row = await desk.campaign(campaign_id)
    assert (row["status"], row["deadline"], row["total"]) == ("sending", desk.time.now + 600, 3)
    assert await desk.events(campaign_id) == ["started"]
    assert await desk.commands() == [("campaign.plan", {"campaign_id": campaign_id, "seq": 0})]


async def test_a_step_runs_at_its_seq_only(desk: Desk) -> None:
    """Repeated, forked or ahead: nothing happens."""
    campaign_id = await desk.sent(5)
    assert await desk.step(campaign_id) is not None
    before = await desk.rows()
    for ahead in (-1, 1, 5):
        assert await desk.step(campaign_id, ahead=ahead) is None
    assert await desk.rows() == before


async def test_batches_are_of_one_project_and_number_themselves_by_their_first_device(desk: Desk) -> None:
    """Interleaved projects give batches whose ranges overlap, and no device is lost or doubled."""
    await desk.add_project("other", rate=100.0)
    for project in ("default", "other", "default", "other", "default"):
        await desk.devices(1, project=project)
    campaign_id = await desk.draft()
    await desk.send(campaign_id)
    batches = await desk.plan(campaign_id)
    assert [(batch.batch_no, batch.project, batch.size) for batch in batches] == [
        (0, "default", 2),
        (1, "other", 2),
        (2, "default", 1),
    ]
    assert [row["ids"] for row in (await desk.rows())["batches"]] == [[1, 3], [2, 4], [5]]


async def test_named_devices_and_users_are_an_audience_too(desk: Desk) -> None:
    """Inactive and unknown ones are none of it."""
    await desk.devices(4)
    named = {"kind": "devices", "device_ids": [2, 4, 99]}
    for audience in (named, {"kind": "users", "user_ids": ["user-2", "user-4"]}):
        campaign_id = await desk.draft(audience=audience)
        await desk.send(campaign_id)
        await desk.plan(campaign_id)
        ids = [row["ids"] for row in (await desk.rows())["batches"] if row["campaign_id"] == campaign_id]
        assert ids == [[2, 4]]


async def test_an_empty_audience_completes_with_its_last_step(desk: Desk) -> None:
    """Once."""
    campaign_id = await desk.draft()
    await desk.send(campaign_id)
    stepped = await desk.step(campaign_id)
    assert stepped is not None
    assert stepped.done
    assert (await desk.campaign(campaign_id))["status"] == "completed"
    assert await desk.events(campaign_id) == ["started", "completed"]


async def test_a_last_batch_that_beats_the_planner_does_not_complete_and_the_planner_does(desk: Desk) -> None:
    """Nobody knows that it was the last."""
    campaign_id = await desk.sent(STEP * SIZE)
    stepped = await desk.step(campaign_id)
    assert stepped is not None
    assert not stepped.done
    claims = [granted(await desk.claim(batch)) for batch in stepped.batches]
    assert (await desk.merge(*(said(claim, "AA") for claim in claims))).completed == ()
    assert (await desk.campaign(campaign_id))["pending"] == 0
    await desk.step(campaign_id)
    assert (await desk.campaign(campaign_id))["status"] == "completed"
    assert (await desk.events(campaign_id)).count("completed") == 1


async def test_a_full_window_cuts_nothing_and_its_next_step_waits(desk: Desk) -> None:
    """What is queued, claimed or unmerged counts."""
    campaign_id = await desk.sent(20, rate=0.1)
    stepped = await desk.step(campaign_id)
    assert stepped is not None
    idle = Window(open=0, held=0, flow=10_000)
    assert stepped.room == room(idle, Room(lane=Lane.NORMAL, rate=0.1, size=1)) == len(stepped.batches)
    await desk.planner.stamp(stepped.batches)
    following = await desk.step(campaign_id)
    assert following is not None
    assert (following.batches, following.room, following.done) == ([], 0, False)
    assert (await desk.commands())[-1][0] == "delayed.plan"


async def test_what_waits_to_be_published_is_taken_by_the_next_step_or_as_a_leftover(desk: Desk) -> None:
    """When its planner had time to publish it, and did not."""
    campaign_id = await desk.sent(STEP * SIZE)
    assert await desk.step(campaign_id) is not None
    await desk.wait(TIMES.publish)
    again = await desk.step(campaign_id)
    assert again is not None
    assert sorted(batch.batch_no for batch in again.batches) == list(range(STEP))
    assert (again.cut, again.done) == (0, False)
    last = await desk.step(campaign_id)
    assert last is not None
    assert (last.batches, last.done) == ([], True)
    assert await desk.planner.leftovers() == []
    await desk.wait(TIMES.publish)
    (leftover,) = await desk.planner.leftovers()
    assert len(await desk.planner.take_leftover(leftover)) == STEP
    assert await desk.planner.take_leftover(leftover) == []


async def test_a_step_that_nobody_touched_is_commanded_again(desk: Desk) -> None:
    """And a closing; once, until it is late again."""
    planning, closing = await desk.sent(2), await desk.sent(2)
    await desk.cancel(closing)
    assert (await desk.planner.command_lost_steps()).steps == []
    await desk.wait(TIMES.step + 1)
    lost = await desk.planner.command_lost_steps()
    assert (lost.steps, lost.closings) == ([(planning, 0)], [closing])
    again = await desk.planner.command_lost_steps()
    assert (again.steps, again.closings) == ([], [])


async def test_a_schedule_starts_when_it_is_due(desk: Desk) -> None:
    """Unless everything is stopped."""
    await desk.devices(2)
    campaign_id = await desk.draft(scheduled_at=desk.time.now + 30)
    assert await desk.planner.start_due() == []
    await desk.wait(30)
    await desk.stop_all()
    assert await desk.planner.start_due() == []
    await desk.resume_all()
    assert await desk.planner.start_due() == [campaign_id]
    assert (await desk.campaign(campaign_id))["status"] == "sending"


async def test_a_paused_campaign_gives_no_claim_and_a_resumed_one_goes_on(desk: Desk) -> None:
    """Its batches go back to planned, and are due with the resume."""
    first, second = await desk.planned()
    await desk.planner.stamp([first, second])
    held = granted(await desk.claim(second))
    assert await desk.pause(first.campaign_id) is not None
    assert await desk.claim(first) is NoClaim.PAUSED
    row = await desk.batch(first)
    assert (row["state"], row["epoch"]) == ("planned", 1)
    assert (await desk.sender.look_at([first.campaign_id]))[first.campaign_id].status == "paused"
    assert await desk.release(held, "A.") == 1
    assert await desk.step(first.campaign_id) is None
    await desk.wait(TIMES.retry * 2)
    assert (await desk.planner.sweep(busy_lanes=[])).back == {}
    assert await desk.resume(first.campaign_id) is not None
    assert await desk.resume(first.campaign_id) is None
    (leftover,) = await desk.planner.leftovers()
    assert [batch.batch_no for batch in await desk.planner.take_leftover(leftover)] == [0]


async def test_a_campaign_whose_letters_all_came_while_it_was_paused_completes(desk: Desk) -> None:
    """A pause does not hide the end."""
    claim = await desk.claimed()
    await desk.pause(claim.campaign_id)
    assert (await desk.merge(said(claim, "AA"))).completed == (claim.campaign_id,)
    assert await desk.resume(claim.campaign_id) is None


async def test_a_cancel_ends_what_nobody_holds_and_waits_for_what_is_held(desk: Desk) -> None:
    """A letter for each device; what was never planned is counted; one final event."""
    campaign_id = await desk.sent(20, rate=2.0)
    stepped = await desk.step(campaign_id)
    assert stepped is not None
    held = granted(await desk.claim(stepped.batches[0]))
    assert await desk.cancel(campaign_id) is not None
    assert await desk.claim(stepped.batches[1]) is NoClaim.CLOSING
    results = await desk.close(campaign_id)
    assert {result.batch_no for result in results} == {batch.batch_no for batch in stepped.batches[1:]}
    assert {result.outcomes for result in results} == {"CC"}
    assert (await desk.commands())[-1] == ("campaign.close", {"campaign_id": campaign_id})
    assert await desk.close(campaign_id) == []
    assert (await desk.commands())[-1][0] == "delayed.close"
    await desk.merge(*results)
    assert await desk.release(held, "A.", retry_after=10.0) == 1
    (last,) = await desk.close(campaign_id)
    assert last.outcomes == "AC"
    assert (await desk.merge(last)).completed == (campaign_id,)
    row = await desk.campaign(campaign_id)
    assert (row["status"], row["accepted"], row["pending"]) == ("cancelled", 1, 0)
    assert row["total"] + row["not_planned"] == 20
    assert (await desk.events(campaign_id))[-1] == "cancelled"
    assert await desk.close(campaign_id) == []


async def test_a_cancel_of_a_batch_in_doubt_says_unknown(desk: Desk) -> None:
    """Whoever lost its lease may have sent it."""
    claim = await desk.claimed()
    await desk.wait(TIMES.lease + 1)
    await desk.planner.sweep(busy_lanes=[])
    await desk.cancel(claim.campaign_id)
    (result,) = await desk.close(claim.campaign_id)
    assert result.outcomes == "??"


async def test_a_draft_is_cancelled_at_once(desk: Desk) -> None:
    """Nothing was planned."""
    campaign_id = await desk.draft()
    assert await desk.cancel(campaign_id) is not None
    assert await desk.cancel(campaign_id) is None
    assert await desk.events(campaign_id) == ["cancelled"]


async def test_another_lane_takes_what_nobody_holds_to_a_new_epoch(desk: Desk) -> None:
    """What the old lane still holds is stale; who holds a batch keeps it."""
    planned, queued, held = await desk.planned(6)
    await desk.planner.stamp([queued])
    claim = granted(await desk.claim(held))
    assert await desk.steer(queued.campaign_id, rate=None, lane=Lane.LOW)
    assert await desk.claim(planned) is NoClaim.STALE
    assert await desk.claim(queued) is NoClaim.STALE
    (leftover,) = await desk.planner.leftovers()
    again = await desk.planner.take_leftover(leftover)
    assert sorted((batch.batch_no, batch.epoch, batch.lane) for batch in again) == [(0, 1, "low"), (1, 1, "low")]
    assert await desk.release(claim, "A.") == 1
    row = await desk.batch(held)
    assert (row["state"], row["lane"]) == ("waiting", "low")


async def test_another_rate_is_seen_by_holders_and_forgets_the_old_ones_debts(desk: Desk) -> None:
    """And leaves lane and epochs as they are; a campaign that has ended takes no course."""
    first, second = await desk.planned(2, rate=0.2)
    claim = granted(await desk.claim(first))
    await desk.steer(first.campaign_id, rate=50.0, lane=Lane.NORMAL)
    assert (await desk.sender.look_at([first.campaign_id]))[first.campaign_id].steered == claim.steered + 1
    assert granted(await desk.claim(second)).start_in < 1
    await desk.merge(said(claim, "A"), said(claim, "A").model_copy(update={"batch_no": 1}))
    before = await desk.rows()
    assert not await desk.steer(first.campaign_id, rate=1.0, lane=Lane.HIGH)
    assert await desk.rows() == before


async def test_a_stop_of_everything_remembers_what_it_paused(desk: Desk) -> None:
    """Of a project: what has open batches there, and what is still being planned."""
    await desk.add_project("other", rate=100.0)
    elsewhere = (await desk.planned(2))[0].campaign_id
    await desk.devices(1, project="other")
    there = await desk.draft()
    await desk.send(there)
    await desk.plan(there)
    mine = await desk.draft()
    await desk.send(mine)
    await desk.pause(mine)
    assert (await desk.stop_all("other")).campaigns == (there,)
    assert (await desk.stop_all()).campaigns == (elsewhere,)
    draft = await desk.draft()
    assert await desk.send(draft) is None
    assert {campaign for stop in await desk.resume_all() for campaign in stop.campaigns} == {there, elsewhere}
    status = {row["id"]: row["status"] for row in (await desk.rows())["campaigns"]}
    assert status == {elsewhere: "sending", there: "sending", mine: "paused", draft: "draft"}


async def test_events_are_numbered_without_a_gap(desk: Desk) -> None:
    """Also when merges tell of progress, which is at most once a second."""
    batches = await desk.planned(8)
    for batch in batches:
        await desk.merge(said(granted(await desk.claim(batch)), "AA"))
        await desk.wait(0.75)
    rows = (await desk.rows())["events"]
    assert [row["campaign_seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["name"] for row in rows] == ["started", "progressed", "progressed", "completed"]
    queued = [row["body"] for row in (await desk.rows())["outbox"] if row["kind"] == "event"]
    assert [event["campaign_seq"] for event in queued] == list(range(1, len(rows) + 1))


async def test_callers_at_once_come_one_after_the_other(desk: Desk) -> None:
    """Of two senders one gets the batch, of two planners one does the step."""
    campaign_id = await desk.sent(2)
    stepped = await asyncio.gather(desk.step(campaign_id), desk.step(campaign_id))
    (batch,) = [batch for one in stepped if one is not None for batch in one.batches]
    claims = await asyncio.gather(*(desk.claim(batch, f"sender-{number}") for number in range(2)))
    assert sorted(type(claim).__name__ for claim in claims) == ["Claim", "NoClaim"]
