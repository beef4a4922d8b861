"""What may become of a batch: claims, releases, sweeps, merges."""

from dataclasses import replace

import pytest

from shared.contracts.messages import BatchReady
from shared.errors import MalformedMessageError
from shared.ledger import letters
from shared.ledger.claiming import Claim, NoClaim
from shared.ledger.releasing import Release
from shared.ledger.sweeping import MAX_LOST
from tests.contracts.ledger.desk import TIMES, Desk, granted, said


async def lose(desk: Desk, batch: BatchReady) -> BatchReady:
    """Have a sender claim the batch and die, and a sweep bring it back."""
    granted(await desk.claim(batch))
    await desk.wait(TIMES.lease + 1)
    await desk.planner.sweep(busy_lanes=[])
    return batch.model_copy(update={"epoch": batch.epoch + 1})


async def test_a_claim_gives_the_active_devices_of_its_positions(desk: Desk) -> None:
    """With a lease from the booked start."""
    first, second = await desk.devices(2)
    campaign_id = await desk.draft()
    await desk.send(campaign_id)
    (batch,) = await desk.plan(campaign_id)
    before = granted(await desk.claim(batch))
    assert [target.position for target in before.targets] == [0, 1]
    dead = before.targets[0].hash.hex()
    assert (await desk.merge(said(before, "..", dead={0: dead}))).deactivated == 1
    await desk.release(before, "..")
    claim = granted(await desk.claim(batch.model_copy(update={"epoch": 1})))
    assert [target.position for target in claim.targets] == [1]
    assert claim.open_positions == [0, 1]
    row = await desk.batch(batch)
    assert (row["state"], row["holder"]) == ("claimed", "sender-1")
    assert row["lease_until"] == pytest.approx(desk.time.now + claim.start_in + TIMES.lease, abs=1e-5)
    assert row["ids"] == [first, second]


async def test_only_the_messages_epoch_is_claimed_and_only_once(desk: Desk) -> None:
    """A duplicate, an old and a future epoch, a batch that is not there: no claim, nothing changes."""
    (batch, _) = await desk.planned()
    claim = granted(await desk.claim(batch))
    before = await desk.rows()
    for stale in ({}, {"epoch": 1}, {"batch_no": 7}, {"campaign_id": 9}):
        assert await desk.claim(batch.model_copy(update=stale), "sender-2") is NoClaim.STALE
    assert await desk.rows() == before
    assert await desk.release(claim, "..") == 1
    assert await desk.claim(batch) is NoClaim.STALE
    assert isinstance(await desk.claim(batch.model_copy(update={"epoch": 1})), Claim)


async def test_a_batch_is_claimed_whether_it_was_stamped_or_not_and_a_late_stamp_hides_nothing(desk: Desk) -> None:
    """The message may overtake the stamp."""
    first, second = await desk.planned()
    await desk.planner.stamp([first])
    assert (await desk.batch(first))["state"] == "queued"
    granted(await desk.claim(first))
    claim = granted(await desk.claim(second))
    await desk.planner.stamp([second])
    assert (await desk.batch(second))["state"] == "claimed"
    await desk.release(claim, "AA")
    await desk.planner.stamp([second])
    assert (await desk.batch(second))["state"] == "reported"


async def test_a_release_counts_only_from_the_holder_at_its_epoch(desk: Desk) -> None:
    """A sender whose lease was taken over is fenced."""
    (batch, _) = await desk.planned()
    first = granted(await desk.claim(batch))
    await desk.wait(TIMES.lease + 1)
    await desk.planner.sweep(busy_lanes=[])
    assert await desk.release(first, "AA") is None
    second = granted(await desk.claim(batch.model_copy(update={"epoch": 1}), "sender-2"))
    assert second.doubt
    assert await desk.release(replace(second, holder="sender-1"), "AA") is None
    assert await desk.release(second, "A.") == 2
    assert await desk.release(second, "AA") is None


