"""The bytes that go to FCM."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sender.message import BatchTemplate, Template
from shared.contracts.content import PushContent

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def message(deadline: datetime | None = None, **content: Any) -> dict[str, Any]:
    """The message for a campaign 7 without its target."""
    shown = PushContent.model_validate({"title": "제목", "body": "본문", **content})
    return Template(shown, 7).message(now=NOW, deadline=deadline)


@given(st.sampled_from(["token", "fid"]), st.text(min_size=1))
def test_any_target_is_spliced_in_as_json(kind: str, value: str) -> None:
    """Quotes, backslashes and controls in a target cannot break out of their string."""
    template = BatchTemplate({"notification": {"title": "안녕 👋", "body": '"'}, "data": {"token": "not this"}})
    assert json.loads(template.body((kind, value))) == {
        "message": {kind: value, "notification": {"title": "안녕 👋", "body": '"'}, "data": {"token": "not this"}}
    }


def test_bodies_are_made_in_order_when_asked() -> None:
    """The gateway asks by position."""
    template = Template(PushContent(title="t", body="b"), 7).for_batch(now=NOW, deadline=None)
    bodies = template.bodies([("token", "a"), ("fid", "b")])
    assert len(bodies) == 2
    assert json.loads(bodies[1])["message"]["fid"] == "b"


def test_an_unknown_kind_of_target_is_refused() -> None:
    """A topic would reach people the ledger does not know."""
    with pytest.raises(ValueError, match="topic"):
        BatchTemplate({"notification": {}}).body(("topic", "news"))


@pytest.mark.parametrize(
    ("priority", "android", "apns"), [("high", "high", "10"), ("normal", "normal", "5"), ("low", "normal", "5")]
)
def test_priority_becomes_each_platforms_own(priority: str, android: str, apns: str) -> None:
    """High wakes the device; the others let it choose."""
    made = message(priority=priority)
    assert made["android"]["priority"] == android
    assert made["apns"]["headers"]["apns-priority"] == apns


def test_a_background_push_is_never_urgent() -> None:
    """Apple refuses apns-priority 10 for it."""
    made = message(priority="high", apns={"headers": {"apns-push-type": "background"}})
    assert made["apns"]["headers"]["apns-priority"] == "5"


def test_a_repeat_replaces_what_is_shown() -> None:
    """One name on every platform, from the campaign's number."""
    made = message()
    assert made["android"]["notification"]["tag"] == "carillon-7"
    assert made["apns"]["headers"]["apns-collapse-id"] == "carillon-7"
    assert made["webpush"]["notification"]["tag"] == "carillon-7"


def test_the_callers_own_names_win() -> None:
    """An app may group its notifications its own way."""
    made = message(
        android={"priority": "high", "notification": {"tag": "mine"}},
        apns={"headers": {"apns-collapse-id": "mine", "apns-priority": "10"}},
        webpush={"notification": {"tag": "mine"}, "headers": {"Topic": "mine"}},
    )
    assert made["android"] == {"priority": "high", "notification": {"tag": "mine"}}
    assert made["apns"]["headers"] == {"apns-collapse-id": "mine", "apns-priority": "10"}
    assert made["webpush"] == {"notification": {"tag": "mine"}, "headers": {"Topic": "mine"}}


def test_without_replace_nothing_is_named() -> None:
    """Each repeat then shows beside the first."""
    made = message(replace=False)
    assert "notification" not in made["android"]
    assert "apns-collapse-id" not in made["apns"]["headers"]
    assert "webpush" not in made


@pytest.mark.parametrize(
    ("life", "ttl", "expiration"),
    [
        (timedelta(seconds=90.9), 90, str(int(NOW.timestamp()) + 90)),
        (timedelta(days=90), 2_419_200, str(int(NOW.timestamp()) + 2_419_200)),
        (timedelta(0), 0, "0"),
        (timedelta(seconds=-5), 0, "0"),
    ],
)
def test_lifetimes_are_what_is_left_of_the_campaign(life: timedelta, ttl: int, expiration: str) -> None:
    """No platform shows a message after the campaign's deadline, and none gets more than FCM's four weeks."""
    made = message(deadline=NOW + life)
    assert made["android"]["ttl"] == f"{ttl}s"
    assert made["apns"]["headers"]["apns-expiration"] == expiration
    assert made["webpush"]["headers"]["TTL"] == str(ttl)


def test_encoding_leaves_the_content_as_it_was() -> None:
    """The same template serves every batch."""
    content = PushContent.model_validate({"title": "t", "body": "b", "android": {"notification": {"icon": "i"}}})
    template = Template(content, 7)
    first = template.message(now=NOW, deadline=NOW + timedelta(seconds=60))
    second = template.message(now=NOW, deadline=NOW + timedelta(seconds=30))
    assert first["android"]["ttl"] == "60s"
    assert second["android"]["ttl"] == "30s"
    assert content.android is not None
    assert content.android.wire() == {"notification": {"icon": "i"}}
