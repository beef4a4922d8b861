"""What a campaign may say, and how it is told what it may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.content import MAX_PAYLOAD, PushContent


def content(**fields: Any) -> PushContent:
    """Content from its JSON."""
    return PushContent.model_validate({"title": "제목", "body": "본문 🔔", **fields})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": "x" * 101}, "at most 100"),
        ({"title": ""}, "at least 1"),
        ({"titel": "x"}, "unknown field 'titel': did you mean 'title'?"),
        ({"android": {"notification": {"chanel_id": "x"}}}, "did you mean 'channel_id'?"),
        ({"android": {"ttl": "5s"}}, "set ttl_seconds on the campaign"),
        ({"apns": {"headers": {"apns-expiration": "0"}}}, "set ttl_seconds on the campaign"),
        ({"webpush": {"headers": {"TTL": "0"}}}, "set ttl_seconds on the campaign"),
        ({"apns": {"payload": {"aps": {"content_available": 1}}}}, "did you mean 'content-available'?"),
        ({"apns": {"headers": {"apns-collapse-id": "x" * 65}}}, "at most 64"),
        ({"apns": {"headers": {"apns-push-type": "background", "apns-priority": "10"}}}, "use 5"),
        ({"webpush": {"fcm_options": {"link": "http://insecure"}}}, "pattern"),
        ({"data": {"from": "x"}}, "'from' is empty or reserved"),
        ({"data": {"google.x": "x"}}, "reserved"),
        ({"data": {"gcm.notification.x": "x"}}, "reserved"),
        ({"android": {"data": {"gcm": "x"}}}, "reserved"),
        ({"data": {"": "x"}}, "empty"),
        ({"data": {"n": 5}}, "valid string"),
        ({"analytics_label": "a label"}, "pattern"),
        ({"image": "ftp://x"}, "pattern"),
        ({"priority": "urgent"}, "'high', 'normal' or 'low'"),
        ({"body": "nul \0"}, "NUL"),
        ({"apns": {"payload": {"deep": [{"x": "\0"}]}}}, "NUL"),
        ({"apns": {"payload": {"deep": float("nan")}}}, "finite"),
    ],
)
def test_each_mistake_is_named(fields: dict[str, Any], said: str) -> None:
    """FCM would answer 400 for each device of the campaign, or the ledger could not hold it."""
    with pytest.raises(ValidationError) as refused:
        content(**fields)
    assert said in str(refused.value)


def test_a_payload_over_the_limit_is_refused_with_its_size() -> None:
    """Bytes count, not characters: Korean text is three bytes a character."""
    with pytest.raises(ValidationError) as refused:
        content(data={"k": "가" * 1400})
    assert f"FCM takes {MAX_PAYLOAD}" in str(refused.value)


def test_the_size_is_that_of_the_platform_with_the_most() -> None:
    """A platform's own data takes the place of the common one."""
    plain = content(data={"k": "v" * 100})
    larger = content(data={"k": "v" * 100}, android={"data": {"k": "v" * 500}})
    assert larger.payload_size() - plain.payload_size() > 350
    assert larger.payload_sizes()["webpush"] == plain.payload_sizes()["webpush"]


def test_content_survives_the_ledger() -> None:
    """What is stored as JSON is read back the same."""
    full = content(
        data={"k": "v"},
        android={"notification": {"event_time": "2026-11-22T12:00:00+09:00", "sticky": False}},
        apns={"payload": {"aps": {"thread-id": "t", "badge": 0}, "own": [1]}},
        webpush={"notification": {"requireInteraction": True}},
    )
    assert PushContent.model_validate_json(full.model_dump_json(by_alias=True)) == full


def test_a_shape_gives_the_wire_only_what_was_set() -> None:
    """False and 0 are set; None is not."""
    full = content(apns={"payload": {"aps": {"badge": 0, "mutable-content": 1}, "own": {"a": None}}})
    assert full.apns is not None
    assert full.apns.wire() == {"payload": {"aps": {"badge": 0, "mutable-content": 1}, "own": {"a": None}}}
