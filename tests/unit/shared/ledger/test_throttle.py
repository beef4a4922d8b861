"""What bends a project's rate: ramp, cut, recovery."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.throttle import CUT, ONE_CUT, RAMP_FLOOR, RECOVERY, Throttle, after_rest, cut, rate_in_force

QUOTA = 10_000.0


def test_a_ramp_rises_from_its_floor_to_the_quota() -> None:
    """Five per cent at once, everything after the ramp's time, in between a straight line."""
    rested = after_rest(Throttle(QUOTA), last=0, now=1000)
    assert rate_in_force(rested, now=1000, ramp=60) == pytest.approx(QUOTA * RAMP_FLOOR)
    assert rate_in_force(rested, now=1030, ramp=60) == pytest.approx(QUOTA * (1 + RAMP_FLOOR) / 2)
    assert rate_in_force(rested, now=1060, ramp=60) == pytest.approx(QUOTA)
    assert rate_in_force(rested, now=1000, ramp=0) == QUOTA


def test_a_busy_project_starts_no_ramp() -> None:
    """Only a minute without bookings does."""
    assert after_rest(Throttle(QUOTA), last=950, now=1000) == Throttle(QUOTA)


def test_one_overload_cuts_once_and_a_later_one_again() -> None:
    """429s of requests that were in flight are the same overload."""
    once = cut(Throttle(QUOTA), now=100, ramp=0)
    assert once.cut_rate == pytest.approx(QUOTA * CUT)
    assert cut(once, now=100 + ONE_CUT / 2, ramp=0) == once
    twice = cut(once, now=100 + ONE_CUT, ramp=0)
    assert twice.cut_rate is not None
    assert twice.cut_rate < QUOTA * CUT


def test_what_was_cut_comes_back_little_by_little() -> None:
    """Additive: the same step every second, whatever was cut."""
    lowered = cut(Throttle(QUOTA), now=0, ramp=0)
    steps = [rate_in_force(lowered, now=second, ramp=0) for second in range(10)]
    gains = [later - earlier for earlier, later in pairwise(steps)]
    assert gains == pytest.approx([QUOTA / RECOVERY] * 9)
    assert rate_in_force(lowered, now=RECOVERY, ramp=0) == QUOTA


@given(
    moments=st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=30),
    ramp=st.sampled_from([0.0, 60.0]),
)
def test_the_rate_is_never_above_the_quota_and_never_nothing(moments: list[tuple[float, bool]], ramp: float) -> None:
    """Whatever happens, a project moves and keeps to its quota."""
    throttle, now = Throttle(QUOTA, ramp_from=0), 1.0
    for pause, overload in moments:
        throttle = after_rest(throttle, last=now, now=now + pause)
        now += pause
        if overload:
            throttle = cut(throttle, now=now, ramp=ramp)
        assert 0 < rate_in_force(throttle, now=now, ramp=ramp) <= QUOTA
