"""The form of a request: which values a field takes, and where each wrong one stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.form import read_form
from services.fcm_emulator.schema import MESSAGES, REQUEST, Choice, Kind, Many, Part, Plain
from tests.contracts.full_message import FULL

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
EXAMPLES: dict[Plain, list[Any]] = {
    Plain.STRING: ["", "종", "7"],
    Plain.BOOLEAN: [True, False],
    Plain.INT32: [0, -(2**31), 2**31 - 1, "7", 7.0],
    Plain.FLOAT: [0, 0.5, -1e300, "NaN"],
    Plain.DURATION: ["0s", "3.5s", "0.000000001s", "-1s"],
    Plain.DATETIME: ["2026-11-22T12:00:00Z", "2026-11-22T12:00:00.123456789+09:00"],
    Plain.STRINGS: [{}, {"a": "b", "": ""}],
    Plain.OBJECT: [{}, {"a": [1, None, {"b": True}]}],
}


def valid(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that a kind takes."""
    match kind:
        case Part(name):
            fields = {field: valid(inner) | st.none() for field, inner in MESSAGES[name].items()}
            return st.fixed_dictionaries({}, optional=fields)
        case Many(inner):
            return st.lists(valid(inner), max_size=2)
        case Choice(names):
            return st.sampled_from([*sorted(names), *sorted(name.lower() for name in names), 1])
        case Plain():
            return st.sampled_from(EXAMPLES[kind])


def wrong(path: str, value: Any) -> list[str]:
    """Return the places that are wrong in a message with this value at a path of fields."""
    for name in reversed(path.split(".")):
        value = {name: value}
    _, found = read_form(value, REQUEST)
    return [place for place, _ in found]


@given(valid(Part(REQUEST)))
def test_what_the_schema_allows_is_taken(request: dict[str, Any]) -> None:
    """Any field, each of its kinds, null included."""
    assert read_form(request, REQUEST)[1] == []


@given(JSON, st.sampled_from(sorted(MESSAGES)))
def test_any_json_is_read_or_refused(value: Any, message: str) -> None:
    """Nothing is ever raised."""
    _, found = read_form(value, message)
    assert all(problem for _, problem in found)


def test_a_full_message_is_taken() -> None:
    """Everything that a caller of the API may set."""
    parts = {name: getattr(FULL, name).wire() for name in ("android", "apns", "webpush")}
    found, violations = read_form({"message": parts}, REQUEST)
    assert violations == []
    assert found["message"]["android"]["notification"]["bodyLocArgs"] == ["하나", "둘"]


@pytest.mark.parametrize(
    ("path", "value", "places"),
    [
        ("message", [], ["message"]),
        ("validate_only", "true", ["validate_only"]),
        ("message.colour", "red", ["message"]),
        ("message.notification.title", 1, ["message.notification.title"]),
        ("message.data", {"a": "1", "b": 2, "c": None}, ["message.data[1].value", "message.data[2].value"]),
        ("message.data", [["a", "1"]], ["message.data"]),
        ("message.android.priority", "urgent", ["message.android.priority"]),
        ("message.android.priority", True, ["message.android.priority"]),
        ("message.android.ttl", 3600, ["message.android.ttl"]),
        ("message.android.ttl", "3600", ["message.android.ttl"]),
        ("message.android.ttl", "1.0000000001s", ["message.android.ttl"]),
        ("message.android.direct_boot_ok", 1, ["message.android.direct_boot_ok"]),
        ("message.android.notification.id", 7, ["message.android.notification"]),
        ("message.android.notification.sticky", "true", ["message.android.notification.sticky"]),
        ("message.android.notification.notification_count", 2**31, ["message.android.notification.notification_count"]),
        ("message.android.notification.notification_count", 1.5, ["message.android.notification.notification_count"]),
        ("message.android.notification.body_loc_args", "x", ["message.android.notification.body_loc_args"]),
        ("message.android.notification.body_loc_args", ["x", 1], ["message.android.notification.body_loc_args[1]"]),
        ("message.android.notification.event_time", "2026-11-22 12:00", ["message.android.notification.event_time"]),
        ("message.android.notification.event_time", "2026-13-22T12:00:00Z",
         ["message.android.notification.event_time"]),
        ("message.android.notification.light_settings.color", "#ffffff",
         ["message.android.notification.light_settings.color"]),
        ("message.android.notification.light_settings.color.red", "1",
         ["message.android.notification.light_settings.color.red"]),
        ("message.android.notification.visibility", "HIDDEN", ["message.android.notification.visibility"]),
        ("message.androidV2.priority", "high", ["message.androidV2"]),
        ("message.android_v2.remote_notification.notification.id", "x",
         ["message.android_v2.remote_notification.notification.id"]),
        ("message.android_v2.background_sync.now", True, ["message.android_v2.background_sync"]),
        ("message.apns.headers", {"apns-priority": 10}, ["message.apns.headers[0].value"]),
        ("message.apns.payload", "{}", ["message.apns.payload"]),
        ("message.apns.ttl", "1s", ["message.apns"]),
        ("message.webpush.fcm_options.url", "x", ["message.webpush.fcm_options"]),
        ("message.webpush.notification", [], ["message.webpush.notification"]),
        ("message.fcm_options.analytics_label", 7, ["message.fcm_options.analytics_label"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(path: str, value: Any, places: list[str]) -> None:
    """Written as the request wrote it."""
    assert wrong(path, value) == places


def test_everything_that_is_wrong_is_told() -> None:
    """Not the first thing only."""
    value = {"token": 1, "android": {"ttl": 1, "none": 1}, "apns": 1}
    assert wrong("message", value) == ["message.token", "message.android.ttl", "message.android", "message.apns"]


def test_a_field_written_in_both_ways_is_set_twice() -> None:
    """Nobody could say which counts."""
    assert wrong("message", {"fcm_options": {}, "fcmOptions": {}}) == ["message"]


def test_a_long_value_is_told_in_part() -> None:
    """An answer stays small."""
    _, [(_, problem)] = read_form({"message": ["x" * 100_000]}, REQUEST)
    assert len(problem) < 200
    assert json.dumps(problem)
