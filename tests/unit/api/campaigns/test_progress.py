"""The arithmetic of progress."""

from hypothesis import given
from hypothesis import strategies as st

from services.api.campaigns.progress import floor_percent, percent


@given(total=st.integers(1, 10**8), share=st.floats(0, 1), data=st.data())
def test_progress_is_a_percentage_that_grows_with_what_has_an_outcome(
    total: int, share: float, data: st.DataObject
) -> None:
    """From 0 to 100, and never the whole while something is pending."""
    pending = data.draw(st.integers(0, total))
    now, before = percent(total, pending, share), percent(total, min(total, pending + 1), share)
    assert 0 <= before <= now <= 100
    assert (now < 100) or (pending == 0 and share == 1)


def test_a_campaign_of_which_little_is_planned_is_not_nearly_done() -> None:
    """Half of what is planned, with a tenth planned, is 5 percent."""
    assert percent(1000, 500, 0.1) == 5.0


def test_nothing_planned_yet_is_no_progress() -> None:
    """An empty audience jumps to 100 when it completes."""
    assert percent(0, 0, 0.0) == 0.0


def test_percent_is_rounded_down() -> None:
    """One of a million missing shows."""
    assert floor_percent(999_999 / 1_000_000) == 99.9
