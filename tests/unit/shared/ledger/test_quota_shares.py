"""What the governor's answers come to: lanes that start, stop and are alone, in every order."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ledger.quota import FLOOR_SLACK, TOLERANCE, WEIGHT, Booked, Clocks, Denied, book, shares
from shared.topology import Lane
from tests.unit.shared.ledger.virtual_lanes import LONGEST, Flow, Span, fresh, play

ENOUGH = 0.9
"""Part of its floor that a full lane has in any window, less one batch."""
WINDOW = 5.0
"""Seconds of a window where a batch is short; else it is forty batches long, of which four are the low lane's."""
FIRST = 1.0
"""Seconds, and a batch besides, after which a lane that starts has its share."""
LEASE = 81
"""Seconds of messages that a lease has time for."""


def before(clocks: Clocks, *, now: float, lane: Lane, messages: int) -> Booked | Denied:
    """The version before: it charges the floor for whatever a lane takes."""
    base, floor = max(clocks.tat, now, clocks.paused_until), max(clocks.lanes[lane], now)
    ahead, over = base - now, TOLERANCE[Lane.HIGH] + FLOOR_SLACK
    if ahead <= TOLERANCE[lane] or (floor <= now and ahead <= over):
        own = floor + messages / (WEIGHT[lane] * clocks.rate)
        booked = replace(clocks, tat=base + messages / clocks.rate, lanes={**clocks.lanes, lane: own})
        return Booked(booked, start=base, wait=ahead)
    return Denied(min(ahead - TOLERANCE[lane], max(floor - now, ahead - over)))


def assert_exact(flow: Flow) -> None:
    """One booking after the other: no second has more than the rate."""
    for booking, following in pairwise(sorted(flow.bookings, key=lambda booking: booking.at)):
        assert following.at >= booking.at + booking.length - 1e-6


def assert_shares(flow: Flow, lanes: list[Lane], begin: float, end: float, *, batches: float = 1.0) -> None:
    """Each lane's share between two times is the promised one, to a twentieth and so many batches."""
    found, batch = flow.shares(begin, end), LONGEST / flow.clocks.rate / (end - begin)
    for lane, share in shares(lanes).items():
        assert found[lane] == pytest.approx(share, rel=0.05, abs=batches * batch), (lane, begin, found)


@pytest.mark.parametrize("rate", [10.0, 100.0, 2_000.0, 10_000.0])
@pytest.mark.parametrize("lanes", [lanes for count in (1, 2, 3) for lanes in combinations(Lane, count)])
def test_full_lanes_have_their_floors_and_the_highest_has_the_rest(rate: float, lanes: tuple[Lane, ...]) -> None:
    """70 / 20 / 10 of three, 80 / 20, 90 / 10 and 90 / 10 of two, all of one."""
    seconds = 200 * LONGEST / rate
    flow = play(fresh(rate), {lane: [(0, seconds)] for lane in lanes})
    assert_exact(flow)
    assert_shares(flow, list(lanes), 0.1 * seconds, 0.95 * seconds, batches=2)


@pytest.mark.parametrize("alone", [1.0, 8.0, 60.0])
@pytest.mark.parametrize("order", [*permutations(Lane)])
def test_lanes_that_begin_one_after_the_other_share_within_a_second(alone: float, order: tuple[Lane, ...]) -> None:
    """Each alone, or two, for a while before the next one comes: nothing that they took then is held against them."""
    first, second, third = order
    full = {first: [(0.0, 2 * alone + 15)], second: [(alone, 2 * alone + 15)], third: [(2 * alone, 2 * alone + 15)]}
    flow = play(fresh(10_000.0), full)
    assert_exact(flow)
    assert flow.shares(0.5, alone)[first] == pytest.approx(1, abs=0.05)
    for begin in (2 * alone + FIRST, 2 * alone + FIRST + 5):
        assert_shares(flow, list(Lane), begin, begin + 5, batches=2)


@pytest.mark.parametrize("rate", [2_000.0, 10_000.0])
@pytest.mark.parametrize("ahead", [1.0, 75.0, 86_400.0])
def test_a_row_that_the_version_before_left_shares_at_once(rate: float, ahead: float) -> None:
    """Low's clock was pushed ahead by all that it took alone."""
    flow = play(fresh(rate, lanes={Lane.LOW: ahead}), {lane: [(0.0, 20.0)] for lane in Lane})
    assert_shares(flow, list(Lane), FIRST, 19, batches=2)


