"""Folding a window before it meets the database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.messages import BatchResult
from shared.errors import MalformedMessageError
from shared.ledger import letters
from shared.ledger.merging import fold

SIZE = 4
RESULTS = st.lists(
    st.builds(
        BatchResult,
        campaign_id=st.integers(1, 3),
        batch_no=st.integers(0, 2),
        epoch=st.integers(0, 3),
        outcomes=st.text(st.sampled_from(letters.ORDER), min_size=SIZE, max_size=SIZE),
        codes=st.dictionaries(st.integers(0, SIZE - 1), st.sampled_from(["UNAVAILABLE", "INTERNAL"])),
    ),
    max_size=12,
)


@given(RESULTS)
def test_a_window_folds_to_one_entry_per_batch(results: list[BatchResult]) -> None:
    """Each the join of all that was said, whatever its epoch."""
    folded = fold(results)
    assert set(folded) == {(result.campaign_id, result.batch_no) for result in results}
    for key, entry in folded.items():
        joined = "." * SIZE
        for result in results:
            if (result.campaign_id, result.batch_no) == key:
                joined = letters.join(joined, result.outcomes)
        assert entry.outcomes == joined


@given(RESULTS, st.randoms(use_true_random=False))
def test_the_order_of_a_window_does_not_matter_to_its_letters(results: list[BatchResult], dice: object) -> None:
    """Nor do repeats."""
    shuffled = results + results[:3]
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert {key: entry.outcomes for key, entry in fold(shuffled).items()} == {
        key: entry.outcomes for key, entry in fold(results).items()
    }


def test_codes_dead_targets_and_samples_are_gathered_by_position() -> None:
    """Two results about one batch know different parts."""
    first = BatchResult(campaign_id=1, batch_no=0, epoch=0, outcomes="R.", codes={0: "X"}, samples={"X": "why"})
    second = BatchResult(campaign_id=1, batch_no=0, epoch=1, outcomes=".U", dead={1: "ab" * 16})
    (entry,) = fold([first, second]).values()
    assert (entry.outcomes, entry.codes, entry.dead, entry.samples) == ("RU", {0: "X"}, {1: "ab" * 16}, {"X": "why"})


def test_results_that_disagree_on_a_batchs_size_are_malformed() -> None:
    """The text names the batch and both lengths."""
    results = [BatchResult(campaign_id=7, batch_no=3, epoch=0, outcomes=outcomes) for outcomes in ("AA", "AAA")]
    with pytest.raises(MalformedMessageError, match=r"Batch 3 of 7: .* 2 and 3"):
        fold(results)


def test_an_empty_window_folds_to_nothing() -> None:
    """A consumer may wake for nothing."""
    assert fold([]) == {}
