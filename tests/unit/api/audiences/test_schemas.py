"""A campaign's audience as it is written."""

import pytest
from pydantic import TypeAdapter, ValidationError

from services.api.audiences.schemas import Audience, as_stored

AUDIENCE = TypeAdapter[object](Audience)
FILTER = {"field": "platform", "in": ["ios"]}


@pytest.mark.parametrize(
    "audience",
    [
        {"kind": "all"},
        {"kind": "users", "user_ids": []},
        {"kind": "list", "list_id": 5},
        {"kind": "segment", "segment_id": 3},
        {"kind": "segment", "filter": FILTER},
        {"kind": "all", "exclude": {"user_ids": ["a"], "list_ids": [5], "segment_ids": [3]}},
        {"kind": "list", "list_id": 5, "exclude": {"list_ids": [6]}},
    ],
)
def test_an_audience_is_stored_as_it_was_written(audience: dict[str, object]) -> None:
    """Without what was not said."""
    parsed = AUDIENCE.validate_python(audience)
    assert as_stored(parsed) == audience  # type: ignore[arg-type]  # the adapter is typed by its widest


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "list"},
        {"kind": "list", "list_id": "5"},
        {"kind": "list", "list_id": 0},
        {"kind": "segment"},
        {"kind": "segment", "segment_id": 3, "filter": FILTER},
        {"kind": "segment", "filter": {"field": "platform"}},
        {"kind": "all", "exclude": {}},
        {"kind": "all", "exclude": {"user_ids": []}},
        {"kind": "all", "exclude": {"user_ids": ["x"] * 10_001}},
        {"kind": "all", "exclude": {"list_ids": list(range(1, 12))}},
        {"kind": "all", "exclude": {"segments": [1]}},
        {"kind": "all", "frozen": {"size": 1}},
        {"kind": "everybody"},
    ],
)
def test_what_names_nobody_or_too_much_is_refused(bad: dict[str, object]) -> None:
    """Also what only the ledger writes."""
    with pytest.raises(ValidationError):
        AUDIENCE.validate_python(bad)
