"""How much of a quota is used."""

from types import SimpleNamespace

import pytest

from services.api.system.project_routes import used


@pytest.mark.parametrize(
    ("minute", "now_booked", "before_booked", "now", "messages"),
    [
        (10, 600, 6000, 610.0, 600 + 6000 * 50 / 60),
        (9, 6000, 1, 630.0, 3000),
        (8, 6000, 1, 630.0, 0),
        (0, 0, 0, 630.0, 0),
    ],
)
def test_the_last_minute_is_this_one_and_what_is_left_of_the_one_before(
    minute: int, now_booked: int, before_booked: int, now: float, messages: float
) -> None:
    """Whenever the row was last written."""
    row = SimpleNamespace(booked_minute=minute, booked_now=now_booked, booked_before=before_booked)
    assert used(row, now=now) == pytest.approx(messages)
