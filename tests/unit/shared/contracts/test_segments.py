"""The filter language of segments."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.segments import FILTER, MAX_CONDITIONS, MAX_DEPTH, as_json, frozen

IOS: dict[str, Any] = {"field": "platform", "in": ["ios"]}
FULL: dict[str, Any] = {
    "all": [
        {"field": "platform", "in": ["android", "ios"]},
        {"field": "project", "in": ["default"]},
        {"field": "app_version", "in": ["dev"], "gte": "3.2", "lt": "4"},
        {"field": "time_zone", "in": ["Asia/Seoul"]},
        {"any": [{"field": "locale", "language": ["ko"]}, {"field": "locale", "in": ["en-US"]}]},
        {"attribute": "plan", "eq": "pro"},
        {"attribute": "beta", "eq": False},
        {"attribute": "score", "gt": 1.0, "lte": 9.5, "exists": True},
        {"attribute": "city", "in": ["Seoul", 7]},
        {"attribute": "topics", "contains": "sale"},
        {"not": {"field": "last_seen", "before": "2026-01-01T00:00:00Z"}},
    ]
}


def nested(depth: int) -> dict[str, Any]:
    """A condition below so many joins."""
    return IOS if depth == 0 else {"not": nested(depth - 1)}


def test_a_filter_is_stored_as_it_was_written() -> None:
    """What is stored reads as the same filter again."""
    stored = as_json(FILTER.validate_python(FULL))
    assert stored == FULL
    assert as_json(FILTER.validate_python(stored)) == stored


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({}, "this is no filter"),
        ([], "this is no filter"),
        ("platform = 'ios'", "this is no filter"),
        ({"field": "password", "in": ["x"]}, "one of platform, project, locale"),
        ({"field": "platform"}, "say what must hold"),
        ({"field": "platform", "in": None}, "null tests nothing"),
        ({"field": "platform", "in": []}, "at least 1 item"),
        ({"field": "platform", "in": ["symbian"]}, "should match pattern"),
        ({"field": "platform", "eq": "ios"}, "unknown field 'eq'"),
        ({"field": "project", "in": ["'; drop table device; --"]}, "should match pattern"),
        ({"field": "locale", "in": ["%"]}, "language tag"),
        ({"field": "app_version", "gte": "newest"}, "no version"),
        ({"field": "app_version", "in": ["1"] * 101}, "at most 100"),
        ({"field": "time_zone", "in": ["Nowhere"]}, "no such time zone"),
        ({"field": "last_seen", "after": "yesterday"}, "no time with its zone"),
        ({"field": "last_seen", "within_days": 0}, "greater than or equal to 1"),
        ({"attribute": "a b", "eq": 1}, "should match pattern"),
        ({"attribute": "a"}, "say what must hold"),
        ({"attribute": "a", "eq": ["x"]}, "compare with one value"),
        ({"attribute": "a", "eq": {"b": 1}}, "this has to be a text"),
        ({"attribute": "a", "gt": "7"}, "valid number"),
        ({"attribute": "a", "exists": 1}, "valid boolean"),
        ({"all": []}, "at least 1 item"),
        ({"all": IOS}, "valid list"),
        ({"not": [IOS]}, "this is no filter"),
        ({"all": [IOS], "any": [IOS]}, "unknown field 'any'"),
        (nested(MAX_DEPTH + 1), "5 levels deep"),
        (nested(200), "5 levels deep"),
        ({"all": [IOS] * (MAX_CONDITIONS + 1)}, "51 conditions"),
    ],
)
def test_what_is_no_filter_is_told_so(bad: object, said: str) -> None:
    """With what is wrong and what could be meant."""
    with pytest.raises(ValidationError) as caught:
        FILTER.validate_python(bad)
    assert said in str(caught.value)


def test_a_filter_may_be_as_deep_and_as_large_as_it_says() -> None:
    """The bounds themselves are allowed."""
    assert FILTER.validate_python(nested(MAX_DEPTH))
    assert FILTER.validate_python({"any": [IOS] * MAX_CONDITIONS})


def test_days_are_counted_back_from_the_moment_that_freezes_a_filter() -> None:
    """Wherever they are in it; what is absolute stays, and of two limits the narrower one counts."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    day = "2026-11-{:02d}T00:00:00Z".format
    filter_ = {
        "all": [
            {"field": "last_seen", "within_days": 2},
            {"not": {"any": [{"field": "last_seen", "not_within_days": 10}, IOS]}},
            {"field": "last_seen", "within_days": 5, "after": day(20)},
        ]
    }
    seen = as_json(frozen(FILTER.validate_python(filter_), at))
    assert seen == {
        "all": [
            {"field": "last_seen", "after": day(20)},
            {"not": {"any": [{"field": "last_seen", "before": day(12)}, IOS]}},
            {"field": "last_seen", "after": day(20)},
        ]
    }
    later = frozen(FILTER.validate_python(seen), at + timedelta(days=100))
    assert as_json(later) == seen
