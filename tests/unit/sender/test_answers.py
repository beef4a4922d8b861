"""Every row of FCM's table of answers, and anything at all from hypothesis."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sender.answers import Scope, Verdict, backoff, judge, rung_for
from services.sender.gateways import ACCEPTED, Answer, Fault, TransportError
from shared.topology import RETRY_RUNGS

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
HTML = b"<html><head><title>502 Bad Gateway</title></head><body>proxy</body></html>"


def error(status: int, name: str, *details: dict[str, Any], message: str = "no", **headers: str) -> Answer:
    """Make an answer in Google's form."""
    body = {"error": {"code": status, "message": message, "status": name, "details": list(details)}}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return Answer(status, named, json.dumps(body).encode())


def fcm(status: int, name: str, code: str, **headers: str) -> Answer:
    """Make an answer with an FcmError detail."""
    return error(status, name, {"@type": FCM_ERROR, "errorCode": code}, **headers)


TABLE = {
    "unregistered": (fcm(404, "NOT_FOUND", "UNREGISTERED"), ("U", "UNREGISTERED", Scope.DEVICE)),
    "not found": (error(404, "NOT_FOUND"), (None, "NOT_FOUND", Scope.PROJECT)),
    "another's page": (Answer(404, {}, HTML), (None, "NOT_FOUND", Scope.PROJECT)),
    "sender mismatch": (
        fcm(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        ("R", "SENDER_ID_MISMATCH", Scope.DEVICE),
    ),
    "permission": (error(403, "PERMISSION_DENIED"), (None, "PERMISSION_DENIED", Scope.PROJECT)),
    "third party": (
        fcm(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        (None, "THIRD_PARTY_AUTH_ERROR", Scope.PLATFORM),
    ),
    "stale bearer": (error(401, "UNAUTHENTICATED"), (None, "UNAUTHENTICATED", Scope.PROJECT)),
    "device quota": (fcm(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), (None, "QUOTA_EXCEEDED", Scope.DEVICE)),
    "project quota": (
        error(429, "RESOURCE_EXHAUSTED", {"@type": ERROR_INFO, "reason": "RATE_LIMIT_EXCEEDED"}),
        (None, "RATE_LIMIT_EXCEEDED", Scope.PROJECT),
    ),
    "bare 429": (Answer(429), (None, "RESOURCE_EXHAUSTED", Scope.PROJECT)),
    "internal": (error(500, "INTERNAL"), (None, "INTERNAL", Scope.DEVICE)),
    "unavailable": (error(503, "UNAVAILABLE"), (None, "UNAVAILABLE", Scope.DEVICE)),
    "too large": (Answer(413, {}, HTML), (None, "PAYLOAD_TOO_LARGE", Scope.CAMPAIGN)),
    "a redirect": (Answer(302), (None, "HTTP_302", Scope.PROJECT)),
    "a teapot": (Answer(418), (None, "HTTP_418", Scope.PROJECT)),
    "accepted": (ACCEPTED, ("A", "ACCEPTED", Scope.DEVICE)),
}


@pytest.mark.parametrize(("answer", "expected"), TABLE.values(), ids=TABLE.keys())
def test_each_answer_has_its_letter_code_and_reach(answer: Answer, expected: tuple[str | None, str, Scope]) -> None:
    """The table of FCM's answers, row by row."""
    verdict = judge(answer, payload_proven=True)
    assert (verdict.letter, verdict.code, verdict.scope) == expected
    assert verdict.answered
    assert verdict.sent


def test_a_400_blames_the_token_only_once_the_payload_is_proven() -> None:
    """Before that the campaign itself may be what FCM refuses."""
    answer = fcm(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT")
    unproven, proven = judge(answer, payload_proven=False), judge(answer, payload_proven=True)
    assert (unproven.letter, unproven.scope) == (None, Scope.CAMPAIGN)
    assert (proven.letter, proven.code) == ("R", "INVALID_ARGUMENT")


def test_only_a_stale_bearer_asks_for_new_credentials() -> None:
    """A wrong APNs key is not mended by a new OAuth token."""
    assert judge(error(401, "UNAUTHENTICATED"), payload_proven=True).refresh_credentials
    assert not judge(fcm(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), payload_proven=True).refresh_credentials


@pytest.mark.parametrize(
    "answer", [Answer(502, {}, HTML), Answer(504), Answer(503, {}, HTML), Answer(500), Answer(202)]
)
def test_what_fcm_itself_did_not_say_is_no_answer(answer: Answer) -> None:
    """A proxy's error tells nothing about the request behind it."""
    verdict = judge(answer, payload_proven=True)
    assert (verdict.letter, verdict.answered, verdict.sent) == (None, False, True)


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_an_error_cut_short_decides_nothing_about_token_or_project(status: int) -> None:
    """The missing half may have named the other cause."""
    whole = fcm(status, "X", "UNREGISTERED").body
    for answer in (
        Answer(status, {}, whole[: len(whole) // 2]),
        Answer(status, {}, whole, TransportError(Fault.CUT, sent=True, message="cut")),
    ):
        verdict = judge(answer, payload_proven=True)
        assert (verdict.letter, verdict.code, verdict.scope) == (None, "CUT_ANSWER", Scope.DEVICE)


def test_a_200_counts_even_when_its_body_was_lost() -> None:
    """The status line is FCM's word."""
    cut = TransportError(Fault.CUT, sent=True, message="cut")
    assert judge(Answer(200, {}, b'{"na', cut), payload_proven=False).letter == "A"
    assert judge(Answer(200, {}, b"", cut), payload_proven=False).letter == "A"


def test_a_page_with_status_200_is_not_an_acceptance() -> None:
    """A captive portal says 200 to everything."""
    verdict = judge(Answer(200, {}, HTML), payload_proven=True)
    assert (verdict.letter, verdict.scope, verdict.answered) == (None, Scope.PROJECT, False)


@pytest.mark.parametrize(
    ("fault", "sent", "scope"),
    [
        (Fault.RESOLVE, False, Scope.PROJECT),
        (Fault.CONNECT, False, Scope.PROJECT),
        (Fault.TLS, False, Scope.PROJECT),
        (Fault.TIMEOUT, True, Scope.DEVICE),
        (Fault.CUT, True, Scope.DEVICE),
        (Fault.ABORTED, False, Scope.DEVICE),
    ],
)
def test_no_answer_tells_whether_the_message_may_have_left(fault: Fault, sent: bool, scope: Scope) -> None:
    """`sent` decides whether a repeat is safe."""
    verdict = judge(Answer(error=TransportError(fault, sent, "why")), payload_proven=True)
    assert (verdict.letter, verdict.code, verdict.scope) == (None, fault.value, scope)
    assert (verdict.answered, verdict.sent) == (False, sent)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "37"}, 37.0),
        ({"retry-after": "0.2"}, 1.0),
        ({"retry-after": "31536000"}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 13:00:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 13:00:30 GMT", "date": "Sun, 22 Nov 2026 13:00:00 GMT"}, 30.0),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:00 GMT", "date": "Sun, 22 Nov 2026 13:00:00 GMT"}, None),
    ],
)
def test_retry_after_is_believed_within_reason(headers: dict[str, str], wait: float | None) -> None:
    """Absurd waits are cut to an hour or passed over; a date is read against the server's own clock."""
    assert judge(Answer(503, headers, b"{}"), payload_proven=True).retry_after == wait


