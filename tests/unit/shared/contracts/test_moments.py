"""Instants as databases and data tools write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from shared.contracts.moments import FIRST_YEAR, LAST_YEAR, Moment, read_moment

MOMENT = TypeAdapter(Moment)
SEOUL = timezone(timedelta(hours=9))
INSTANT = datetime(2026, 11, 20, 9, 30, 15, 123456, tzinfo=UTC)

moments = st.datetimes(
    datetime(FIRST_YEAR, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(LAST_YEAR, 12, 30),  # noqa: DTZ001
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 09:30:15.123456+00",
        "2026-11-20 18:30:15.123456+09",
        "2026-11-20 15:00:15.123456+05:30",
        "2026-11-20 06:00:15.123456-03:30",
        "2026-11-20 09:30:15.123456+00:00",
        "2026-11-20 09:30:15.123456789+00:00",
        "2026-11-20T09:30:15.123456+0000",
        "2026-11-20T18:30:15.123456000+0900",
        "2026-11-20 09:30:15.123456 UTC",
        "2026-11-20T09:30:15.123456Z",
        "2026-11-20t09:30:15,123456z",
        "2026-11-20 18:30:15.123456 +0900",
        "2026-11-20 09:30:15.123456 +0000 UTC",
    ],
)
def test_the_forms_of_databases_and_data_tools_are_one_instant(text: str) -> None:
    """Whatever stands between day and time, and however the offset is written."""
    assert MOMENT.validate_python(text) == INSTANT
    assert MOMENT.validate_json(f'"{text}"', strict=True) == INSTANT


@pytest.mark.parametrize("text", ["2026-11-20 09:30:15+00", "2026-11-20T09:30:15Z", "2026-11-20 09:30:15 UTC"])
def test_an_instant_may_have_whole_seconds(text: str) -> None:
    """As psql and DuckDB write it when nothing is behind the second."""
    assert read_moment(text) == INSTANT.replace(microsecond=0)
    assert read_moment("2026-11-20 09:30+00") == INSTANT.replace(second=0, microsecond=0)


@given(moment=moments, between=st.sampled_from("T _t"), blank=st.sampled_from(["", " "]), short=st.booleans())
def test_an_instant_is_read_from_every_form_of_it(moment: datetime, between: str, blank: str, *, short: bool) -> None:
    """With any offset of whole minutes, with and without its colon, as hours alone where it has no minutes."""
    text = moment.isoformat(between)
    day_and_time, offset = text[:-6], text[-6:]
    hours, _, minutes = offset.partition(":")
    forms = [offset, hours + minutes] + ([hours] if short and minutes == "00" else [])
    assert {read_moment(day_and_time + blank + form) for form in forms} == {moment}


@given(digits=st.text(st.sampled_from("0123456789"), min_size=1, max_size=12))
def test_digits_behind_microseconds_are_dropped(digits: str) -> None:
    """They are nanoseconds, or beyond."""
    assert read_moment(f"2026-11-20 09:30:15.{digits}+00").microsecond == int(digits[:6].ljust(6, "0"))


@given(text=st.text(max_size=40) | st.from_regex(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d)?", fullmatch=True))
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    """In no other way."""
    try:
        moment = read_moment(text)
    except PydanticCustomError:
        return
    assert moment.utcoffset() is not None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1_795_167_015, "seconds, milliseconds or a spreadsheet's days"),
        (1_795_167_015_123.0, "seconds, milliseconds"),
        (True, "seconds, milliseconds"),
        ("1795167015123", "seconds, milliseconds"),
        ("46346.396", "a spreadsheet's days"),
        ("2026-11-20", "a day without a time"),
        ("2026-11-20 09:30:15.123456", "does not say its offset from UTC"),
        ("2026-11-20T09:30:15", "a timestamp with time zone"),
        ("2026-11-20 9:30", "does not say its offset from UTC"),
        ("2026-11-20 오전 9:30:15", "does not say its offset from UTC"),
        ("2026-11-20 09:30:15 KST", "does not say its offset from UTC"),
        ("11/20/2026 9:30", "which part of this is the day"),
        ("20.11.2026 09:30:15", "which part of this is the day"),
        ("2026-13-20 09:30:15+00", "there is no such time: month must be"),
        ("2026-11-20 24:30:15+00", "there is no such time: hour must be"),
        ("2026-11-20 09:30:15+25", "there is no such time"),
        ("infinity", "no time with its zone"),
        ("", "no time with its zone"),
        ("1999-12-31T23:59:59Z", "the year has to be 2000 to 2999"),
        ("٢٠٢٦-11-20 09:30:15+00", "no time with its zone"),
        (None, "no time with its zone"),
        (datetime(2026, 11, 20), "does not say its offset from UTC"),  # noqa: DTZ001 - the point
    ],
)
def test_what_is_not_certain_is_refused_in_words_that_say_what_is_missing(value: object, said: str) -> None:
    """With an example of what is taken."""
    with pytest.raises(ValidationError, match=said):
        MOMENT.validate_python(value)


def test_an_instant_is_told_as_a_text_of_rfc_3339() -> None:
    """In answers and in what is stored."""
    assert MOMENT.dump_json(INSTANT) == b'"2026-11-20T09:30:15.123456Z"'
    assert MOMENT.validate_python(INSTANT.astimezone(SEOUL)) == INSTANT
    assert MOMENT.json_schema()["format"] == "date-time"
