"""Results into letters and counters: a join, whatever comes twice, late, out of order or broken."""

import asyncio
import itertools
import random

import pytest

from shared.contracts.messages import BatchResult
from shared.errors import MalformedMessageError
from shared.ledger import letters
from tests.integration.shared.ledger.stage import Stage, result, target_hash


async def test_a_result_moves_the_counters_from_pending_to_its_letters(stage: Stage) -> None:
    """The sum stays the audience."""
    claim = await stage.claimed(5)
    merged = await stage.merge(result(claim, "AU?R."))
    assert +merged.moved == {"accepted": 1, "unregistered": 1, "unknown": 1, "rejected": 1}
    assert merged.moved["pending"] == -4
    assert await stage.counters(claim.campaign_id) == {
        "accepted": 1,
        "unregistered": 1,
        "unknown": 1,
        "rejected": 1,
        "pending": 1,
    }


async def test_a_result_merged_twice_counts_once(stage: Stage) -> None:
    """In one window, and in two."""
    claim = await stage.claimed(3)
    said = result(claim, "AR.", codes={1: "INVALID_ARGUMENT"})
    await stage.merge(said, said)
    again = await stage.merge(said)
    assert not +again.moved
    assert await stage.counters(claim.campaign_id) == {"accepted": 1, "rejected": 1, "pending": 1}
    assert await stage.value("select count from campaign_error") == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_results_in_any_order_end_the_same(stage: Stage, order: tuple[int, ...]) -> None:
    """What was observed beats what was inferred, early or late."""
    claim = await stage.claimed(4)
    results = [result(claim, "A..?"), result(claim, "?DX."), result(claim, ".A.U")]
    for number in order:
        await stage.merge(results[number])
    assert (await stage.batch(claim.campaign_id)).outcomes == "AAXU"
    assert await stage.counters(claim.campaign_id) == {"accepted": 2, "expired": 1, "unregistered": 1}


async def test_a_complete_batch_is_finished_and_its_report_is_spent(stage: Stage) -> None:
    """From whatever state it was in."""
    claim = await stage.claimed(2)
    await stage.merge(result(claim, "AA"))
    row = await stage.batch(claim.campaign_id)
    assert (row.state, row.outcomes, row.reported) == ("finished", "AA", "")
    assert row.finished_at is not None
    assert await stage.release(claim, "AA") is None


async def test_a_late_fact_corrects_a_finished_batch(stage: Stage) -> None:
    """A completed campaign stays completed and balanced."""
    claim = await stage.claimed(2)
    await stage.merge(result(claim, "?A"))
    assert (await stage.campaign(claim.campaign_id)).status == "completed"
    late = await stage.merge(result(claim, "A."))
    assert (late.moved["accepted"], late.moved["unknown"], late.completed) == (1, -1, ())
    assert await stage.counters(claim.campaign_id) == {"accepted": 2}
    assert (await stage.events(claim.campaign_id)).count("completed") == 1


async def test_one_window_may_speak_of_many_campaigns(stage: Stage) -> None:
    """Each gets its own letters and its own final event."""
    batches = await stage.planned(4) + await stage.planned(2)
    claims = [stage.granted(await stage.claim(batch)) for batch in batches]
    merged = await stage.merge(*(result(claim, "A" * claim.size) for claim in reversed(claims)))
    assert merged.completed == tuple(sorted({batch.campaign_id for batch in batches}))
    for campaign_id in merged.completed:
        assert (await stage.events(campaign_id))[-1] == "completed"
        assert await stage.counters(campaign_id) == await stage.letters_by_name(campaign_id)


async def test_concurrent_merges_neither_deadlock_nor_miscount(stage: Stage) -> None:
    """Twelve windows over the same batches of three campaigns, each in another order, at once."""
    batches = await stage.planned(12) + await stage.planned(12) + await stage.planned(12)
    results = [
        BatchResult(campaign_id=b.campaign_id, batch_no=b.batch_no, epoch=0, outcomes=letter)
        for b in batches
        for letter in ("A.", ".U", "?.")
    ]
    dice = random.Random(7)
    merged = await asyncio.gather(*(stage.merge(*dice.sample(results, len(results))) for _ in range(12)))
    completed = [campaign_id for one in merged for campaign_id in one.completed]
    assert sorted(completed) == sorted({batch.campaign_id for batch in batches})
    for campaign_id in completed:
        expected = len([b for b in batches if b.campaign_id == campaign_id])
        assert await stage.counters(campaign_id) == {"accepted": expected, "unregistered": expected}
        assert (await stage.events(campaign_id)).count("completed") == 1


