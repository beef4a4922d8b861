"""The window: how much of a campaign may be under way."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.planner.window import (
    ENDING,
    LEAST,
    LEAST_STEP,
    SECONDS,
    STEP_BATCHES,
    Room,
    allowance,
    batch_size,
    is_over,
    room,
)
from shared.contracts.messages import MAX_BATCH
from shared.ledger.planning import Window
from shared.topology import Lane

FLOWS = st.floats(min_value=0.001, max_value=1e6)


def test_an_idle_campaign_may_have_its_lanes_seconds_of_flow_open() -> None:
    """Thirty seconds of 10,000/s are 600 batches of 500, fifteen for high are 300."""
    idle = Window(open=0, held=0, flow=10_000)
    assert room(idle, Room(lane=Lane.NORMAL, rate=None, size=500)) == 600
    assert room(idle, Room(lane=Lane.HIGH, rate=None, size=500)) == 300


def test_what_is_open_leaves_less_room_and_a_full_window_none() -> None:
    """Claimed and unmerged batches count: a lagging aggregator brakes planning."""
    campaign = Room(lane=Lane.LOW, rate=None, size=500)
    assert room(Window(open=590, held=0, flow=10_000), campaign) == 10
    assert room(Window(open=600, held=0, flow=10_000), campaign) == 0
    assert room(Window(open=900, held=0, flow=10_000), campaign) == 0


def test_without_any_flow_one_batch_may_carry_the_probe() -> None:
    """A paused or broken project has no flow; something must find out when it is back."""
    campaign = Room(lane=Lane.HIGH, rate=None, size=500)
    assert room(Window(open=0, held=0, flow=0), campaign) == 1
    assert room(Window(open=1, held=0, flow=0), campaign) == 0


def test_past_the_deadline_neither_quota_nor_trouble_counts() -> None:
    """Nothing is sent any more: the batches only pass through a sender to be called expired."""
    over = Room(lane=Lane.HIGH, rate=0.1, size=1, over=True)
    assert room(Window(open=0, held=5_000, flow=0), over) == ENDING
    assert room(Window(open=ENDING, held=5_000, flow=0), over) == 0


def test_a_campaign_without_a_deadline_is_never_over() -> None:
    """Past is past, to the instant."""
    now = datetime.now(UTC)
    assert not is_over(None)
    assert not is_over(now + timedelta(minutes=1))
    assert is_over(now - timedelta(seconds=1))


def test_too_much_waiting_for_retries_stops_planning() -> None:
    """Ten minutes of flow may wait; past that a sick FCM must not be fed more."""
    campaign = Room(lane=Lane.NORMAL, rate=None, size=500)
    assert room(Window(open=0, held=12_000, flow=10_000), campaign) == 600
    assert room(Window(open=0, held=12_001, flow=10_000), campaign) == 0


def test_a_step_plans_a_second_of_the_flow() -> None:
    """Twenty batches of 10,000/s, forty of 20,000/s; not less, not more than a turn may take."""

    def steps(flow: float, rate: float | None = None) -> int:
        return allowance(Window(open=0, held=0, flow=flow), lane=Lane.NORMAL, rate=rate, deadline=None).publish

    assert steps(10_000) == LEAST_STEP == 20
    assert steps(20_000) == 40
    assert steps(5_000) == LEAST_STEP
    assert steps(1e9) == STEP_BATCHES
    assert steps(1e9, rate=10_000) == LEAST_STEP


@given(flow=FLOWS, rate=st.none() | FLOWS, lane=st.sampled_from(list(Lane)), opened=st.integers(0, 10_000))
def test_a_step_never_passes_the_window_and_the_next_one_waits_when_it_is_used_up(
    flow: float, rate: float | None, lane: Lane, opened: int
) -> None:
    """However large the steps are, the room is what the window leaves."""
    allowed = allowance(Window(open=opened, held=0, flow=flow), lane=lane, rate=rate, deadline=None)
    assert 0 <= allowed.publish <= min(allowed.room, STEP_BATCHES)
    assert allowed.full == (allowed.publish == allowed.room)


@given(flow=FLOWS, rate=st.none() | FLOWS, lane=st.sampled_from(list(Lane)), opened=st.integers(0, 10_000))
def test_room_is_never_negative_and_never_above_the_window(
    flow: float, rate: float | None, lane: Lane, opened: int
) -> None:
    """Whatever the flow, open batches and room together stay within the window."""
    size = batch_size(rate)
    allowed = room(Window(open=opened, held=0, flow=flow), Room(lane=lane, rate=rate, size=size))
    assert allowed >= 0
    assert allowed + opened <= max(opened, LEAST, SECONDS[lane] * flow / size)


@given(rate=FLOWS)
def test_a_batch_holds_a_second_of_a_campaigns_rate(rate: float) -> None:
    """At least one device, at most the largest batch."""
    size = batch_size(rate)
    assert 1 <= size <= MAX_BATCH
    assert size <= max(1, rate)
    assert batch_size(None) == MAX_BATCH
