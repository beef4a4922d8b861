"""PostgreSQL's time on a sender's clock."""

from hypothesis import given
from hypothesis import strategies as st

from services.sender.ledger_clock import LedgerClock

AHEAD = 1_700_000_000.0
"""PostgreSQL counts from 1970, a loop from its machine's start."""


@given(st.lists(st.tuples(st.floats(0.0005, 0.5), st.floats(0.0005, 0.5)), min_size=1, max_size=200))
def test_the_estimate_is_late_by_no_more_than_the_quickest_answer(trips: list[tuple[float, float]]) -> None:
    """Never early; and as good as the best of the recent readings, whatever the others took."""
    clock, ours = LedgerClock(), 100.0
    for there, back in trips:
        clock.read(AHEAD + ours + there, before=ours, after=ours + there + back)
        ours += there + back + 1
    late = clock.ours(AHEAD + 5000) - 5000
    quickest = min(back for _, back in trips[-64:])
    assert -1e-5 <= late <= quickest + 1e-5


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    """Readings that contradict each other end the old ones' credit, whichever way the clock went."""
    for step in (-30.0, 30.0):
        clock = LedgerClock()
        for second in range(10):
            clock.read(AHEAD + second, before=second - 0.001, after=second + 0.001)
        clock.read(AHEAD + 20 + step, before=19.999, after=20.001)
        assert abs(clock.ours(AHEAD + 25 + step) - 25) < 0.01