async def test_a_release_keeps_what_is_known_and_says_when_the_rest_is_due(desk: Desk) -> None:
    """Letters, codes and hashes of all claims together."""
    claim = await desk.claimed()
    dead = claim.targets[0].hash.hex()
    await desk.release(claim, "U.", codes={0: "UNREGISTERED"}, dead={0: dead}, unanswered=True)
    row = await desk.batch(claim)
    assert (row["state"], row["epoch"], row["reported"], row["attempt"]) == ("waiting", 1, "U.", 1)
    assert (row["doubt"], row["due_at"]) == (True, desk.time.now + 10.0 + TIMES.retry)
    again = granted(
        await desk.claim(
            BatchReady(campaign_id=claim.campaign_id, batch_no=0, epoch=1, size=2, lane="normal", project="default")
        )
    )
    assert again.open_positions == [1]
    await desk.release(again, ".R", codes={1: "INVALID_ARGUMENT"})
    row = await desk.batch(claim)
    assert (row["state"], row["reported"], row["due_at"]) == ("reported", "UR", desk.time.now + TIMES.report)
    assert row["report"] == {"0": ["UNREGISTERED", dead], "1": ["INVALID_ARGUMENT"]}


async def test_a_merge_takes_the_greater_letter_and_moves_counters_once(desk: Desk) -> None:
    """Whatever comes twice, in whatever order; the last letter completes the campaign."""
    first, second = await desk.planned()
    one, other = granted(await desk.claim(first)), granted(await desk.claim(second))
    await desk.merge(said(one, "A."))
    await desk.merge(said(one, "XX"), said(one, "A."))
    assert (await desk.batch(first))["outcomes"] == "AX"
    await desk.merge(said(one, ".U"))
    merged = await desk.merge(said(one, "AD"))
    assert (not merged.moved, merged.completed) == (True, ())
    assert (await desk.batch(first))["state"] == "finished"
    assert (await desk.merge(said(other, "SC"))).completed == (first.campaign_id,)
    assert (await desk.merge(said(other, "SC"))).completed == ()
    row = await desk.campaign(first.campaign_id)
    counters = {name: row[name] for name in letters.NAMES.values() if row[name]}
    assert counters == {"accepted": 1, "unregistered": 1, "skipped": 1, "cancelled": 1}
    assert (await desk.events(first.campaign_id)).count("completed") == 1


async def test_a_merge_counts_each_code_once_with_its_first_words(desk: Desk) -> None:
    """A duplicate adds nothing."""
    claim = await desk.claimed()
    refused = said(claim, "RR", codes={0: "BAD", 1: "BAD"}, samples={"BAD": "no such field"})
    await desk.merge(refused)
    await desk.merge(refused.model_copy(update={"samples": {"BAD": "other words"}}))
    (row,) = (await desk.rows())["errors"]
    assert (row["code"], row["count"], row["sample"]) == ("BAD", 2, "no such field")


@pytest.mark.parametrize("lie", [{"batch_no": 7}, {"campaign_id": 9}, {"outcomes": "AAA"}])
async def test_a_poison_result_takes_nothing_of_its_window_into_the_ledger(desk: Desk, lie: dict[str, object]) -> None:
    """It is all or nothing."""
    first, second = await desk.planned()
    good = said(granted(await desk.claim(first)), "AA")
    bad = said(granted(await desk.claim(second)), "AA").model_copy(update=lie)
    before = await desk.rows()
    with pytest.raises(MalformedMessageError):
        await desk.merge(good, bad)
    assert await desk.rows() == before


