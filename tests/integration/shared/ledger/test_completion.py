"""A campaign completes once, when its last condition comes true, by whichever transaction."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from shared.contracts.messages import BatchReady, BatchResult
from shared.ledger.letters import NAMES
from tests.integration.shared.ledger.stage import Stage


def accepted(batch: BatchReady) -> BatchResult:
    """Every device of a batch got its push."""
    return BatchResult(
        campaign_id=batch.campaign_id, batch_no=batch.batch_no, epoch=batch.epoch, outcomes="A" * batch.size
    )


async def test_an_empty_audience_completes_with_the_last_page(stage: Stage) -> None:
    """Balanced at zero."""
    campaign_id = await stage.sending()
    await stage.step(campaign_id)
    campaign = await stage.campaign(campaign_id)
    assert (campaign.status, campaign.total) == ("completed", 0)
    assert campaign.completed_at is not None
    assert await stage.events(campaign_id) == ["started", "completed"]


async def test_a_last_batch_that_beats_the_planner_completes_with_the_last_page(stage: Stage) -> None:
    """The merge alone must not: more could have been planned."""
    await stage.devices(2)
    campaign_id = await stage.sending()
    page = await stage.step(campaign_id, batches=1)
    assert page is not None
    assert (await stage.merge(accepted(page.batches[0]))).completed == ()
    assert (await stage.campaign(campaign_id)).status == "sending"
    await stage.step(campaign_id, batches=1)
    assert (await stage.campaign(campaign_id)).status == "completed"


async def test_the_last_merge_completes_a_planned_campaign(stage: Stage) -> None:
    """Not the one before."""
    first, second = await stage.planned(4)
    assert (await stage.merge(accepted(first))).completed == ()
    assert (await stage.merge(accepted(second))).completed == (first.campaign_id,)
    assert (await stage.merge(accepted(second))).completed == ()


@pytest.mark.parametrize("attempt", range(3))
async def test_concurrent_merges_and_the_last_page_complete_once(stage: Stage, attempt: int) -> None:
    """Whatever order they commit in."""
    await stage.devices(12)
    campaign_id = await stage.sending()
    page = await stage.step(campaign_id, batches=6)
    assert page is not None
    assert not page.done
    await asyncio.gather(*(stage.merge(accepted(batch)) for batch in page.batches), stage.step(campaign_id))
    assert (await stage.campaign(campaign_id)).status == "completed"
    assert (await stage.events(campaign_id)).count("completed") == 1
    assert await stage.counters(campaign_id) == {"accepted": 12}


async def test_a_paused_campaign_completes_when_its_last_answers_come(stage: Stage) -> None:
    """There is nothing left to resume."""
    (batch,) = await stage.planned(2)
    await stage.pause(batch.campaign_id)
    await stage.merge(accepted(batch))
    assert (await stage.campaign(batch.campaign_id)).status == "completed"
    assert await stage.resume(batch.campaign_id) is None


async def test_a_cancelled_campaign_whose_devices_all_got_it_ends_cancelled(stage: Stage) -> None:
    """The operator's word stands; the letters say what happened."""
    claim = await stage.claimed(2)
    await stage.cancel(claim.campaign_id)
    await stage.close(claim.campaign_id)
    await stage.merge(
        BatchResult(campaign_id=claim.campaign_id, batch_no=0, epoch=0, outcomes="AA"),
    )
    assert (await stage.campaign(claim.campaign_id)).status == "cancelled"
    assert await stage.events(claim.campaign_id) == ["started", "cancelling", "cancelled"]


async def test_the_final_event_carries_the_whole_account(stage: Stage) -> None:
    """Numbered without a gap, and in the outbox for whoever listens."""
    (batch,) = await stage.planned(2)
    await stage.merge(accepted(batch))
    rows = await stage.all("select campaign_seq, name, data from campaign_event order by campaign_seq")
    assert [row.campaign_seq for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1].data["outcomes"] == {**dict.fromkeys(NAMES.values(), 0), "accepted": 2}
    assert (rows[-1].data["total"], rows[-1].data["balanced"]) == (2, True)
    keys = await stage.all("select routing_key from outbox where kind = 'event' order by id")
    assert [row.routing_key for row in keys] == [f"campaign.{row.name}" for row in rows]


async def test_the_schema_refuses_a_count_that_does_not_add_up(stage: Stage) -> None:
    """Conservation is a constraint, not a habit."""
    (batch,) = await stage.planned(2)
    with pytest.raises(IntegrityError, match="conservation"):
        await stage.run("update campaign set accepted = accepted + 1 where id = :id", id=batch.campaign_id)
