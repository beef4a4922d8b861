"""The quota governor over a virtual clock."""

import heapq
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ledger.quota import FLOOR_SLACK, TOLERANCE, WEIGHT, Booked, Clocks, Denied, book
from shared.topology import Lane

RATE = 10_000.0
BATCH = 500
START = 1_000_000.0
EPSILON = 1e-6

LANES = st.sampled_from(Lane)
CLOCKS = st.builds(
    Clocks,
    rate=st.floats(0.01, 100_000),
    tat=st.floats(START - 100, START + 1_000),
    lanes=st.fixed_dictionaries({lane: st.floats(START - 100, START + 1_000) for lane in Lane}),
    paused_until=st.floats(0, START + 1_000),
)
MESSAGES = st.integers(1, 500)


def idle(rate: float = RATE) -> Clocks:
    """A project that has never sent."""
    return Clocks(rate=rate, tat=0.0, lanes=dict.fromkeys(Lane, 0.0))


def simulate(lanes: dict[Lane, int], seconds: float) -> tuple[dict[Lane, float], list[tuple[float, int]]]:
    """Let so many senders of each lane book batches without a pause; rates by lane, and every booked start."""
    clocks = idle()
    booked = dict.fromkeys(Lane, 0)
    starts: list[tuple[float, int]] = []
    order = itertools.count()
    asking = [(START, next(order), lane) for lane, senders in lanes.items() for _ in range(senders)]
    heapq.heapify(asking)
    while asking[0][0] < START + seconds:
        now, _, lane = heapq.heappop(asking)
        answer = book(clocks, now=now, lane=lane, messages=BATCH)
        if isinstance(answer, Denied):
            heapq.heappush(asking, (now + max(answer.wait, EPSILON), next(order), lane))
            continue
        clocks = answer.clocks
        booked[lane] += BATCH
        starts.append((answer.start, BATCH))
        # A sender is busy until its batch has gone out.
        heapq.heappush(asking, (answer.start + BATCH / RATE, next(order), lane))
    return {lane: count / seconds for lane, count in booked.items()}, starts


def test_saturated_lanes_share_as_the_design_says() -> None:
    """High 7,150, normal 2,000, low 1,000 of 10,000 a second, and the tolerances on top."""
    rates, _ = simulate(dict.fromkeys(Lane, 200), seconds=60)
    assert rates[Lane.HIGH] == pytest.approx(7_150, rel=0.06)
    assert rates[Lane.NORMAL] == pytest.approx(2_000, rel=0.06)
    assert rates[Lane.LOW] == pytest.approx(1_000, rel=0.06)


@pytest.mark.parametrize("lane", Lane)
def test_a_lone_lane_gets_everything(lane: Lane) -> None:
    """Weights reserve nothing for those who do not ask."""
    rates, _ = simulate({lane: 200}, seconds=30)
    assert rates[lane] == pytest.approx(RATE, rel=0.11)


def test_the_low_lane_moves_beside_a_saturated_high_lane() -> None:
    """Its floor gets in whatever the others do."""
    rates, _ = simulate({Lane.HIGH: 200, Lane.LOW: 50}, seconds=30)
    assert rates[Lane.LOW] >= 0.9 * WEIGHT[Lane.LOW] * RATE


@pytest.mark.parametrize("lanes", [dict.fromkeys(Lane, 100), {Lane.HIGH: 100}, {Lane.LOW: 3, Lane.NORMAL: 100}])
def test_no_window_of_time_holds_more_than_the_rate(lanes: dict[Lane, int]) -> None:
    """Bookings follow each other on the project's clock: the surplus of any window is one batch."""
    _, starts = simulate(lanes, seconds=20)
    starts.sort()
    for (start, messages), (following, _) in itertools.pairwise(starts):
        assert following - start >= messages / RATE - EPSILON


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


@given(CLOCKS, LANES, MESSAGES)
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


@given(CLOCKS, LANES, MESSAGES)
def test_a_booking_moves_no_other_lanes_clock(clocks: Clocks, lane: Lane, messages: int) -> None:
    """A lane's floor is its own."""
    answer = book(clocks, now=START, lane=lane, messages=messages)
    if isinstance(answer, Booked):
        moved = {name for name in Lane if answer.clocks.lanes[name] != clocks.lanes[name]}
        assert moved <= {lane}
        assert answer.clocks.lanes[lane] >= clocks.lanes[lane]


def test_a_pause_is_waited_for_to_its_end() -> None:
    """Nobody starts before it, and the first who may is told the exact time."""
    clocks = replace(idle(), paused_until=START + 60)
    answer = book(clocks, now=START, lane=Lane.HIGH, messages=BATCH)
    assert answer == Denied(60 - TOLERANCE[Lane.HIGH] - FLOOR_SLACK)
    answer = book(clocks, now=START + 59.9, lane=Lane.HIGH, messages=BATCH)
    assert isinstance(answer, Booked)
    assert answer.start == START + 60


def test_the_weights_are_the_whole_rate() -> None:
    """Else the floors would book more, or reserve less, than there is."""
    assert sum(WEIGHT.values()) == pytest.approx(1)
    assert TOLERANCE[Lane.HIGH] > TOLERANCE[Lane.NORMAL] > TOLERANCE[Lane.LOW] > 0