async def test_a_token_that_was_refreshed_meanwhile_lives(desk: Desk) -> None:
    """Deactivation is guarded by the hash that was sent, and happens once."""
    fresh, gone = await desk.devices(2)
    campaign_id = await desk.draft()
    await desk.send(campaign_id)
    (batch,) = await desk.plan(campaign_id)
    claim = granted(await desk.claim(batch))
    await desk.refresh(fresh, "new-token")
    both = said(claim, "UU", dead={target.position: target.hash.hex() for target in claim.targets})
    assert (await desk.merge(both)).deactivated == 1
    assert (await desk.merge(both)).deactivated == 0
    active = {row["id"]: row["active"] for row in (await desk.rows())["devices"]}
    assert active == {fresh: True, gone: False}


async def test_a_sweep_leaves_alone_what_is_not_due(desk: Desk) -> None:
    """A batch in each state, all fresh."""
    batches = await desk.planned(10)
    await desk.planner.stamp(batches[:4])
    for batch, outcomes in zip(batches[:2], ("A.", "AA"), strict=True):
        await desk.release(granted(await desk.claim(batch)), outcomes)
    granted(await desk.claim(batches[2]))
    before = await desk.rows()
    assert (await desk.planner.sweep(busy_lanes=[])).looked_at == 0
    assert await desk.rows() == before


async def test_a_queued_batch_whose_lane_is_empty_is_planned_again_at_its_epoch(desk: Desk) -> None:
    """In a busy lane it is looked at later, until it is an hour old."""
    (batch, other) = await desk.planned()
    await desk.planner.stamp([batch, other])
    await desk.wait(TIMES.queued + 1)
    assert (await desk.planner.sweep(busy_lanes=["normal"])).back == {}
    assert (await desk.batch(batch))["due_at"] == desk.time.now + TIMES.queued
    await desk.wait(TIMES.queued + 1)
    assert (await desk.planner.sweep(busy_lanes=["high"])).back == {"queued": 2}
    row = await desk.batch(batch)
    assert (row["state"], row["epoch"], row["lost"], row["doubt"]) == ("planned", 0, 0, False)
    await desk.planner.stamp([batch])
    await desk.wait(TIMES.queued_max + 1)
    assert (await desk.planner.sweep(busy_lanes=["normal"])).back == {"queued": 1}


async def test_a_waiting_batch_whose_retry_was_lost_is_planned_again_with_what_was_reported(desk: Desk) -> None:
    """At the epoch that the retry named."""
    claim = await desk.claimed()
    await desk.release(claim, "A.")
    await desk.wait(10 + TIMES.retry + 1)
    assert (await desk.planner.sweep(busy_lanes=["normal"])).back == {"waiting": 1}
    row = await desk.batch(claim)
    assert (row["state"], row["epoch"], row["reported"], row["doubt"]) == ("planned", 1, "A.", False)


async def test_a_lost_lease_takes_the_batch_to_a_new_epoch_in_doubt(desk: Desk) -> None:
    """At least once: it is sent again; too often, and its open positions end unknown, with an event."""
    (batch, _) = await desk.planned()
    for lost in range(1, MAX_LOST):
        batch = await lose(desk, batch)
        row = await desk.batch(batch)
        assert (row["state"], row["epoch"], row["lost"], row["doubt"]) == ("planned", lost, lost, True)
    granted(await desk.claim(batch))
    await desk.wait(TIMES.lease + 1)
    (result,) = (await desk.planner.sweep(busy_lanes=[])).results
    row = await desk.batch(batch)
    assert (result.outcomes, row["state"], row["reported"], row["lost"]) == ("??", "reported", "??", MAX_LOST)
    assert "batch_lost" in await desk.events(batch.campaign_id)


async def test_at_most_once_a_lost_lease_ends_what_was_open(desk: Desk) -> None:
    """As unknown: it may have been sent, and must not be again."""
    (batch, _) = await desk.planned(delivery="at_most_once")
    claim = granted(await desk.claim(batch))
    assert claim.at_most_once
    await desk.release(claim, "A.")
    granted(await desk.claim(batch.model_copy(update={"epoch": 1})))
    await desk.wait(TIMES.lease + 1)
    (result,) = (await desk.planner.sweep(busy_lanes=[])).results
    assert result.outcomes == "A?"
    assert "batch_lost" not in await desk.events(batch.campaign_id)


