"""The quota governor's single answers; what they come to over time is in `test_quota_shares.py`."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.quota import (
    BELIEVED,
    CREDIT,
    FLOOR_SLACK,
    TOLERANCE,
    WEIGHT,
    Booked,
    Clocks,
    Denied,
    book,
    shares,
)
from shared.topology import Lane

BATCH = 500
START = 1_000_000.0
EPSILON = 1e-6


def clocks_at(*, rate: float, tat: float, lanes: Mapping[Lane, float], paused_until: float) -> Clocks:
    """A row as bookings leave it: no lane is further ahead than it is believed to be, `lanes` is the part of that."""
    believed = {lane: BELIEVED * BATCH / rate / WEIGHT[lane] for lane in Lane}
    own = {lane: START + part * believed[lane] for lane, part in lanes.items()}
    return Clocks(rate=rate, longest=BATCH, tat=tat, lanes=own, paused_until=paused_until)


LANES = st.sampled_from(Lane)
ANY_CLOCKS = st.builds(
    Clocks,
    rate=st.floats(0.01, 100_000),
    longest=st.integers(1, BATCH),
    tat=st.floats(START - 100, START + 1_000),
    lanes=st.fixed_dictionaries({lane: st.floats(0, START + 100_000) for lane in Lane}),
    paused_until=st.floats(0, START + 1_000),
)
CLOCKS = st.builds(
    clocks_at,
    rate=st.floats(0.01, 100_000),
    tat=st.floats(START - 100, START + 1_000),
    lanes=st.fixed_dictionaries({lane: st.floats(-3, 0.999) for lane in Lane}),
    paused_until=st.floats(0, START + 1_000),
)
MESSAGES = st.integers(1, BATCH)


def idle(rate: float = 10_000.0) -> Clocks:
    """A project that has never sent."""
    return Clocks(rate=rate, longest=BATCH, tat=0.0, lanes=dict.fromkeys(Lane, 0.0))


@given(CLOCKS, LANES, MESSAGES)
def test_a_denials_wait_is_exact(clocks: Clocks, lane: Lane, messages: int) -> None:
    """Asking again after it is admitted; asking before is not."""
    answer = book(clocks, now=START, lane=lane, messages=messages)
    if isinstance(answer, Booked):
        return
    assert answer.wait > 0
    later = START + answer.wait + EPSILON
    assert isinstance(book(clocks, now=later, lane=lane, messages=messages), Booked)
    earlier = START + answer.wait - 2 * EPSILON
    if earlier > START:
        assert isinstance(book(clocks, now=earlier, lane=lane, messages=messages), Denied)


@given(CLOCKS, LANES, st.integers(1, 10_000_000))
def test_any_number_of_messages_is_admitted_at_once_or_after_one_wait(
    clocks: Clocks, lane: Lane, messages: int
) -> None:
    """What is limited is the start; what follows waits longer."""
    answer = book(clocks, now=START, lane=lane, messages=messages)
    if isinstance(answer, Denied):
        answer = book(clocks, now=START + answer.wait + EPSILON, lane=lane, messages=messages)
    assert isinstance(answer, Booked)


@given(ANY_CLOCKS, LANES, MESSAGES)
def test_a_booking_starts_after_the_pause_and_after_all_before_it(clocks: Clocks, lane: Lane, messages: int) -> None:
    """The project's clock moves on by what was booked, at its rate."""
    answer = book(clocks, now=START, lane=lane, messages=messages)
    if isinstance(answer, Denied):
        return
    assert answer.start >= max(START, clocks.paused_until, clocks.tat)
    assert answer.wait == answer.start - START
    assert answer.wait <= TOLERANCE[Lane.HIGH] + FLOOR_SLACK
    assert answer.clocks.tat == pytest.approx(answer.start + messages / clocks.rate)
    assert answer.clocks.rate == clocks.rate
    assert answer.clocks.paused_until == clocks.paused_until


