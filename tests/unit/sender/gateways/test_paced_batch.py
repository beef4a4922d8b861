"""Which message of a batch starts when."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sender.gateways import ACCEPTED, Answer, Pace, Route
from services.sender.gateways.paced_batch import PacedBatch

ROUTE = Route("p", "https://localhost/", ())


def paced(count: int, pace: Pace, on_answer: Callable[[int, Answer], None] = lambda *_: None) -> PacedBatch:
    """A batch whose `done` belongs to no running loop."""
    loop = asyncio.new_event_loop()
    made = PacedBatch([b"x"] * count, ROUTE, on_answer, pace, loop.create_future())
    loop.close()
    return made


def test_an_unpaced_batch_may_start_at_once() -> None:
    """Nothing holds it but the gateway's own limits."""
    assert paced(500, Pace()).due(0.0) == 500


def test_nothing_starts_before_its_booking() -> None:
    """The quota governor gave the batch a place in the future."""
    waiting = paced(5, Pace(start_at=10.0))
    assert waiting.due(9.9) == 0
    assert not waiting.exhausted
    assert waiting.next_due_at() == 10.0
    assert waiting.due(10.0) == 5


def test_a_missed_batch_starts_nothing_more_unless_its_time_is_to_come() -> None:
    """Nor is one stopped that nobody booked."""
    for pace, stopped in (
        (Pace(start_at=5.0, per_second=10), True),
        (Pace(start_at=7.5, per_second=10), False),
        (Pace(start_at=5.0), False),
    ):
        missed = paced(5, pace)
        missed.miss(7.0)
        assert missed.exhausted is stopped


@given(
    st.integers(1, 500),
    st.floats(0.5, 20_000),
    st.lists(st.floats(0, 5), min_size=1, max_size=50).map(sorted),
)
def test_a_pace_is_never_exceeded(count: int, per_second: float, looks: list[float]) -> None:
    """At any look at most the even share has started, and the batch names the moment of the next one."""
    batch = paced(count, Pace(start_at=100.0, per_second=per_second))
    for look in looks:
        now = 100.0 + look
        batch.started += batch.due(now)
        assert batch.started <= min(count, int(look * per_second + 1e-6) + 1)
        if not batch.exhausted:
            assert batch.next_due_at() > now - 0.1


@given(st.integers(1, 500), st.floats(0.5, 20_000))
def test_a_batch_looked_at_in_time_ends_in_time(count: int, per_second: float) -> None:
    """Following `next_due_at` starts one message after the other, none late."""
    batch = paced(count, Pace(per_second=per_second))
    now = 0.0
    while not batch.exhausted:
        now = max(now, batch.next_due_at()) + 1e-9
        batch.started += batch.due(now)
    assert now <= count / per_second + 1e-3


def test_a_stall_is_followed_by_a_fiftieth_of_a_second_at_most() -> None:
    """Not by all that was missed: the quota is exact over all senders."""
    batch = paced(500, Pace(per_second=1000.0))
    batch.started += batch.due(0.3)
    assert batch.started == 20
    batch.started += batch.due(0.4)
    assert 119 <= batch.started + batch.due(0.4) <= 121 or batch.started == 40


def test_no_request_starts_after_the_lease() -> None:
    """What is left is released without costing an attempt."""
    late = paced(5, Pace(stop_at=50.0))
    assert late.due(50.0) == 0
    assert late.exhausted


def test_a_cancel_stops_the_rest_for_good() -> None:
    """Once stopped, a batch is not asked again."""
    go = [True]
    stopped = paced(5, Pace(keep_going=lambda: go[0]))
    assert stopped.due(0.0) == 5
    go[0] = False
    assert stopped.due(0.0) == 0
    go[0] = True
    assert stopped.due(0.0) == 0


def test_a_callback_that_fails_stops_its_batch_and_is_remembered() -> None:
    """The first error is the one to read."""

    def fail(_position: int, _answer: Answer) -> None:
        raise ZeroDivisionError

    failing = paced(5, Pace(), fail)
    failing.in_flight = 1
    failing.deliver(0, ACCEPTED)
    failing.fail(KeyError("later"))
    assert failing.exhausted
    assert isinstance(failing.failure, ZeroDivisionError)


def test_a_question_that_fails_stops_its_batch() -> None:
    """`keep_going` is the caller's code too."""

    def ask() -> bool:
        raise ZeroDivisionError

    asking = paced(5, Pace(keep_going=ask))
    assert asking.due(0.0) == 0
    assert asking.exhausted
    assert isinstance(asking.failure, ZeroDivisionError)


def test_an_abandoned_batch_forgets_its_answers() -> None:
    """Nobody is there to count them."""
    seen: list[int] = []
    gone = paced(5, Pace(), lambda position, _: seen.append(position))
    gone.in_flight = 1
    gone.abandon()
    gone.deliver(0, ACCEPTED)
    assert seen == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_batch_settles_when_nothing_is_left_or_in_flight(count: int) -> None:
    """Its sender then goes on."""
    batch = paced(count, Pace())
    batch.settle()
    assert batch.done.done() is (count == 0)
