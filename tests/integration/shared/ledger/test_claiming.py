"""Who may send a batch, when, and how fast."""

import asyncio
from itertools import pairwise

import pytest

from shared.contracts.messages import BatchReady
from shared.ledger import claiming
from shared.ledger.claiming import Claim, NoClaim, NotYet
from shared.ledger.quota import TOLERANCE
from shared.topology import Lane
from tests.integration.shared.ledger.stage import Stage, result, target_hash


async def test_a_claim_gives_the_targets_of_its_positions(stage: Stage) -> None:
    """Position, kind, value, hash and platform; the lease runs from the booked start."""
    devices = await stage.devices(3)
    campaign_id = await stage.sending()
    page = await stage.step(campaign_id, size=3)
    assert page is not None

    claim = stage.granted(await stage.claim(page.batches[0]))

    assert claim.size == len(devices) == 3
    assert sorted(target.position for target in claim.targets) == claim.open_positions == [0, 1, 2]
    for target in claim.targets:
        assert target.value == f"target-{target.position}"
        assert (target.kind, target.platform, target.hash) == ("token", "android", target_hash(target.value))
    assert claim.stop_in == claim.start_in + stage.times.lease - stage.times.margin
    row = await stage.batch(campaign_id)
    assert (row.state, row.holder) == ("claimed", "sender-1")
    assert 0 < row.lease_until - (await stage.now()).timestamp() <= stage.times.lease
    assert abs(row.due_at.timestamp() - row.lease_until) < 0.001


@pytest.mark.parametrize("stamped", [True, False])
async def test_a_batch_is_claimed_whether_it_was_stamped_or_not(stage: Stage, stamped: bool) -> None:
    """The message may overtake the stamp."""
    (batch,) = await stage.planned(2)
    if stamped:
        await stage.stamp(batch)
    assert isinstance(await stage.claim(batch), Claim)


async def test_a_second_message_gives_no_second_claim(stage: Stage) -> None:
    """Not to another sender, nor to the same."""
    (batch,) = await stage.planned(2)
    stage.granted(await stage.claim(batch))
    assert await stage.claim(batch, "sender-2") is NoClaim.STALE
    assert await stage.claim(batch) is NoClaim.STALE


async def test_two_senders_at_once_get_one_claim(stage: Stage) -> None:
    """The row's lock decides."""
    batches = await stage.planned(20)
    for batch in batches:
        outcomes = await asyncio.gather(*(stage.claim(batch, f"sender-{n}") for n in range(4)))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Claim", "NoClaim", "NoClaim", "NoClaim"]


@pytest.mark.parametrize("epoch", [0, 2, 9])
async def test_a_message_of_another_epoch_gives_no_claim(stage: Stage, epoch: int) -> None:
    """Neither one that is over nor one that was never published."""
    (batch,) = await stage.planned(2)
    await stage.release(stage.granted(await stage.claim(batch)), "..")
    assert await stage.claim(batch.model_copy(update={"epoch": epoch})) is NoClaim.STALE
    assert isinstance(await stage.claim(batch.model_copy(update={"epoch": 1})), Claim)


async def test_a_batch_that_does_not_exist_gives_no_claim(stage: Stage) -> None:
    """A message can outlive its campaign."""
    (batch,) = await stage.planned(2)
    assert await stage.claim(batch.model_copy(update={"batch_no": 5})) is NoClaim.STALE
    assert await stage.claim(batch.model_copy(update={"campaign_id": 999})) is NoClaim.STALE


async def test_a_reported_batch_gives_no_claim(stage: Stage) -> None:
    """Whatever epoch a message names."""
    (batch,) = await stage.planned(2)
    await stage.release(stage.granted(await stage.claim(batch)), "AA")
    for epoch in (0, 1):
        assert await stage.claim(batch.model_copy(update={"epoch": epoch})) is NoClaim.STALE


async def test_a_waiting_batch_that_late_facts_have_finished_gives_no_claim(stage: Stage) -> None:
    """A fenced sender's outcomes may complete a batch while its retry is on a rung."""
    claim = await stage.claimed(2)
    await stage.release(claim, "A.")
    await stage.merge(result(claim, "AU"))
    (retry,) = await _references(stage, claim)
    assert await stage.claim(retry) is NoClaim.STALE
    assert (await stage.batch(claim.campaign_id)).state == "finished"


