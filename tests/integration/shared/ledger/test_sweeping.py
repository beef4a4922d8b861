"""What a sweep does to a row whose time has come, and to none other."""

import pytest
from sqlalchemy import text

from shared.ledger.claiming import Claim, NoClaim
from shared.ledger.sweeping import MAX_LOST
from tests.integration.shared.ledger.stage import Stage, result


async def test_nothing_is_swept_before_its_time(stage: Stage) -> None:
    """A batch in each state, all fresh."""
    batches = await stage.planned(10)
    await stage.stamp(*batches[:4])
    for batch, outcomes in zip(batches[:2], ("A.", "AA"), strict=True):
        await stage.release(stage.granted(await stage.claim(batch)), outcomes)
    stage.granted(await stage.claim(batches[2]))
    swept = await stage.sweep()
    assert (swept.looked_at, swept.results, swept.back) == (0, [], {})


async def test_a_planned_batch_is_not_the_sweeps_business(stage: Stage) -> None:
    """Any planner publishes it."""
    (batch,) = await stage.planned(2)
    await stage.age(batch.campaign_id)
    assert (await stage.sweep()).looked_at == 0


async def test_a_queued_batch_whose_lane_is_empty_is_planned_again(stage: Stage) -> None:
    """At the same epoch: if its message lives after all, either one claims it."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    await stage.age(batch.campaign_id)
    assert (await stage.sweep(["high", "low"])).back == {"queued": 1}
    row = await stage.batch(batch.campaign_id)
    assert (row.state, row.epoch, row.lost, row.doubt) == ("planned", 0, 0, False)
    assert await stage.take_planned(batch.campaign_id) == [batch.model_copy(update={"deadline": None})]


async def test_a_queued_batch_in_a_busy_lane_is_looked_at_later(stage: Stage) -> None:
    """Until it is an hour old."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    due = "update campaign_batch set due_at = now() - interval '1 second', since = now() - cast(:age as interval)"
    await stage.run(due.replace("cast(:age as interval)", "interval '59 minutes'"))
    assert (await stage.sweep(["normal"])).back == {}
    row = await stage.batch(batch.campaign_id)
    assert row.state == "queued"
    assert (row.due_at - await stage.now()).total_seconds() > 100
    await stage.run(due.replace("cast(:age as interval)", "interval '61 minutes'"))
    assert (await stage.sweep(["normal"])).back == {"queued": 1}


async def test_a_waiting_batch_whose_retry_was_lost_is_planned_again(stage: Stage) -> None:
    """With what was reported kept."""
    claim = await stage.claimed(2)
    await stage.release(claim, "A.")
    await stage.age(claim.campaign_id)
    assert (await stage.sweep(["normal"])).back == {"waiting": 1}
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.epoch, row.reported, row.attempt) == ("planned", 1, "A.", 1)


async def test_a_lost_lease_is_planned_again_at_the_next_epoch_with_doubt(stage: Stage) -> None:
    """The old message claims nothing any more."""
    batches = await stage.planned(2)
    claim = stage.granted(await stage.claim(batches[0]))
    await stage.age(claim.campaign_id)
    assert (await stage.sweep()).back == {"claimed": 1}
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.epoch, row.lost, row.doubt, row.holder) == ("planned", 1, 1, True, None)
    assert await stage.claim(batches[0]) is NoClaim.STALE


async def test_a_lost_lease_of_at_most_once_ends_unknown(stage: Stage) -> None:
    """Only what was open; the row says so, and its result is published."""
    claim = await stage.claimed(3, delivery="at_most_once")
    await stage.release(claim, "R..", codes={0: "INVALID_ARGUMENT"})
    await stage.age(claim.campaign_id)
    await stage.sweep()
    (batch,) = await stage.take_planned(claim.campaign_id)
    stage.granted(await stage.claim(batch))
    await stage.age(claim.campaign_id)

    (ended,) = (await stage.sweep()).results

    assert (ended.outcomes, ended.codes) == ("R??", {0: "INVALID_ARGUMENT"})
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.epoch, row.lost, row.doubt, row.reported) == ("reported", 2, 1, True, "R??")
    await stage.merge(ended)
    assert await stage.counters(claim.campaign_id) == {"rejected": 1, "unknown": 2}


