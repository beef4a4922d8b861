"""Ending a cancelled campaign."""

import asyncio

import pytest

from shared.ledger import closing
from tests.integration.shared.ledger.stage import Stage, result


async def test_unclaimed_batches_of_every_state_are_cancelled(stage: Stage) -> None:
    """Planned, queued and waiting; what a waiting one has reported stays."""
    batches = await stage.planned(6)
    campaign_id = batches[0].campaign_id
    await stage.stamp(batches[1])
    await stage.release(stage.granted(await stage.claim(batches[2])), "A.")
    await stage.cancel(campaign_id)

    closed = await stage.close(campaign_id)

    assert not closed.more
    assert sorted((one.batch_no, one.outcomes) for one in closed.results) == [(0, "CC"), (1, "CC"), (2, "AC")]
    assert [(await stage.batch(campaign_id, n)).epoch for n in range(3)] == [1, 1, 2]
    await stage.merge(*closed.results)
    assert (await stage.campaign(campaign_id)).status == "cancelled"
    assert await stage.counters(campaign_id) == {"cancelled": 5, "accepted": 1}
    assert (await stage.events(campaign_id))[-1] == "cancelled"


async def test_a_batch_with_doubt_ends_unknown_instead(stage: Stage) -> None:
    """A sender that was lost may have sent it."""
    claim = await stage.claimed(2)
    await stage.age(claim.campaign_id)
    await stage.sweep()
    await stage.cancel(claim.campaign_id)
    (ended,) = (await stage.close(claim.campaign_id)).results
    assert ended.outcomes == "??"


async def test_a_claimed_batch_is_left_to_its_holder_and_closed_on_a_later_pass(stage: Stage) -> None:
    """The campaign is cancelled only when the holder has released."""
    claim = await stage.claimed(2)
    await stage.cancel(claim.campaign_id)
    first = await stage.close(claim.campaign_id)
    assert (first.results, first.more) == ([], True)
    await stage.release(claim, "A.", retry_after=0.0)
    second = await stage.close(claim.campaign_id)
    assert ([one.outcomes for one in second.results], second.more) == (["AC"], False)
    await stage.merge(*second.results)
    assert (await stage.campaign(claim.campaign_id)).status == "cancelled"


async def test_what_was_never_planned_is_counted_apart(stage: Stage) -> None:
    """It was in the audience's range, but not in the ledger; planning ends."""
    await stage.devices(7)
    campaign_id = await stage.sending()
    await stage.step(campaign_id, batches=1)
    await stage.cancel(campaign_id)
    closed = await stage.close(campaign_id)
    await stage.merge(*closed.results)
    campaign = await stage.campaign(campaign_id)
    assert (campaign.status, campaign.total, campaign.cancelled, campaign.not_planned) == ("cancelled", 2, 2, 5)
    assert await stage.step(campaign_id) is None


async def test_never_planned_users_are_counted_among_those_asked_for(stage: Stage) -> None:
    """Not among everybody."""
    await stage.devices(9)
    users = {"kind": "users", "user_ids": ["user-2", "user-4", "user-6", "user-8"]}
    campaign_id = await stage.sending(audience=users)
    await stage.step(campaign_id, batches=1, size=1)
    await stage.cancel(campaign_id)
    await stage.close(campaign_id)
    assert (await stage.campaign(campaign_id)).not_planned == 3


async def test_a_cancel_before_the_first_step_completes_at_once(stage: Stage) -> None:
    """Nothing was planned, nothing is pending."""
    await stage.devices(3)
    campaign_id = await stage.sending()
    await stage.cancel(campaign_id)
    closed = await stage.close(campaign_id)
    assert (closed.results, closed.more) == ([], False)
    campaign = await stage.campaign(campaign_id)
    assert (campaign.status, campaign.total, campaign.not_planned) == ("cancelled", 0, 3)


async def test_closing_goes_in_slices(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction holds every row."""
    monkeypatch.setattr(closing, "SLICE", 2)
    batches = await stage.planned(10)
    await stage.cancel(batches[0].campaign_id)
    passes = []
    while True:
        closed = await stage.close(batches[0].campaign_id)
        passes.append(len(closed.results))
        await stage.merge(*closed.results)
        if not closed.more:
            break
    assert passes == [2, 2, 1]
    assert await stage.counters(batches[0].campaign_id) == {"cancelled": 10}


@pytest.mark.parametrize("status", ["sending", "paused", "completed"])
async def test_closing_touches_no_campaign_that_is_not_being_cancelled(stage: Stage, status: str) -> None:
    """A command can outlive its reason."""
    (batch,) = await stage.planned(2)
    await stage.run("update campaign set status = :status", status=status)
    closed = await stage.close(batch.campaign_id)
    assert (closed.results, closed.more) == ([], False)
    assert (await stage.batch(batch.campaign_id)).state == "planned"


async def test_a_pass_that_was_not_published_is_healed_by_the_sweep(stage: Stage) -> None:
    """The row says what its result would have said."""
    (batch,) = await stage.planned(2)
    await stage.cancel(batch.campaign_id)
    lost = await stage.close(batch.campaign_id)
    assert (await stage.close(batch.campaign_id)).results == []
    await stage.age(batch.campaign_id)
    again = (await stage.sweep()).results
    assert [one.outcomes for one in again] == [one.outcomes for one in lost.results] == ["CC"]


async def test_two_passes_at_once_end_each_batch_once(stage: Stage) -> None:
    """The plan's row keeps them apart."""
    batches = await stage.planned(20)
    await stage.cancel(batches[0].campaign_id)
    passes = await asyncio.gather(*(stage.close(batches[0].campaign_id) for _ in range(4)))
    ended = [one.batch_no for closed in passes for one in closed.results]
    assert sorted(ended) == list(range(10))


async def test_a_step_in_progress_is_waited_for_and_its_batches_are_closed(stage: Stage) -> None:
    """A planner that cuts while the operator cancels leaves nothing behind."""
    await stage.devices(40)
    campaign_id = await stage.sending()

    async def plan() -> None:
        for seq in range(10):
            await stage.step(campaign_id, seq, batches=2)

    async def cancel() -> None:
        await stage.cancel(campaign_id)
        while (await stage.campaign(campaign_id)).status == "cancelling":
            closed = await stage.close(campaign_id)
            if closed.results:
                await stage.merge(*closed.results)

    await asyncio.gather(plan(), cancel())
    campaign = await stage.campaign(campaign_id)
    assert campaign.status == "cancelled"
    assert campaign.total + campaign.not_planned == 40
    assert (campaign.pending, campaign.cancelled) == (0, campaign.total)


async def test_facts_after_the_cancel_still_count(stage: Stage) -> None:
    """What a device got is never called cancelled."""
    claim = await stage.claimed(2)
    await stage.release(claim, "A.")
    await stage.cancel(claim.campaign_id)
    closed = await stage.close(claim.campaign_id)
    await stage.merge(*closed.results)
    await stage.merge(result(claim, "A."))
    assert await stage.counters(claim.campaign_id) == {"accepted": 1, "cancelled": 1}