@given(ANY_CLOCKS, LANES, MESSAGES)
def test_a_booking_moves_no_other_lanes_clock_and_its_own_no_further_than_a_batch(
    clocks: Clocks, lane: Lane, messages: int
) -> None:
    """A lane's floor is its own, and what was left by the others is not taken out of it."""
    messages = min(messages, clocks.longest)
    answer = book(clocks, now=START, lane=lane, messages=messages)
    if isinstance(answer, Denied):
        return
    before, after = clocks.lanes, answer.clocks.lanes
    assert {name for name in Lane if after[name] != before[name]} <= {lane}
    believed = BELIEVED * clocks.longest / clocks.rate / WEIGHT[lane]
    if START < before[lane] <= START + believed:
        assert after[lane] == before[lane]
    else:
        assert after[lane] <= START + messages / clocks.rate / WEIGHT[lane] + EPSILON
        assert after[lane] >= START - CREDIT - 2 * clocks.longest / clocks.rate


@pytest.mark.parametrize("ahead", [75.0, 3_600.0, 86_400.0])
@pytest.mark.parametrize("lane", Lane)
def test_a_debt_that_no_booking_can_leave_is_none(ahead: float, lane: Lane) -> None:
    """The version before charged a lane's floor for what nobody else wanted: such rows exist at the upgrade."""
    clocks = replace(idle(), tat=START + 0.99, lanes=dict.fromkeys(Lane, START + ahead))
    answer = book(clocks, now=START, lane=lane, messages=BATCH)
    assert isinstance(answer, Booked)
    assert answer.clocks.lanes[lane] <= START + BATCH / clocks.rate / WEIGHT[lane]


def test_the_later_a_lane_is_the_sooner_it_is_served() -> None:
    """Of two whose floors are due, at a rate at which a batch takes a minute."""
    clocks = Clocks(
        rate=8.0,
        longest=BATCH,
        tat=START + 60,
        lanes={Lane.HIGH: START - 1, Lane.NORMAL: START - 50, Lane.LOW: START - 100},
    )
    waits = {}
    for lane in Lane:
        answer = book(clocks, now=START, lane=lane, messages=BATCH)
        assert isinstance(answer, Denied)
        waits[lane] = answer.wait
    assert waits[Lane.LOW] < waits[Lane.NORMAL] < waits[Lane.HIGH] <= 60 - TOLERANCE[Lane.HIGH]


def test_a_pause_is_waited_for_to_its_end() -> None:
    """Nobody starts before it, and the first who may is told the exact time."""
    clocks = replace(idle(), paused_until=START + 60)
    answer = book(clocks, now=START, lane=Lane.HIGH, messages=BATCH)
    assert answer == Denied(60 - TOLERANCE[Lane.HIGH] - FLOOR_SLACK)
    answer = book(clocks, now=START + 59.9, lane=Lane.HIGH, messages=BATCH)
    assert isinstance(answer, Booked)
    assert answer.start == START + 60


def test_shares_are_the_floors_and_the_rest_is_the_highest_lanes() -> None:
    """Whoever else is empty; a lane alone has everything."""
    for count in (1, 2, 3):
        for lanes in combinations(Lane, count):
            found = shares(lanes)
            assert sum(found.values()) == pytest.approx(1)
            assert {lane: found[lane] for lane in lanes[1:]} == {lane: WEIGHT[lane] for lane in lanes[1:]}
    assert shares([*Lane]) == pytest.approx(WEIGHT)
    assert shares([Lane.LOW]) == {Lane.LOW: 1.0}


def test_the_weights_are_the_whole_rate() -> None:
    """Else the floors would book more, or reserve less, than there is."""
    assert sum(WEIGHT.values()) == pytest.approx(1)
    assert TOLERANCE[Lane.HIGH] > TOLERANCE[Lane.NORMAL] > TOLERANCE[Lane.LOW] > 0
