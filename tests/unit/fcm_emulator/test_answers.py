"""The bodies, as far as a client may decide by them."""

import json
from typing import Any

import pytest

from services.fcm_emulator.answers import DELIVERED, STABLE, TRANSIENT, Answer, invalid, rate_limited, replies

UNKNOWN = {Answer.TRUNCATED, Answer.HANG, Answer.CUT, Answer.HANG_LOST, Answer.CUT_LOST}


def error(body: bytes) -> dict[str, Any]:
    """Return the error object of a body."""
    found: dict[str, Any] = json.loads(body)["error"]
    return found


def detail(body: bytes, kind: str) -> dict[str, Any] | None:
    """Return the detail of a type, None when it is absent."""
    return next((item for item in error(body).get("details", []) if item["@type"].endswith(kind)), None)


@pytest.mark.parametrize(
    ("answer", "code", "status", "fcm_code"),
    [
        (Answer.UNREGISTERED, 404, "NOT_FOUND", "UNREGISTERED"),
        (Answer.SENDER_ID_MISMATCH, 403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
        (Answer.INVALID_ARGUMENT, 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (Answer.THIRD_PARTY_AUTH_ERROR, 401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
        (Answer.UNAUTHENTICATED, 401, "UNAUTHENTICATED", None),
        (Answer.PERMISSION_DENIED, 403, "PERMISSION_DENIED", None),
        (Answer.NOT_FOUND, 404, "NOT_FOUND", None),
        (Answer.QUOTA_EXCEEDED, 429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
        (Answer.RATE_LIMIT_EXCEEDED, 429, "RESOURCE_EXHAUSTED", None),
        (Answer.INTERNAL, 500, "INTERNAL", "INTERNAL"),
        (Answer.UNAVAILABLE, 503, "UNAVAILABLE", "UNAVAILABLE"),
    ],
)
def test_each_refusal_has_its_code_status_and_fcm_error(
    answer: Answer, code: int, status: str, fcm_code: str | None
) -> None:
    """The HTTP code is repeated in the body; an FcmError is there exactly when FCM sends one."""
    reply = replies("demo")[answer]
    assert (reply.status, error(reply.body)["code"], error(reply.body)["status"]) == (code, code, status)
    fcm = detail(reply.body, "FcmError")
    assert (fcm and fcm["errorCode"]) == fcm_code


def test_a_project_quota_is_told_by_error_info_and_a_device_quota_by_fcm_error() -> None:
    """The two 429 differ in their details, which is all that a client can tell them apart by."""
    body = rate_limited("demo", per_minute=600_000, retry_after=7).body
    info = detail(body, "ErrorInfo")
    assert info is not None
    assert info["reason"] == "RATE_LIMIT_EXCEEDED"
    assert info["metadata"]["quota_limit"] == "SendsPerMinutePerProject"
    assert detail(body, "FcmError") is None
    assert detail(replies("demo")[Answer.QUOTA_EXCEEDED].body, "QuotaFailure") is not None


def test_retry_after_is_sent_only_when_asked_for() -> None:
    """429, 500 and 503 carry the header when the script has one."""
    assert "retry-after" not in dict(replies("demo")[Answer.UNAVAILABLE].headers)
    assert dict(replies("demo", retry_after=30)[Answer.UNAVAILABLE].headers)["retry-after"] == "30"


def test_a_bad_gateway_speaks_html() -> None:
    """A proxy's 502 is no JSON at all."""
    reply = replies("demo")[Answer.BAD_GATEWAY]
    assert reply.status == 502
    assert dict(reply.headers)["content-type"].startswith("text/html")
    assert reply.body.startswith(b"<!DOCTYPE html>")


def test_every_answer_is_accepted_or_has_a_reply_or_leaves_unknown() -> None:
    """No answer is forgotten, and each is stable or transient, not both."""
    assert {Answer.ACCEPTED, *replies("demo"), *UNKNOWN} == set(Answer)
    assert not set(STABLE) & set(TRANSIENT)
    assert {*STABLE, *TRANSIENT, Answer.ACCEPTED} == set(Answer)
    assert {Answer.ACCEPTED, Answer.TRUNCATED, Answer.HANG, Answer.CUT} == DELIVERED


@pytest.mark.parametrize("unread", [True, False])
def test_an_invalid_body_is_answered_with_its_fields(*, unread: bool) -> None:
    """A violation for each; only what FCM has read has its error code, and the request as a whole has no field."""
    reply = invalid([("message.data[0].value", "A string is needed."), ("", "Unknown.")], unread=unread)
    violation = detail(reply.body, "BadRequest")
    assert violation is not None
    assert violation["fieldViolations"] == [
        {"field": "message.data[0].value", "description": "A string is needed."},
        {"description": "Unknown."},
    ]
    error = json.loads(reply.body)["error"]
    assert (error["status"], error["message"]) == ("INVALID_ARGUMENT", "A string is needed.\nUnknown.")
    codes = [each["errorCode"] for each in error["details"] if "errorCode" in each]
    assert codes == ([] if unread else ["INVALID_ARGUMENT"])
