"""The join and what is built on it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger import letters

LETTER = st.sampled_from(letters.ORDER)


def outcomes_of(count: int) -> st.SearchStrategy[tuple[str, ...]]:
    """So many outcome strings of one length."""
    return st.integers(0, 40).flatmap(
        lambda size: st.tuples(*[st.text(LETTER, min_size=size, max_size=size) for _ in range(count)])
    )


@pytest.mark.parametrize(("left", "right"), list(itertools.product(letters.ORDER, repeat=2)))
def test_the_greater_letter_wins(left: str, right: str) -> None:
    """For every pair, in the order that the design fixes."""
    assert letters.join(left, right) == max(left, right, key=".SCXD?RUA".index)


@given(outcomes_of(2))
def test_join_is_commutative(pair: tuple[str, str]) -> None:
    """Reordered results end the same."""
    left, right = pair
    assert letters.join(left, right) == letters.join(right, left)


@given(outcomes_of(3))
def test_join_is_associative(three: tuple[str, str, str]) -> None:
    """Windows may be cut anywhere."""
    a, b, c = three
    assert letters.join(letters.join(a, b), c) == letters.join(a, letters.join(b, c))


@given(outcomes_of(2))
def test_join_is_idempotent_and_absorbs(pair: tuple[str, str]) -> None:
    """Duplicates, early or late, change nothing."""
    left, right = pair
    joined = letters.join(left, right)
    assert letters.join(left, left) == left
    assert letters.join(joined, right) == joined
    assert letters.join(left, "." * len(left)) == left


@given(outcomes_of(2))
def test_join_never_lowers_a_letter(pair: tuple[str, str]) -> None:
    """What was observed beats what was inferred, for ever."""
    left, right = pair
    for before, after in zip(left, letters.join(left, right), strict=True):
        assert letters.ORDER.index(after) >= letters.ORDER.index(before)


@given(st.text(LETTER, max_size=9), st.text(LETTER, max_size=9))
def test_outcomes_of_different_lengths_are_refused(left: str, right: str) -> None:
    """They belong to different batches."""
    if len(left) == len(right):
        letters.join(left, right)
    else:
        with pytest.raises(ValueError, match=f"{len(left)} and {len(right)}"):
            letters.join(left, right)


@given(outcomes_of(2))
def test_a_change_moves_devices_between_counters_and_makes_none(pair: tuple[str, str]) -> None:
    """The sum is zero, and applying it gives the counts of what is joined."""
    before, other = pair
    after = letters.join(before, other)
    moved = letters.change(before, after)
    assert sum(moved.values()) == 0
    assert 0 not in moved.values()
    for letter, name in letters.NAMES.items():
        assert before.count(letter) + moved.get(name, 0) == after.count(letter)


@given(outcomes_of(2))
def test_only_what_is_pending_in_both_strings_is_open(pair: tuple[str, str]) -> None:
    """A position that is answered anywhere is never sent again."""
    outcomes, reported = pair
    positions = letters.open_positions(outcomes, reported)
    assert positions == [p for p in range(len(outcomes)) if outcomes[p] == "." and reported[p] == "."]


@given(outcomes_of(2), LETTER, st.booleans())
def test_filling_ends_exactly_what_is_open(pair: tuple[str, str], letter: str, doubt: bool) -> None:
    """And says nothing of the rest."""
    outcomes, reported = pair
    filled = letters.fill(outcomes, reported, letter, doubt=doubt)
    opened = set(letters.open_positions(outcomes, reported))
    assert len(filled) == len(outcomes)
    for position, said in enumerate(filled):
        assert said == (letters.settle(letter, doubt=doubt) if position in opened else ".")


@pytest.mark.parametrize("letter", letters.ORDER)
def test_doubt_turns_what_is_inferred_into_unknown(letter: str) -> None:
    """What was observed stays; without doubt everything does."""
    assert letters.settle(letter, doubt=False) == letter
    assert letters.settle(letter, doubt=True) == ("?" if letter in "SCXD" else letter)


def test_what_was_observed_is_told_from_what_was_inferred() -> None:
    """No answer is an observation too, where no repeat is allowed."""
    assert letters.observed(letters.ORDER) == ".....?RUA"


@given(st.dictionaries(st.integers(0, 29), LETTER))
def test_written_letters_stand_where_they_were_written(said: dict[int, str]) -> None:
    """All else is pending."""
    outcomes = letters.write(30, said.items())
    assert outcomes == "".join(said.get(position, ".") for position in range(30))


@given(st.text(LETTER, max_size=30))
def test_a_batch_is_complete_when_nothing_is_pending(outcomes: str) -> None:
    """An empty one too."""
    assert letters.complete(outcomes) == (outcomes.count(".") == 0)


def test_every_letter_has_one_name() -> None:
    """Nine letters, nine counters."""
    assert "".join(letters.NAMES) == letters.ORDER
    assert len(set(letters.NAMES.values())) == len(letters.ORDER)
