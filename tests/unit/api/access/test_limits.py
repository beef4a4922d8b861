"""The token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from services.api.access.limits import WINDOW, Limits
from services.api.access.roles import Principal, Role

SHOP = Principal("shop", Role.INGEST, 3, rate=10.0)
ROBOT = Principal("robot", Role.OPERATOR, 4)


def test_a_burst_goes_through_and_the_next_request_is_told_its_wait() -> None:
    """Two seconds' worth at once, then one at a time."""
    limits = Limits(5.0)
    taken = [limits.take(SHOP, now=0.0) for _ in range(21)]
    assert [one.wait is None for one in taken] == [True] * 20 + [False]
    assert taken[-1].wait == 0.1
    assert limits.take(SHOP, now=0.1).wait is None


def test_keys_do_not_take_from_each_other() -> None:
    """Each has its own bucket, and the default where it has no rate."""
    limits = Limits(1.0)
    for _ in range(30):
        limits.take(SHOP, now=0.0)
    assert limits.take(ROBOT, now=0.0).quota == 2
    assert limits.take(ROBOT, now=0.0).wait is None


def test_what_is_left_is_told_in_headers() -> None:
    """As structured fields."""
    headers = Limits(5.0).take(SHOP, now=0.0).headers()
    assert headers == {"RateLimit-Policy": '"key";q=20;w=2', "RateLimit": '"key";r=19;t=1'}


@given(rate=st.floats(0.1, 1000), steps=st.lists(st.floats(0, 3), max_size=200))
def test_no_more_goes_through_than_the_rate_and_one_burst(rate: float, steps: list[float]) -> None:
    """Whenever the requests come."""
    limits, now, through = Limits(rate), 0.0, 0
    for step in steps:
        now += step
        through += limits.take(ROBOT, now=now).wait is None
    assert through <= max(1.0, rate * WINDOW) + rate * now + 1e-6
