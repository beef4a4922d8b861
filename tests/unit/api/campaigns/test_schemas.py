"""A campaign as it is written."""

import json

import pytest
from pydantic import ValidationError

from services.api.campaigns.schemas import (
    EXAMPLE,
    EXAMPLE_USERS,
    FOUR_WEEKS,
    NewCampaign,
)
from shared.contracts.content import PushContent


def test_content_goes_to_the_ledger_as_a_sender_will_read_it() -> None:
    """With FCM's own names, Korean text as it is, and nothing of the options."""
    campaign = NewCampaign.model_validate(
        {**EXAMPLE, "apns": {"payload": {"aps": {"thread-id": "a"}}}, "webpush": {"notification": {"tag": "t"}}}
    )
    row = campaign.row("operator")
    content = PushContent.model_validate_json(row["content"])
    assert content.title == "주말 특가"
    assert "주말 특가" in row["content"]
    assert content.apns == campaign.apns
    assert content.webpush == campaign.webpush
    assert "audience" not in json.loads(row["content"])
    assert (row["priority"], row["ttl_seconds"], row["created_by"]) == ("high", 86400, "operator")


def test_a_users_audience_names_each_user_once() -> None:
    """In the order given."""
    users = {"kind": "users", "user_ids": ["b", "a", "b"]}
    row = NewCampaign.model_validate({**EXAMPLE_USERS, "audience": users}).row("operator")
    assert json.loads(row["audience"]) == {"kind": "users", "user_ids": ["b", "a"]}
    assert row["delivery"] == "at_most_once"


def test_what_is_not_said_has_a_default() -> None:
    """Four weeks, as FCM; at least once; four tries; the quota's rate."""
    row = NewCampaign.model_validate({"title": "t", "body": "b", "audience": {"kind": "all"}}).row("")
    assert (row["ttl_seconds"], row["delivery"], row["max_attempts"]) == (FOUR_WEEKS, "at_least_once", 4)
    assert (row["rate"], row["priority"]) == (None, "normal")


@pytest.mark.parametrize(
    "change",
    [
        {"title": "x" * 101},
        {"title": ""},
        {"body": "x" * 4096},
        {"data": {"google.x": "1"}},
        {"data": {"n": 1}},
        {"surprise": 1},
        {"audience": {"kind": "segment"}},
        {"audience": {"kind": "all", "user_ids": []}},
        {"audience": {"kind": "users", "user_ids": ["x"] * 10_001}},
        {"audience": {"kind": "users", "user_ids": ["a\0"]}},
        {"ttl_seconds": -1},
        {"ttl_seconds": FOUR_WEEKS + 1},
        {"ttl_seconds": "60"},
        {"ttl_seconds": True},
        {"max_attempts": 0},
        {"rate": 0},
        {"rate": float("inf")},
        {"delivery": "exactly_once"},
        {"priority": "urgent"},
    ],
)
def test_what_fcm_or_the_ledger_could_not_take_is_refused(change: dict[str, object]) -> None:
    """Before anything is stored."""
    with pytest.raises(ValidationError):
        NewCampaign.model_validate({**EXAMPLE, **change})