@pytest.mark.parametrize(
    ("poison", "text"),
    [
        ({"batch_no": 9}, "has no batch 9"),
        ({"campaign_id": 999_999}, "Campaign 999999 has no batch 0"),
        ({"outcomes": "AAA"}, "has 2 devices, the result speaks of 3"),
        ({"outcomes": "A"}, "has 2 devices, the result speaks of 1"),
    ],
)
async def test_a_poison_result_is_named_and_changes_nothing(stage: Stage, poison: dict[str, object], text: str) -> None:
    """The window is rolled back whole, so that its good half can be merged again."""
    first, second = await stage.planned(4)
    good = BatchResult(campaign_id=first.campaign_id, batch_no=1, epoch=0, outcomes="AA")
    bad = BatchResult(**{"campaign_id": first.campaign_id, "batch_no": 0, "epoch": 0, "outcomes": "AA", **poison})
    with pytest.raises(MalformedMessageError, match=text):
        await stage.merge(good, bad)
    assert await stage.counters(second.campaign_id) == {"pending": 4}
    await stage.merge(good)
    assert await stage.counters(second.campaign_id) == {"pending": 2, "accepted": 2}


async def test_errors_are_counted_by_code_with_the_first_sample(stage: Stage) -> None:
    """Messages are stored once, codes per failed position."""
    claim = await stage.claimed(4)
    await stage.merge(result(claim, "R...", codes={0: "INVALID_ARGUMENT"}, samples={"INVALID_ARGUMENT": "bad token"}))
    await stage.merge(
        result(
            claim,
            ".RD.",
            codes={1: "INVALID_ARGUMENT", 2: "UNAVAILABLE"},
            samples={"INVALID_ARGUMENT": "another", "UNAVAILABLE": "later"},
        )
    )
    rows = await stage.all("select code, count, sample from campaign_error order by code")
    assert [tuple(row) for row in rows] == [("INVALID_ARGUMENT", 2, "bad token"), ("UNAVAILABLE", 1, "later")]


async def test_a_result_that_comes_again_is_no_progress(stage: Stage) -> None:
    """Not even much later, when the campaign is over: its final event stays the last."""
    claim = await stage.claimed(2)
    said = result(claim, "AA")
    await stage.merge(said)
    before = await stage.events(claim.campaign_id)
    await stage.run("update campaign set progress_at = now() - interval '1 minute'")
    await stage.merge(said)
    assert await stage.events(claim.campaign_id) == before


async def test_progress_is_told_at_most_once_a_second(stage: Stage) -> None:
    """However many windows are merged."""
    batches = await stage.planned(10)
    for batch in batches[:-1]:
        await stage.merge(BatchResult(campaign_id=batch.campaign_id, batch_no=batch.batch_no, epoch=0, outcomes="AA"))
    assert (await stage.events(batches[0].campaign_id)).count("progressed") == 1


async def test_a_dead_target_is_deactivated_with_the_merge(stage: Stage) -> None:
    """Only the device at that position, and once."""
    claim = await stage.claimed(3)
    dead = result(claim, "AUA", dead={1: target_hash("target-1").hex()})
    assert (await stage.merge(dead)).deactivated == 1
    assert (await stage.merge(dead)).deactivated == 0
    rows = await stage.all("select target from device where active order by id")
    assert [row.target for row in rows] == ["target-0", "target-2"]


async def test_a_merge_that_fails_deactivates_nothing(stage: Stage) -> None:
    """The letter and the device change together or not at all."""
    claim = await stage.claimed(2)
    dead = result(claim, "AU", dead={1: target_hash("target-1").hex()})
    with pytest.raises(MalformedMessageError):
        await stage.merge(dead, dead.model_copy(update={"batch_no": 7}))
    assert await stage.value("select count(*) from device where active") == 2


async def test_a_target_that_was_refreshed_meanwhile_lives(stage: Stage) -> None:
    """The hash that was sent is not the device's any more."""
    claim = await stage.claimed(2)
    await stage.run(
        "update device set target = 'newer', target_hash = :hash where target = 'target-1'", hash=target_hash("newer")
    )
    merged = await stage.merge(result(claim, "AU", dead={1: target_hash("target-1").hex()}))
    assert merged.deactivated == 0
    assert await stage.value("select count(*) from device where active") == 2


@pytest.mark.parametrize("position", [2, 400])
async def test_a_dead_position_outside_the_batch_touches_no_device(stage: Stage, position: int) -> None:
    """A result that lies about positions is no danger to the registry."""
    claim = await stage.claimed(2)
    merged = await stage.merge(result(claim, "AU", dead={position: target_hash("target-1").hex()}))
    assert merged.deactivated == 0
    assert await stage.value("select count(*) from device where active") == 2


async def test_every_letter_has_its_counter(stage: Stage) -> None:
    """All nine, in one batch."""
    claim = await stage.claimed(len(letters.ORDER))
    await stage.merge(result(claim, letters.ORDER))
    assert await stage.counters(claim.campaign_id) == dict.fromkeys(letters.NAMES.values(), 1)
