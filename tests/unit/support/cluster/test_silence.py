"""How silence is read from a record."""

from tests.support.cluster.silence import Silence, silence, steps


def flow(*moments: float, each: int = 10) -> list[tuple[float, int]]:
    """So many devices at each moment."""
    return [(moment, each) for moment in moments]


def test_the_longest_silence_after_the_fault_counts() -> None:
    """Not the one before it, though it was longer."""
    told = flow(0.0, 60.0, 61.0, 62.0, 70.0, 71.0)
    assert silence(told, struck=61.0, devices=60) == Silence(longest=8.0, began_after=1.0, tail=0.0)


def test_it_begins_with_the_fault_at_the_earliest() -> None:
    """What was silent already is not the fault's doing."""
    assert silence(flow(0.0, 10.0), struck=7.0, devices=20).longest == 3.0


def test_the_last_devices_are_told_beside() -> None:
    """They wait for their retry."""
    told = [(1.0, 50), (2.0, 49), (303.0, 1)]
    assert silence(told, struck=0.5, devices=100) == Silence(longest=1.0, began_after=0.5, tail=301.0)


def test_nothing_at_all_is_no_silence_to_be_measured() -> None:
    """An empty record tells nothing."""
    assert silence([], struck=1.0, devices=10) == Silence(0.0, 0.0, 0.0)


def test_a_counter_is_read_by_what_it_grew() -> None:
    """Looks without growth are no progress."""
    assert steps([(1.0, 5), (2.0, 5), (3.0, 9)]) == [(1.0, 5), (2.0, 0), (3.0, 4)]
