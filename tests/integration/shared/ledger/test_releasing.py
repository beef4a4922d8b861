"""Giving a batch back: only its holder, only once."""

import pytest

from shared.ledger import letters
from shared.ledger.claiming import Claim
from tests.integration.shared.ledger.stage import Stage, result


async def test_a_release_with_open_positions_waits_for_its_retry(stage: Stage) -> None:
    """The epoch moves on, the sweep looks five minutes after the retry was due."""
    claim = await stage.claimed(3)
    assert await stage.release(claim, "A.R", retry_after=60.0, codes={2: "INVALID_ARGUMENT"}) == 1
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.epoch, row.reported, row.outcomes) == ("waiting", 1, "A.R", "...")
    assert (row.attempt, row.holder, row.lease_until, row.doubt) == (1, None, None, False)
    assert row.report == {"2": ["INVALID_ARGUMENT"]}
    assert 350 < (row.due_at - await stage.now()).total_seconds() <= 360


async def test_a_release_with_nothing_open_is_reported(stage: Stage) -> None:
    """The sweep looks five minutes later whether it was merged."""
    claim = await stage.claimed(2)
    assert await stage.release(claim, "AU", dead={1: "00" * 16}) == 1
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.reported, row.report) == ("reported", "AU", {"1": ["", "00" * 16]})
    assert 290 < (row.due_at - await stage.now()).total_seconds() <= 300


async def test_reports_of_several_claims_add_up(stage: Stage) -> None:
    """Letters join, codes are kept by position, the attempt is what the sender says."""
    claim = await stage.claimed(3)
    await stage.release(claim, "R..", codes={0: "INVALID_ARGUMENT"})
    again = await claim_again(stage, claim)
    await stage.release(again, ".UA", dead={1: "11" * 16})
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.reported, row.attempt, row.epoch) == ("reported", "RUA", 2, 2)
    assert row.report == {"0": ["INVALID_ARGUMENT"], "1": ["", "11" * 16]}


async def test_a_second_release_is_fenced(stage: Stage) -> None:
    """A sender that repeats itself changes nothing."""
    claim = await stage.claimed(2)
    assert await stage.release(claim, "A.") == 1
    before = await stage.batch(claim.campaign_id)
    assert await stage.release(claim, "AA") is None
    assert await stage.batch(claim.campaign_id) == before


async def test_a_sender_whose_lease_was_taken_over_is_fenced(stage: Stage) -> None:
    """Also when it is the very sender that has claimed the batch again."""
    old = await stage.claimed(2)
    await stage.age(old.campaign_id)
    await stage.sweep()
    assert await stage.release(old, "AA") is None
    new = await claim_again(stage, old)
    assert new.holder == old.holder
    assert await stage.release(old, "AA") is None
    assert (await stage.batch(old.campaign_id)).state == "claimed"
    assert await stage.release(new, "AA") == 2


async def test_another_holder_cannot_release(stage: Stage) -> None:
    """The epoch alone is not enough."""
    claim = await stage.claimed(2)
    thief = Claim(**{**{name: getattr(claim, name) for name in Claim.__slots__}, "holder": "sender-2"})
    assert await stage.release(thief, "AA") is None
    assert (await stage.batch(claim.campaign_id)).state == "claimed"


async def test_a_request_without_answer_leaves_doubt(stage: Stage) -> None:
    """From then on what ends unanswered ends unknown."""
    claim = await stage.claimed(2)
    await stage.release(claim, "A.", unanswered=True)
    assert (await stage.batch(claim.campaign_id)).doubt
    again = await claim_again(stage, claim)
    assert again.doubt
    await stage.release(again, "..")
    assert (await stage.batch(claim.campaign_id)).doubt


@pytest.mark.parametrize("status", ["paused", "cancelling"])
async def test_a_holder_may_release_whatever_became_of_the_campaign(stage: Stage, status: str) -> None:
    """What it knows is kept; what it has not sent stays open."""
    claim = await stage.claimed(2)
    await (stage.pause if status == "paused" else stage.cancel)(claim.campaign_id)
    assert await stage.release(claim, "A.", retry_after=0.0, attempt=0) == 1
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.reported, row.attempt) == ("waiting", "A.", 0)


async def test_what_a_fenced_sender_gave_up_on_is_not_called_dead_when_another_has_sent_it(stage: Stage) -> None:
    """Its lease is lost, the next sender gets through and is lost as well, then the first says what it observed."""
    slow = await stage.claimed(2)
    next_one = await claim_again(stage, slow)  # FCM accepts both of its pushes; it dies without a release
    assert await stage.release(slow, "DX") is None
    await stage.merge(result(slow, letters.observed("DX")))
    await stage.cancel(next_one.campaign_id)
    await stage.age(next_one.campaign_id)
    await stage.sweep()
    await stage.merge(*(await stage.close(next_one.campaign_id)).results)
    assert await stage.counters(next_one.campaign_id) == {"unknown": 2}


async def claim_again(stage: Stage, claim: Claim) -> Claim:
    """Claim the batch at the epoch it has now."""
    await stage.age(claim.campaign_id)
    await stage.sweep()
    (batch,) = await stage.take_planned(claim.campaign_id)
    return stage.granted(await stage.claim(batch))