async def _references(stage: Stage, claim: Claim) -> list[BatchReady]:
    """What a retry of this claim would say."""
    rows = await stage.all("select * from campaign_batch where campaign_id = :id", id=claim.campaign_id)
    return [
        BatchReady(
            campaign_id=row.campaign_id,
            batch_no=row.batch_no,
            epoch=row.epoch,
            size=row.size,
            lane=row.lane,
            project=row.project_id,
        )
        for row in rows
    ]


async def test_a_paused_campaign_takes_its_batches_back(stage: Stage) -> None:
    """Back to planned at the next epoch: after a resume a new message claims it, and this one is over."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    await stage.pause(batch.campaign_id)
    assert await stage.claim(batch) is NoClaim.PAUSED
    row = await stage.batch(batch.campaign_id)
    assert (row.state, row.epoch, row.holder) == ("planned", 1, None)
    await stage.resume(batch.campaign_id)
    (again,) = await stage.take_planned(batch.campaign_id)
    assert await stage.claim(batch) is NoClaim.STALE
    assert isinstance(await stage.claim(again), Claim)


async def test_a_cancelled_campaign_gives_no_claim_and_leaves_the_row(stage: Stage) -> None:
    """The planner closes it."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    await stage.cancel(batch.campaign_id)
    assert await stage.claim(batch) is NoClaim.CLOSING
    assert (await stage.batch(batch.campaign_id)).state == "queued"


async def test_past_its_deadline_a_batch_is_claimed_to_be_expired(stage: Stage) -> None:
    """No targets, nothing to send, no quota booked."""
    (batch,) = await stage.planned(2, ttl=0)
    claim = stage.granted(await stage.claim(batch))
    assert (claim.expired, claim.targets, claim.limit) == (True, (), 0)
    assert await stage.value("select tat from project") == 0


async def test_a_position_whose_device_is_inactive_by_now_has_no_target(stage: Stage) -> None:
    """It is open, and the sender skips it."""
    devices = await stage.devices(2)
    campaign_id = await stage.sending()
    page = await stage.step(campaign_id)
    assert page is not None
    await stage.run("update device set active = false where id = :id", id=devices[0])
    claim = stage.granted(await stage.claim(page.batches[0]))
    assert [target.position for target in claim.targets] == [1]
    assert claim.open_positions == [0, 1]


async def test_a_retry_offers_only_what_is_open_in_both_strings(stage: Stage) -> None:
    """Neither what was reported nor what has been merged meanwhile."""
    claim = await stage.claimed(3)
    await stage.release(claim, "A..")
    await stage.merge(result(claim, "..U"))
    await stage.age(claim.campaign_id)
    await stage.sweep()
    (batch,) = await stage.take_planned(claim.campaign_id)
    again = stage.granted(await stage.claim(batch))
    assert again.open_positions == [1]
    assert again.attempt == 1


