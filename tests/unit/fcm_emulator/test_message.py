"""Reading bodies: exactly, whatever valid JSON they are made of."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fcm_emulator.message import InvalidMessageError, NoTopicsError, Reader, decode


def body(message: dict[str, Any], **request: Any) -> bytes:
    """Encode a request as pycurl's and httpx's callers do."""
    return json.dumps({"message": message, **request}, separators=(",", ":"), ensure_ascii=False).encode()


def read_often(raw: bytes) -> list[tuple[bytes, str, bool]]:
    """Read a body as first, second (the shape is proven) and third (the shape is used)."""
    reader = Reader()
    return [tuple(reader.read(raw)) for _ in range(3)]  # type: ignore[misc]  # a NamedTuple or a tuple of its fields


TEXT = st.text(max_size=30)
DATA_KEYS = st.sampled_from(["token", "fid", "a", '"token":"', 'x"', "\\"])
TARGETS = st.one_of(
    st.from_regex(r"[A-Za-z0-9:_-]{1,60}", fullmatch=True), st.text(min_size=1), st.sampled_from(['a"b', "a\\", "é"])
)


@given(
    target=TARGETS,
    kind=st.sampled_from(["token", "fid"]),
    data=st.dictionaries(DATA_KEYS, TEXT, max_size=4),
    title=st.one_of(TEXT, st.just('"token":"fake"')),
    target_first=st.booleans(),
    compact=st.booleans(),
    ascii_only=st.booleans(),
    validate_only=st.booleans(),
)
def test_the_target_is_found_in_any_valid_body(
    target: str,
    kind: str,
    data: dict[str, str],
    title: str,
    target_first: bool,
    compact: bool,
    ascii_only: bool,
    validate_only: bool,
) -> None:
    """Escapes, look-alikes in data, order, white space: the target is what JSON says it is, at each reading."""
    parts: list[tuple[str, Any]] = [("data", data), ("notification", {"title": title})]
    parts.insert(0 if target_first else 2, (kind, target))
    request = {"validate_only": validate_only, "message": dict(parts)}
    raw = json.dumps(request, separators=(",", ":") if compact else None, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    assert read_often(raw) == [(target.encode("utf-8", "surrogatepass"), "", validate_only)] * 3


def test_a_proven_shape_is_read_for_every_target() -> None:
    """One campaign's messages, one after another, with the tag as their label."""
    reader = Reader()
    android = {"ttl": "3600s", "notification": {"tag": "carillon-7"}}
    for number in range(50):
        raw = body({"android": android, "token": f"t:{number}"})
        assert tuple(reader.read(raw)) == (f"t:{number}".encode(), "carillon-7", False)


def test_many_shapes_do_not_confuse_the_reader() -> None:
    """More shapes than are remembered: each is still read right."""
    reader = Reader()
    for number in range(5000):
        raw = body({"data": {"n": str(number % 2500)}, "token": f"t{number}"})
        assert reader.read(raw)[0] == f"t{number}".encode()


def test_a_shape_is_not_trusted_with_a_target_that_needs_decoding() -> None:
    """A quote or an escape in the target goes the long way, though its shape is known."""
    reader = Reader()
    for _ in range(3):
        reader.read(body({"token": "plain"}))
    assert reader.read(body({"token": 'a"b'}))[0] == b'a"b'
    assert reader.read(b'{"message":{"token":"a\\u0062"}}')[0] == b"ab"


