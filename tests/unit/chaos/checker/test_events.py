"""Events: one start, one end, no gap, all told."""

from tests.chaos.checker.events import told_once
from tests.unit.chaos.checker.healthy import campaign, healthy


def test_a_second_start_is_found() -> None:
    """A relay that commits twice would make one."""
    wrong = campaign(events=[(1, "started"), (2, "started"), (3, "completed")])
    assert told_once(healthy(wrong)) == ["campaign 1 has 2 started events"]


def test_a_second_end_is_found() -> None:
    """Whatever its name."""
    wrong = campaign(events=[(1, "started"), (2, "cancelled"), (3, "completed")])
    assert "its final events are ['completed', 'cancelled']" in told_once(healthy(wrong))[0]


def test_an_end_that_is_not_the_campaigns_is_found() -> None:
    """The row says one thing, its event another."""
    assert "campaign 1 is cancelled" in told_once(healthy(campaign(status="cancelled")))[0]


def test_a_gap_is_found() -> None:
    """With the number that is missing."""
    wrong = campaign(events=[(1, "started"), (3, "completed")])
    assert "[2] are missing" in told_once(healthy(wrong))[0]


def test_an_event_that_was_never_told_is_found() -> None:
    """Kept, but no subscriber got it."""
    state = healthy(heard={1: {1: frozenset({"a"}), 3: frozenset({"c"})}})
    assert told_once(state) == ["campaign 1: 1 of its events were never told, such as [2]"]


def test_an_event_that_nobody_keeps_is_found() -> None:
    """It was told before its transaction was undone."""
    state = healthy(heard={1: {number: frozenset({"x"}) for number in (1, 2, 3, 4)}})
    assert told_once(state) == ["campaign 1: events were told that nobody keeps, such as [4]"]


def test_two_events_under_one_number_are_found() -> None:
    """The same one told twice is none: its publisher died before it knew of the confirm."""
    state = healthy(heard={1: {1: frozenset({"a", "b"}), 2: frozenset({"c"}), 3: frozenset({"d"})}})
    assert told_once(state) == ["campaign 1: different events were told under one number, such as [1]"]