async def test_giving_back_returns_a_batch_to_the_planner(stage: Stage) -> None:
    """After the wait it is published again; the message that was given back is over."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    async with stage.database.write() as tx:
        await claiming.give_back(tx, batch, wait=30)
    row = await stage.batch(batch.campaign_id)
    assert (row.state, row.epoch) == ("planned", 1)
    assert 25 < (row.due_at - await stage.now()).total_seconds() <= 30
    assert await stage.take_planned(batch.campaign_id) == []


async def test_giving_back_touches_no_batch_that_somebody_claimed(stage: Stage) -> None:
    """A slow give-back must not free a batch under its sender."""
    (batch,) = await stage.planned(2)
    stage.granted(await stage.claim(batch))
    async with stage.database.write() as tx:
        await claiming.give_back(tx, batch, wait=0)
    assert (await stage.batch(batch.campaign_id)).state == "claimed"


async def test_a_booked_out_quota_denies_with_its_exact_wait_and_writes_nothing(stage: Stage) -> None:
    """The batch stays as it was, so that the same message asks again."""
    (batch,) = await stage.planned(2)
    await stage.stamp(batch)
    await stage.run("update project set tat = extract(epoch from clock_timestamp()) + 10, tat_normal = 1e12")
    expected = 10 - TOLERANCE[Lane.NORMAL]
    before = await stage.all("select * from project")
    denied = await stage.claim(batch)
    assert isinstance(denied, NotYet)
    assert expected - 2 < denied.wait <= expected
    assert await stage.all("select * from project") == before
    assert (await stage.batch(batch.campaign_id)).state == "queued"


async def test_a_paused_project_starts_nothing_before_its_pause_is_over(stage: Stage) -> None:
    """A claim near the end of the pause is booked for the end itself."""
    (batch,) = await stage.planned(2)
    await stage.run("update project set paused_until = extract(epoch from clock_timestamp()) + 60")
    denied = await stage.claim(batch)
    assert isinstance(denied, NotYet)
    assert denied.wait > 55
    nearly = TOLERANCE[Lane.NORMAL]
    await stage.run(
        "update project set paused_until = extract(epoch from clock_timestamp()) + cast(:wait as float8)", wait=nearly
    )
    claim = stage.granted(await stage.claim(batch))
    assert 0 < claim.start_in <= nearly


async def test_claims_of_many_senders_book_the_quota_one_after_the_other(stage: Stage) -> None:
    """Twenty batches that fill most of what the lane may book ahead, whoever asks and however slowly."""
    batches = await stage.planned(100, size=5, priority="high")
    ahead = 0.8 * TOLERANCE[Lane.HIGH]
    await stage.run("update project set rate = :rate", rate=100 / ahead)
    claims = [
        stage.granted(outcome)
        for outcome in await asyncio.gather(*(stage.claim(b, f"sender-{b.batch_no}") for b in batches))
    ]
    starts = sorted(claim.booked_at + claim.start_in for claim in claims)
    one = 5 * ahead / 100  # seconds that a batch of five takes at this rate
    assert all(later - earlier >= 0.99 * one for earlier, later in pairwise(starts))
    assert all(claim.pace == pytest.approx(100 / ahead, rel=0.1) for claim in claims)


async def test_a_campaigns_own_rate_spaces_its_batches(stage: Stage) -> None:
    """Eight in five seconds: the first starts now, the second is told to come when its five eighths are nearly over."""
    first, second = await stage.planned(2, size=1, rate=1.6)
    assert stage.granted(await stage.claim(first)).start_in == 0
    early = await stage.claim(second)
    assert isinstance(early, NotYet)
    assert early.own
    assert 0.3 < early.wait <= 0.525
    await stage.run("update campaign_pace set tat = extract(epoch from clock_timestamp()) + 0.09")
    due = stage.granted(await stage.claim(second))
    assert 0 < due.start_in <= 0.09
    assert due.pace == 1.6


async def test_a_batch_that_the_project_puts_off_puts_off_the_next_of_its_campaign(stage: Stage) -> None:
    """Two batches of a quarter second each: from the first one's start, not from when it could have started."""
    first, second = await stage.planned(2, size=1, rate=4.0)
    ahead = "update project set tat = extract(epoch from clock_timestamp()) + cast(:s as float8)"
    await stage.run(ahead, s=0.8 * TOLERANCE[Lane.NORMAL])
    one = stage.granted(await stage.claim(first))
    assert one.start_in > 0
    assert isinstance(await stage.claim(second), NotYet)
    # Where the quota puts it off nearly as long, it may be booked so far ahead.
    await stage.run("update campaign_pace set tat = tat - 0.2")
    await stage.run(ahead, s=0.8 * TOLERANCE[Lane.NORMAL])
    two = stage.granted(await stage.claim(second))
    assert two.booked_at + two.start_in >= one.booked_at + one.start_in + 0.05


async def test_a_campaigns_own_denial_books_nothing_of_the_project(stage: Stage) -> None:
    """Others go on."""
    first, second = await stage.planned(4, size=2, rate=0.5)
    stage.granted(await stage.claim(first))
    tat = await stage.value("select tat from project")
    assert isinstance(await stage.claim(second), NotYet)
    assert await stage.value("select tat from project") == tat


@pytest.mark.parametrize(("rate", "limit"), [(0.001, 1), (0.02, 1), (0.1, 8), (0.5, 10)])
async def test_a_rate_far_below_a_batch_per_lease_books_what_fits(stage: Stage, rate: float, limit: int) -> None:
    """At most what can be sent within the lease, never nothing; the rest stays for the next claim."""
    (batch,) = await stage.planned(10, size=10, rate=rate)
    claim = stage.granted(await stage.claim(batch))
    assert claim.limit == limit
    booked = await stage.value("select tat from campaign_pace") - (await stage.now()).timestamp()
    assert booked == pytest.approx(limit / rate, abs=1)