def test_a_429_without_retry_after_waits_a_minute() -> None:
    """FCM's own rule; its RetryInfo detail and the header both go before it."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}
    assert judge(Answer(429), payload_proven=True).retry_after == 60
    assert judge(error(429, "X", info), payload_proven=True).retry_after == 12
    assert judge(error(429, "X", info, retry_after="5"), payload_proven=True).retry_after == 5


ANYTHING = st.builds(
    Answer,
    status=st.integers(-1, 1000) | st.sampled_from([0, 200, 400, 401, 403, 404, 429, 500, 503]),
    headers=st.dictionaries(st.sampled_from(["retry-after", "date"]), st.text() | st.floats().map(str)),
    body=st.binary()
    | st.recursive(st.none() | st.text() | st.floats(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(
        lambda value: json.dumps({"error": value}).encode()
    ),
    error=st.none() | st.builds(TransportError, st.sampled_from(Fault), st.booleans(), st.text()),
)


@given(ANYTHING, st.booleans())
def test_any_answer_is_judged_and_none_but_fcms_own_kills_a_token(answer: Answer, proven: bool) -> None:
    """No body or header raises; nothing made of chance is UNREGISTERED."""
    verdict = judge(answer, payload_proven=proven)
    assert verdict.letter in (None, "A", "R")
    assert len(verdict.message) <= 300
    assert "\0" not in verdict.message
    assert len(verdict.code) <= 64
    assert verdict.retry_after is None or 1 <= verdict.retry_after <= 3600


@given(status=st.integers(100, 599), code=st.text(), detail=st.text(), proven=st.booleans())
def test_unregistered_needs_404_and_the_fcm_error(status: int, code: str, detail: str, proven: bool) -> None:
    """Neither the status alone nor the word elsewhere is enough."""
    for answer in (
        error(status, "UNREGISTERED", {"@type": detail, "errorCode": "UNREGISTERED"}, message="UNREGISTERED"),
        fcm(status, "NOT_FOUND", code),
    ):
        assert judge(answer, payload_proven=proven).letter != "U" or (status == 404 and code == "UNREGISTERED")
    if status != 404:
        assert judge(fcm(status, "NOT_FOUND", "UNREGISTERED"), payload_proven=proven).letter != "U"


def test_a_body_nested_without_end_is_only_a_bad_body() -> None:
    """A parser's recursion limit is not the sender's end."""
    verdict: Verdict = judge(Answer(400, {}, b'{"error":' + b"[" * 60_000), payload_proven=True)
    assert verdict.code == "CUT_ANSWER"


def test_backoff_starts_at_ten_seconds_and_doubles_with_jitter() -> None:
    """10, 10-20, 20-40 … and never beyond the longest rung."""
    rng = Random(7)
    for attempt, low, high in [(1, 10, 10), (2, 10, 20), (3, 20, 40), (5, 80, 160), (99, 900, 1800)]:
        waits = [backoff(attempt, None, rng) for _ in range(200)]
        assert low <= min(waits) <= max(waits) <= high
    assert backoff(1, 45.0, rng) == 45


@given(st.integers(), st.none() | st.floats(), st.randoms())
def test_backoff_never_undercuts_ten_seconds_nor_the_server(attempt: int, asked: float | None, rng: Random) -> None:
    """Whatever is asked, the wait has a rung."""
    wait = backoff(attempt, asked, rng)
    assert wait >= 10
    assert asked is None or not asked > wait
    assert rung_for(wait) in {rung.name for rung in RETRY_RUNGS}


@pytest.mark.parametrize(
    ("seconds", "rung"), [(0, "10s"), (10, "10s"), (10.5, "1m"), (60, "1m"), (61, "5m"), (1800, "30m"), (1e9, "30m")]
)
def test_the_rung_is_the_shortest_that_waits_long_enough(seconds: float, rung: str) -> None:
    """Later than asked is harmless, sooner is not."""
    assert rung_for(seconds) == rung
