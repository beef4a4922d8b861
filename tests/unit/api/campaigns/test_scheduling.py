"""A time of a place as an instant."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.api.campaigns.scheduling import FURTHEST, Schedule, check_reach

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def instant(at: str, zone: str) -> datetime:
    """The instant of a schedule."""
    return Schedule.model_validate({"at": at, "time_zone": zone}).instant()


def test_a_local_time_is_the_zones() -> None:
    """Nine in Seoul is midnight in UTC."""
    assert instant("2027-01-01T09:00:00", "Asia/Seoul") == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_time_with_an_offset_is_what_it_is() -> None:
    """The zone is only remembered."""
    assert instant("2027-01-01T09:00:00+02:00", "Asia/Seoul") == datetime(2027, 1, 1, 7, tzinfo=UTC)


def test_of_a_time_that_comes_twice_the_first_is_meant() -> None:
    """Berlin's clocks go back at three."""
    assert instant("2026-10-25T02:30:00", "Europe/Berlin") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "zone", "words"),
    [
        ("2027-03-28T02:30:00", "Europe/Berlin", "does not exist"),
        ("2027-01-01T09:00:00", "Mars/Olympus", "no IANA time zone"),
        ("2027-01-01T09:00:00", "../etc/passwd", "no IANA time zone"),
        ("2027-01-01T09:00:00", "", "no IANA time zone"),
        ("9999-12-31T23:59:59", "America/New_York", "out of range"),
        ("0001-01-01T00:00:00", "Asia/Seoul", "out of range"),
    ],
)
def test_a_time_that_is_none_is_refused(at: str, zone: str, words: str) -> None:
    """With the reason."""
    with pytest.raises(ValidationError, match=words):
        instant(at, zone)


@pytest.mark.parametrize("at", [NOW - timedelta(minutes=2), NOW + FURTHEST + timedelta(days=1)])
def test_what_is_past_or_far_is_refused(at: datetime) -> None:
    """The mistake is in the date."""
    with pytest.raises(RequestValidationError):
        check_reach(at, NOW)


@pytest.mark.parametrize("at", [NOW - timedelta(seconds=30), NOW + timedelta(days=365)])
def test_what_is_near_enough_is_taken(at: datetime) -> None:
    """Clocks differ a little."""
    check_reach(at, NOW)
