"""Audiences as conditions."""

from typing import Any

import pytest

from shared.ledger.audiences import FROZEN, SHORT_LIST, References, compile_audience, references

FILTER = {"field": "platform", "in": ["ios"]}


def test_everyone_has_no_condition_and_is_not_looked_for() -> None:
    """The fastest kind of audience to plan stays fast."""
    condition = compile_audience({"kind": "all"}, steps=True)
    assert (condition.sql, condition.values, condition.walks) == ("", {}, False)


@pytest.mark.parametrize(
    ("audience", "walks"),
    [
        ({"kind": "users", "user_ids": ["a"]}, False),
        ({"kind": "users", "user_ids": ["a"], "exclude": {"user_ids": ["b"]}, FROZEN: {"without": []}}, False),
        ({"kind": "devices", "device_ids": [1]}, False),
        ({"kind": "list", "list_id": 1, FROZEN: {"size": SHORT_LIST, "without": []}}, False),
        ({"kind": "list", "list_id": 1, FROZEN: {"size": SHORT_LIST + 1, "without": []}}, True),
        ({"kind": "segment", "segment_id": 1, FROZEN: {"filter": FILTER, "without": []}}, True),
        ({"kind": "all", "exclude": {"list_ids": [1]}, FROZEN: {"without": []}}, True),
        ({"kind": "all", "exclude": {"segment_ids": [1]}, FROZEN: {"without": [FILTER]}}, True),
    ],
)
def test_only_what_no_index_finds_is_looked_for_in_steps(audience: dict[str, Any], walks: bool) -> None:
    """A step bounds the ids that it looks at where few may be wanted."""
    condition = compile_audience(audience, steps=True)
    assert condition.walks is walks
    assert condition.sql


def test_a_long_list_is_looked_into_device_by_device_in_steps_only() -> None:
    """A count of the whole may make a hash of it."""
    audience = {"kind": "list", "list_id": 1, FROZEN: {"size": SHORT_LIST + 1, "without": []}}
    assert "offset 0" in compile_audience(audience, steps=True).sql
    assert "offset 0" not in compile_audience(audience, steps=False).sql


def test_references_are_all_that_an_audience_names_each_once() -> None:
    """Also what it leaves out."""
    audience = {"kind": "list", "list_id": 3, "exclude": {"list_ids": [5, 3], "segment_ids": [7]}}
    assert references(audience) == References([3, 5], [7])
    assert references({"kind": "segment", "segment_id": 2}) == References([], [2])
    assert not references({"kind": "segment", "filter": FILTER}).any
    assert not references({"kind": "all"}).any
