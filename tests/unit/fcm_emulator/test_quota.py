"""The bucket of a project."""

from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.quota import Bucket
from services.fcm_emulator.script import Quota


def test_a_bucket_is_filled_to_the_brim_at_each_window() -> None:
    """Not drop by drop: empty until the window ends, then full."""
    bucket = Bucket(Quota(per_second=3, window=2))
    assert [bucket.take(100.0) for _ in range(7)] == [True] * 6 + [False]
    assert not bucket.take(101.9)
    assert bucket.retry_after(101.9) == 1
    assert [bucket.take(102.0) for _ in range(7)] == [True] * 6 + [False]
    assert bucket.retry_after(102.0) == 2


@given(
    gaps=st.lists(st.floats(0, 0.5), max_size=300),
    per_second=st.floats(0.1, 50),
    window=st.floats(0.5, 5),
)
def test_windows_admit_no_more_than_their_capacity(gaps: list[float], per_second: float, window: float) -> None:
    """However the requests come."""
    bucket = Bucket(Quota(per_second=per_second, window=window))
    now, admitted = 1000.0, 0
    for gap in gaps:
        now += gap
        admitted += bucket.take(now)
    capacity = max(1, round(per_second * window))
    assert admitted <= capacity * (1 + (now - 1000.0) / window)