async def test_a_report_that_nobody_merged_is_told_again_from_the_row(desk: Desk) -> None:
    """With its codes and hashes, as often as it takes."""
    claim = await desk.claimed()
    dead = claim.targets[1].hash.hex()
    known = Release("RU", None, 1, codes={0: "BAD", 1: "UNREGISTERED"}, dead={1: dead})
    await desk.sender.release(claim, known)
    for _ in range(2):
        await desk.wait(TIMES.report + 1)
        (result,) = (await desk.planner.sweep(busy_lanes=[])).results
        assert (result.outcomes, result.codes, result.dead) == ("RU", known.codes, known.dead)
    await desk.merge(result)
    await desk.wait(TIMES.report + 1)
    assert (await desk.planner.sweep(busy_lanes=[])).looked_at == 0


async def test_an_expired_batch_is_claimed_to_be_told_so_and_books_nothing(desk: Desk) -> None:
    """No target, no quota."""
    (batch, _) = await desk.planned(ttl=60)
    await desk.wait(60)
    before = (await desk.rows())["projects"]
    claim = granted(await desk.claim(batch))
    assert (claim.expired, claim.targets, claim.limit) == (True, (), 0)
    assert (await desk.rows())["projects"] == before


async def test_what_is_given_back_is_planned_for_later_but_no_later_than_its_deadline(desk: Desk) -> None:
    """At the next epoch; a claim that is held is not given back by a stale message."""
    first, second = await desk.planned(ttl=60)
    await desk.sender.give_back(first, wait=20.0)
    row = await desk.batch(first)
    assert (row["state"], row["epoch"], row["due_at"]) == ("planned", 1, desk.time.now + 20)
    await desk.sender.give_back(first.model_copy(update={"epoch": 1}), wait=600.0)
    assert (await desk.batch(first))["due_at"] == desk.time.now + 60
    granted(await desk.claim(second))
    await desk.sender.give_back(second, wait=0.0)
    assert (await desk.batch(second))["state"] == "claimed"


async def test_a_batch_that_waits_is_given_back_with_all_that_is_known_of_it(desk: Desk) -> None:
    """Attempts, doubts and letters; giving the same message back again changes nothing."""
    (batch, _) = await desk.planned()
    claim = granted(await desk.claim(batch))
    known = Release("A.", retry_after=5.0, attempt=2, unanswered=True)
    retry = batch.model_copy(update={"epoch": await desk.sender.release(claim, known)})
    before = await desk.batch(batch)
    await desk.sender.give_back(retry, wait=20.0)
    back = await desk.batch(batch)
    changed = {"state": "planned", "epoch": 2, "since": desk.time.now, "due_at": desk.time.now + 20}
    assert back == {**before, **changed}
    await desk.sender.give_back(retry, wait=600.0)
    assert await desk.batch(batch) == back


async def test_what_was_given_back_is_cancelled_once(desk: Desk) -> None:
    """And its message, should it come again, is over."""
    batch, other = await desk.planned()
    await desk.sender.give_back(batch, wait=600.0)
    await desk.cancel(batch.campaign_id)
    for result in await desk.close(batch.campaign_id):
        await desk.merge(result)
    assert [(await desk.batch(one))["outcomes"] for one in (batch, other)] == ["CC", "CC"]
    assert await desk.close(batch.campaign_id) == []
    assert await desk.claim(batch) is NoClaim.STALE


async def test_a_stamp_after_the_batch_was_given_back_hides_nothing(desk: Desk) -> None:
    """A sender may be quicker than the stamp: the message is gone, and what is `queued` nobody would publish."""
    batches = await desk.planned()
    await desk.sender.give_back(batches[0], wait=0.0)
    await desk.planner.stamp(batches)
    assert [(await desk.batch(batch))["state"] for batch in batches] == ["planned", "queued"]