async def test_a_batch_that_loses_lease_after_lease_ends_unknown_with_an_alert(stage: Stage) -> None:
    """Something in it kills its senders."""
    claim = await stage.claimed(2)
    for lost in range(1, MAX_LOST + 1):
        assert (await stage.batch(claim.campaign_id)).lost == lost - 1
        await stage.age(claim.campaign_id)
        swept = await stage.sweep()
        for batch in await stage.take_planned(claim.campaign_id):
            stage.granted(await stage.claim(batch))
    assert [ended.outcomes for ended in swept.results] == ["??"]
    assert (await stage.batch(claim.campaign_id)).state == "reported"
    assert (await stage.events(claim.campaign_id)).count("batch_lost") == 1


async def test_a_report_that_nobody_merged_is_published_again(stage: Stage) -> None:
    """With codes and dead targets, every five minutes until it is merged."""
    claim = await stage.claimed(3)
    await stage.release(claim, "AUR", codes={2: "INVALID_ARGUMENT"}, dead={1: "ab" * 16})
    await stage.age(claim.campaign_id)
    swept = await stage.sweep()
    assert swept.back == {"reported": 1}
    (again,) = swept.results
    assert (again.outcomes, again.codes, again.dead) == ("AUR", {2: "INVALID_ARGUMENT"}, {1: "ab" * 16})
    assert (await stage.sweep()).looked_at == 0
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.epoch) == ("reported", 1)
    await stage.merge(again)
    await stage.age(claim.campaign_id)
    assert (await stage.sweep()).looked_at == 0


@pytest.mark.parametrize("status", ["paused", "cancelling"])
async def test_a_held_campaign_keeps_what_waits_and_loses_no_lease(stage: Stage, status: str) -> None:
    """Queued and waiting rows rest; claimed and reported ones are brought on."""
    batches = await stage.planned(8)
    await stage.stamp(*batches)
    campaign_id = batches[0].campaign_id
    for batch, outcomes in zip(batches[:2], ("A.", "AA"), strict=True):
        await stage.release(stage.granted(await stage.claim(batch)), outcomes)
    stage.granted(await stage.claim(batches[2]))
    await (stage.pause if status == "paused" else stage.cancel)(campaign_id)
    await stage.age(campaign_id)
    swept = await stage.sweep()
    assert swept.back == {"claimed": 1, "reported": 1}
    states = [(await stage.batch(campaign_id, number)).state for number in range(4)]
    assert states == ["waiting", "reported", "planned", "queued"]


async def test_a_sweep_passes_over_rows_that_somebody_works_on(stage: Stage) -> None:
    """Two sweepers, or a sweeper and a sender, never wait for each other."""
    claim = await stage.claimed(2)
    await stage.age(claim.campaign_id)
    async with stage.database.write() as other:
        await other.all(text("select 1 from campaign_batch for update"))
        assert (await stage.sweep()).looked_at == 0
    assert (await stage.sweep()).looked_at == 1


async def test_a_sender_that_was_only_slow_reports_its_facts(stage: Stage) -> None:
    """Its batch was taken over; its outcomes count, and nothing is counted twice."""
    slow = await stage.claimed(2)
    await stage.age(slow.campaign_id)
    await stage.sweep()
    (batch,) = await stage.take_planned(slow.campaign_id)
    other: Claim = stage.granted(await stage.claim(batch, "sender-2"))
    assert await stage.release(slow, "AA") is None
    await stage.merge(result(slow, "AA"))
    assert (await stage.campaign(slow.campaign_id)).status == "completed"
    assert await stage.release(other, "AA") is None
    await stage.merge(result(other, "AA"))
    assert await stage.counters(slow.campaign_id) == {"accepted": 2}