@pytest.mark.parametrize(
    ("message", "label"),
    [
        ({"android": {"notification": {"tag": "tag"}}, "apns": {"headers": {"apns-collapse-id": "id"}}}, "tag"),
        ({"apns": {"headers": {"apns-collapse-id": "id"}}, "fcm_options": {"analytics_label": "l"}}, "id"),
        ({"android_v2": {"remote_notification": {"notification": {"tag": "tag"}}}}, "tag"),
        ({"fcmOptions": {"analyticsLabel": "l"}}, "l"),
        ({}, ""),
    ],
)
def test_the_label_is_the_tag_else_the_collapse_id_else_the_analytics_label(
    message: dict[str, Any], label: str
) -> None:
    """Campaigns are told apart by what makes their repeats replace each other."""
    assert decode(body({**message, "token": "t"})).label == label


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", ""),
        (b"token", ""),
        (b'{"message":{"token":"t"', ""),
        (b'{"message":{"token":"t', ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b"[]", ""),
        ('{"message":{"token":"t"}}'.encode("utf-16"), ""),
        (b'{"message":{"token":"t","apns":{"payload":{"n":NaN}}}}', ""),
        (b"{}", "message"),
        (b'{"message":{"token":""}}', "message.token"),
        (b'{"message":{"token":7}}', "message.token"),
        (body({}), "message"),
        (body({"token": "t", "fid": "f"}), "message"),
        (body({"token": "t", "colour": "red"}), "message"),
        (body({"token": "t"}, dry=True), ""),
        (body({"token": "t", "data": {"a": "1", "n": 1}}), "message.data[1].value"),
        (body({"token": "t", "data": {"google.a": "1"}}), "message.data[google.a]"),
        (body({"token": "t", "data": {"from": "1"}}), "message.data[from]"),
        (body({"token": "t", "data": {"gcm.notification.a": "1"}}), "message.data[gcm.notification.a]"),
        (body({"token": "t", "android": {"data": {"message_type": "1"}}}), "message.android.data[message_type]"),
        (body({"token": "t", "data": "x"}), "message.data"),
        (body({"token": "t", "notification": {"titel": "x"}}), "message.notification"),
        (body({"token": "t", "android": {}, "android_v2": {}}), "message"),
        (body({"token": "t", "androidV2": {"ttl": "2419200.5s"}}), "message.android_v2.ttl"),
        (body({"token": "t", "android": {"ttl": "4w"}}), "message.android.ttl"),
        (body({"token": "t", "android": {"ttl": "2419201s"}}), "message.android.ttl"),
        (body({"token": "t", "data": {"n": "한" * 1366}}), "message"),
    ],
)
def test_what_fcm_would_refuse_is_refused_with_its_field(raw: bytes, field: str) -> None:
    """Each time, also when the same bad body comes again."""
    reader = Reader()
    for _ in range(3):
        with pytest.raises(InvalidMessageError) as refused:
            reader.read(raw)
        assert [place for place, _ in refused.value.violations] == [field]


@pytest.mark.parametrize("target", [{"topic": "news"}, {"condition": "'news' in topics"}])
def test_topics_are_said_to_be_absent(target: dict[str, str]) -> None:
    """FCM would take them: no fault of the body's."""
    with pytest.raises(NoTopicsError):
        Reader().read(body(target))


@pytest.mark.parametrize("key", ["gcm", "gcm.own", "googly", "fromage", "message_types"])
def test_only_keys_that_fcm_reserves_are_refused(key: str) -> None:
    """By the words of its reference: from, message_type, google. and gcm.notification."""
    assert decode(body({"token": "t", "data": {key: "1"}})).target == b"t"


def test_null_leaves_a_field_out() -> None:
    """As in all of Google's JSON."""
    raw = body(
        {"token": None, "fid": "f", "data": None, "android": None, "android_v2": {"ttl": None}}, validate_only=None
    )
    assert read_often(raw) == [(b"f", "", False)] * 3


def test_a_payload_at_the_limit_is_taken_whatever_stands_in_data() -> None:
    """Proving a shape never refuses a body that is right by itself."""
    raw = body({"data": {"token": "t" * 3, "n": "x" * (4096 - 9)}, "token": "real"})
    assert read_often(raw) == [(b"real", "", False)] * 3


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing else is ever raised."""
    for candidate in (raw, b'{"message":{"token":"' + raw, b'{"message":{"token":"t"' + raw):
        try:
            Reader().read(candidate)
        except InvalidMessageError:
            continue
