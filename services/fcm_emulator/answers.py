"""Everything FCM can answer to a send, in its own bodies.

The bodies follow the google.rpc error model: a `status` beside the HTTP code, and typed `details`. What a client may
decide by is exact here: codes, statuses, detail types, reasons, error codes, headers. The sentences are for people.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
APNS_ERROR = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
# How FCM names the method in an ErrorInfo.
SEND_METHOD = "google.firebase.fcm.v1.FcmService.SendMessage"

JSON = [("content-type", "application/json; charset=UTF-8")]
HTML = [("content-type", "text/html; charset=UTF-8")]


class Answer(StrEnum):
    """What a request came to.

    The last five leave its sender without knowledge: `…_LOST` was dropped, the other three were accepted first.
    TRUNCATED says 200 and breaks off in the body.
    """

    ACCEPTED = "ACCEPTED"
    UNREGISTERED = "UNREGISTERED"
    SENDER_ID_MISMATCH = "SENDER_ID_MISMATCH"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    THIRD_PARTY_AUTH_ERROR = "THIRD_PARTY_AUTH_ERROR"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    BAD_GATEWAY = "BAD_GATEWAY"
    TRUNCATED = "TRUNCATED"
    HANG = "HANG"
    CUT = "CUT"
    HANG_LOST = "HANG_LOST"
    CUT_LOST = "CUT_LOST"


ACCEPTED = Answer.ACCEPTED
# The device gets the message, whatever its sender is told.
DELIVERED = frozenset({Answer.ACCEPTED, Answer.TRUNCATED, Answer.HANG, Answer.CUT})
# Decided by the token alone: the same token always gets the same one of these.
STABLE = (
    Answer.UNREGISTERED,
    Answer.SENDER_ID_MISMATCH,
    Answer.INVALID_ARGUMENT,
    Answer.THIRD_PARTY_AUTH_ERROR,
)
# Decided anew at each attempt.
TRANSIENT = tuple(answer for answer in Answer if answer not in {*STABLE, ACCEPTED})


class Reply(NamedTuple):
    """An HTTP answer, ready to be written."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def replies(project: str, *, retry_after: int | None = None, per_minute: int = 600_000) -> dict[Answer, Reply]:
    """Build each refusal once for a project; `retry_after` seconds go out with 429, 500 and 503, None sends none."""
    later = [] if retry_after is None else [("retry-after", str(retry_after))]
    return {
        Answer.UNREGISTERED: _error(404, "NOT_FOUND", "Requested entity was not found.", _fcm("UNREGISTERED")),
        Answer.SENDER_ID_MISMATCH: _error(403, "PERMISSION_DENIED", "SenderId mismatch", _fcm("SENDER_ID_MISMATCH")),
        Answer.INVALID_ARGUMENT: _error(
            400,
            "INVALID_ARGUMENT",
            "The registration token is not a valid FCM registration token",
            _fcm("INVALID_ARGUMENT"),
            _violations([("message.token", "Invalid registration token")]),
        ),
        Answer.THIRD_PARTY_AUTH_ERROR: _error(
            401,
            "UNAUTHENTICATED",
            "Auth error from APNS or Web Push Service",
            _fcm("THIRD_PARTY_AUTH_ERROR"),
            {"@type": APNS_ERROR, "statusCode": 403, "reason": "InvalidProviderToken"},
        ),
        Answer.UNAUTHENTICATED: _error(
            401,
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
            _info("ACCESS_TOKEN_EXPIRED", {"service": "fcm.googleapis.com", "method": SEND_METHOD}),
            headers=[("www-authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"')],
        ),
        Answer.PERMISSION_DENIED: _error(
            403,
            "PERMISSION_DENIED",
            f"Permission 'cloudmessaging.messages.create' denied on resource 'projects/{project}'.",
            _info("IAM_PERMISSION_DENIED", {"permission": "cloudmessaging.messages.create"}),
        ),
        Answer.NOT_FOUND: _error(404, "NOT_FOUND", "Requested entity was not found."),
        Answer.QUOTA_EXCEEDED: _error(
            429,
            "RESOURCE_EXHAUSTED",
            "Message rate exceeded for this device.",
            _fcm("QUOTA_EXCEEDED"),
            _quota(f"device:projects/{project}", "Device message rate exceeded"),
            headers=later,
        ),
        Answer.RATE_LIMIT_EXCEEDED: rate_limited(project, per_minute=per_minute, retry_after=retry_after),
        Answer.INTERNAL: _error(500, "INTERNAL", "Internal error encountered.", _fcm("INTERNAL"), headers=later),
        Answer.UNAVAILABLE: _error(
            503, "UNAVAILABLE", "The service is currently unavailable.", _fcm("UNAVAILABLE"), headers=later
        ),
        Answer.BAD_GATEWAY: Reply(
            502,
            HTML,
            b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)</title>\n"
            b"<p>The server had a temporary problem.\n",
        ),
    }


def rate_limited(project: str, *, per_minute: int, retry_after: int | None) -> Reply:
    """Build the 429 of a project's quota: an ErrorInfo and no FcmError, which is how a client tells it apart."""
    limits = {
        "consumer": f"projects/{project}",
        "quota_limit": "SendsPerMinutePerProject",
        "quota_limit_value": str(per_minute),
        "quota_metric": "fcm.googleapis.com/send_requests",
        "service": "fcm.googleapis.com",
    }
    return _error(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute'.",
        _info("RATE_LIMIT_EXCEEDED", limits),
        headers=[] if retry_after is None else [("retry-after", str(retry_after))],
    )


def invalid(violations: Sequence[tuple[str, str]], *, unread: bool) -> Reply:
    """Build the 400 for a request whose body is wrong, naming each field and problem.

    `unread`: as Google's front end says it, without a word of FCM's.
    """
    message = "\n".join(problem for _, problem in violations)
    said = [_violations(violations)] if unread else [_violations(violations), _fcm("INVALID_ARGUMENT")]
    return _error(400, "INVALID_ARGUMENT", message, *said)


def _error(
    code: int,
    status: str,
    message: str,
    *details: dict[str, Any],
    headers: list[tuple[str, str]] | None = None,
) -> Reply:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        error["details"] = list(details)
    return Reply(code, [*JSON, *(headers or [])], json.dumps({"error": error}, indent=2).encode())


def _fcm(code: str) -> dict[str, Any]:
    return {"@type": FCM_ERROR, "errorCode": code}


def _info(reason: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {"@type": ERROR_INFO, "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def _quota(subject: str, description: str) -> dict[str, Any]:
    return {"@type": QUOTA_FAILURE, "violations": [{"subject": subject, "description": description}]}


def _violations(found: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Build the detail that names what is wrong; what is wrong with the request as a whole has no field."""
    told = [{"field": field, "description": problem} if field else {"description": problem} for field, problem in found]
    return {"@type": BAD_REQUEST, "fieldViolations": told}


NO_CREDENTIALS = _error(
    401,
    "UNAUTHENTICATED",
    "Request has no access token: an authorization header with a Bearer is needed.",
    _info("CREDENTIALS_MISSING", {"service": "fcm.googleapis.com", "method": SEND_METHOD}),
    headers=[("www-authenticate", 'Bearer realm="https://accounts.google.com/"')],
)
NO_TOPICS = _error(501, "UNIMPLEMENTED", "FCM has topics; the emulator knows tokens and installation ids only.")