def test_services_of_the_version_before_beside_ours_starve_nobody() -> None:
    """They write the debts that we do not believe."""
    full = {Lane.LOW: [(0.0, 40.0)], Lane.HIGH: [(8.0, 40.0)], Lane.NORMAL: [(18.0, 40.0)]}
    flow = play(fresh(10_000.0), full, senders=4, rules=(before, book))
    assert_exact(flow)
    assert flow.shares(9, 17)[Lane.LOW] == pytest.approx(0.1, rel=0.25)
    last = flow.shares(19, 39)
    assert last[Lane.NORMAL] == pytest.approx(0.2, rel=0.25)
    assert last[Lane.LOW] == pytest.approx(0.1, rel=0.25)
    # What is mended: by their rule alone low has nothing for as long as it takes to pay.
    alone = play(fresh(10_000.0), full, senders=4, rules=(before,))
    assert alone.shares(10, 39)[Lane.LOW] == 0


def test_a_day_alone_costs_a_lane_nothing() -> None:
    """At a low rate, where a day is short: 17,280 batches."""
    day = 86_400.0
    flow = play(fresh(100.0), {Lane.LOW: [(0.0, day + 400)], Lane.HIGH: [(day, day + 400)]}, senders=1)
    assert flow.shares(100, day)[Lane.LOW] == pytest.approx(1, rel=0.001)
    assert_shares(flow, [Lane.HIGH, Lane.LOW], day + 5, day + 395)


@pytest.mark.parametrize("rate", [2_000.0, 10_000.0])
def test_a_high_campaign_is_served_first_while_low_is_full(rate: float) -> None:
    """Its first batch starts behind what low may have booked ahead: its tolerance, and two batches that came last."""
    for begin in (8.0, 8.13, 8.31, 8.77):
        flow = play(fresh(rate), {Lane.LOW: [(0.0, 12.0)], Lane.HIGH: [(begin, 12.0)]})
        first = min(booking.at for booking in flow.bookings if booking.lane is Lane.HIGH)
        assert first - begin <= TOLERANCE[Lane.LOW] + 2 * LONGEST / rate


def spans(parts: list[tuple[float, float]], until: float) -> list[Span]:
    """Spans from pauses and lengths, as parts of the whole."""
    found, at = [], 0.0
    for pause, length in parts:
        begin, end = at + pause * until, min(until, at + (pause + length) * until)
        if begin < end:
            found.append((begin, end))
        at = end
    return found


def size(rate: float, longest: int, part: float) -> int:
    """A batch size three senders can ask for often enough to fill the rate; a twentieth of the longest at least."""
    least = min(longest, max(1, longest // 20, round(0.04 * rate)))
    return round(least + part * (longest - least))


PARTS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0.001, 0.1), st.floats(0.1, 0.5)),
        st.one_of(st.floats(0.01, 0.2), st.floats(0.2, 1)),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=20, deadline=None)
@given(
    rate=st.one_of(st.sampled_from([1.0, 2_000.0, 10_000.0]), st.floats(0, 4).map(lambda power: 10**power)),
    parts=st.fixed_dictionaries(dict.fromkeys(Lane, PARTS)),
    sizes=st.fixed_dictionaries({lane: st.sampled_from([0.0, 0.1, 0.5, 1.0]) for lane in Lane}),
    ahead=st.fixed_dictionaries({lane: st.sampled_from([0.0, 1.0, 75.0, 86_400.0]) for lane in Lane}),
    senders=st.sampled_from([3, 5]),
    seed=st.integers(0, 1_000),
)
def test_in_any_window_a_full_lane_has_nine_tenths_of_its_floor_less_a_batch(
    *,
    rate: float,
    parts: Mapping[Lane, list[tuple[float, float]]],
    sizes: Mapping[Lane, float],
    ahead: Mapping[Lane, float],
    senders: int,
    seed: int,
) -> None:
    """Whatever the others do meanwhile and did before, from 1/s to 10,000/s, and never more than the rate in all."""
    longest = max(1, min(LONGEST, int(LEASE * rate)))
    batch = longest / rate
    window = max(WINDOW, 40 * batch)
    until = 3 * window
    full = {lane: spans(parts[lane], until) for lane in Lane}
    flow = play(
        fresh(rate, lanes=ahead, longest=longest),
        full,
        seed=seed,
        senders=senders,
        sizes={lane: size(rate, longest, sizes[lane]) for lane in Lane},
    )
    assert_exact(flow)
    for lane, begun in full.items():
        least = ENOUGH * WEIGHT[lane] * rate * window - longest
        for begin, end in begun:
            at = begin + FIRST + batch
            while at + window <= end:
                assert flow.sent(lane, at, at + window) >= least, (lane, at)
                at += window / 10
