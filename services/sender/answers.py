"""The rule for every answer: pure functions from what FCM answered (or did not) to what follows from it.

By status first, then by detail type. Only a 404 whose FcmError says UNREGISTERED kills a token; everything that
could be our own fault (a wrong project, a wrong key, a bad payload, a proxy) stops something larger instead.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from random import Random

from services.sender.error_body import ErrorBody, read_body, read_retry_after
from services.sender.gateways import Answer, Fault, TransportError
from shared.topology import RETRY_RUNGS

OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 400, 401, 403, 404
REQUEST_TIMEOUT, TOO_LARGE, TOO_MANY_REQUESTS = 408, 413, 429
INTERNAL, BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT = 500, 502, 503, 504
SUCCESSES, CLIENT_ERRORS, SERVER_ERRORS = range(200, 300), range(400, 500), range(500, 600)

QUOTA_WAIT = 60.0
"""Seconds to wait after a 429 without Retry-After: FCM refills quotas by the minute."""

FIRST_BACKOFF = 10.0
"""Seconds before a first retry: FCM asks for at least 10; sooner makes an overload worse."""


class Scope(StrEnum):
    """How far a pause reaches."""

    DEVICE = "device"
    PLATFORM = "platform"
    CAMPAIGN = "campaign"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    `letter` is final ('A', 'U', 'R') or None: try again, no sooner than `retry_after` seconds when given.
    `answered=False`: FCM itself did not answer. `sent=False`: the message provably never left; a repeat is safe.
    `quota_exceeded`: the project's quota is used up, which is no fault of project or credentials.
    """

    letter: str | None
    code: str
    message: str = ""
    scope: Scope = Scope.DEVICE
    retry_after: float | None = None
    answered: bool = True
    sent: bool = True
    refresh_credentials: bool = False
    quota_exceeded: bool = False

    @property
    def unreached(self) -> bool:
        """Whether this message did not reach FCM, perhaps only because of one failing connection."""
        return self.scope is Scope.PROJECT and not self.sent


ACCEPTED_VERDICT = Verdict("A", "ACCEPTED")


def judge(answer: Answer, *, payload_proven: bool) -> Verdict:
    """Decide an answer. `payload_proven`: FCM has accepted this campaign's payload for another device. Never raises."""
    status = answer.status
    if status == OK and not answer.body.lstrip()[:1].strip(b"{"):
        return ACCEPTED_VERDICT
    if answer.error is not None and not status:
        return _unanswered(answer.error)
    body = read_body(answer.body)
    if status in _RULES and status in CLIENT_ERRORS and (answer.error is not None or body.cut):
        verdict = Verdict(None, "CUT_ANSWER", body.message)
    elif status in _RULES:
        verdict = _RULES[status](body, payload_proven)
    else:
        verdict = _by_class(status, body)
    wait = read_retry_after(answer.headers, body)
    return verdict if wait is None or verdict.letter else replace(verdict, retry_after=wait)


def _unanswered(error: TransportError) -> Verdict:
    """No status came. Not reaching FCM concerns the whole project; any other failure only this message."""
    at_the_door = error.fault in (Fault.RESOLVE, Fault.CONNECT, Fault.TLS)
    return Verdict(
        None,
        error.fault.value,
        error.message[:300],
        scope=Scope.PROJECT if at_the_door else Scope.DEVICE,
        answered=False,
        sent=error.sent,
    )


def _bad_request(body: ErrorBody, payload_proven: bool) -> Verdict:
    if payload_proven:
        return Verdict("R", "INVALID_ARGUMENT", body.message)
    return Verdict(None, "INVALID_ARGUMENT", body.message, scope=Scope.CAMPAIGN)


def _unauthorized(body: ErrorBody, _payload_proven: bool) -> Verdict:
    if body.fcm_code in ("THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"):
        return Verdict(None, "THIRD_PARTY_AUTH_ERROR", body.message, scope=Scope.PLATFORM)
    return Verdict(None, "UNAUTHENTICATED", body.message, scope=Scope.PROJECT, refresh_credentials=True)


def _forbidden(body: ErrorBody, _payload_proven: bool) -> Verdict:
    if body.fcm_code == "SENDER_ID_MISMATCH":
        return Verdict("R", "SENDER_ID_MISMATCH", body.message)
    return Verdict(None, "PERMISSION_DENIED", body.message, scope=Scope.PROJECT)


def _not_found(body: ErrorBody, _payload_proven: bool) -> Verdict:
    if body.fcm_code == "UNREGISTERED":
        return Verdict("U", "UNREGISTERED", body.message)
    return Verdict(None, "NOT_FOUND", body.message, scope=Scope.PROJECT)


def _too_many(body: ErrorBody, _payload_proven: bool) -> Verdict:
    """FcmError marks a device's own limit; anything else is the project's quota."""
    if body.fcm_code == "QUOTA_EXCEEDED":
        return Verdict(None, "QUOTA_EXCEEDED", body.message, retry_after=QUOTA_WAIT)
    code = body.reason or "RESOURCE_EXHAUSTED"
    return Verdict(None, code, body.message, scope=Scope.PROJECT, retry_after=QUOTA_WAIT, quota_exceeded=True)


def _failure(code: str) -> Callable[[ErrorBody, bool], Verdict]:
    """A server error: FCM's own is JSON; any other was said before FCM, which may have carried the request out."""
    return lambda body, _: Verdict(None, code, body.message, answered=not body.foreign)


def _gateway_error(body: ErrorBody, _payload_proven: bool) -> Verdict:
    return Verdict(None, "GATEWAY_ERROR", body.message, answered=False)


_RULES: dict[int, Callable[[ErrorBody, bool], Verdict]] = {
    BAD_REQUEST: _bad_request,
    UNAUTHORIZED: _unauthorized,
    FORBIDDEN: _forbidden,
    NOT_FOUND: _not_found,
    TOO_MANY_REQUESTS: _too_many,
    REQUEST_TIMEOUT: lambda body, _: Verdict(None, "REQUEST_TIMEOUT", body.message),
    TOO_LARGE: lambda body, _: Verdict(None, "PAYLOAD_TOO_LARGE", body.message, scope=Scope.CAMPAIGN),
    INTERNAL: _failure("INTERNAL"),
    UNAVAILABLE: _failure("UNAVAILABLE"),
    BAD_GATEWAY: _gateway_error,
    GATEWAY_TIMEOUT: _gateway_error,
}


def _by_class(status: int, body: ErrorBody) -> Verdict:
    """Statuses that FCM does not document. A success that is not FCM's may hide a delivery, so it is no answer."""
    code = f"HTTP_{min(max(status, 0), 999)}"
    if status in SERVER_ERRORS:
        return _failure(code)(body, False)
    return Verdict(None, code, body.message, scope=Scope.PROJECT, answered=status not in SUCCESSES)


def backoff(attempt: int, retry_after: float | None, rng: Random) -> float:
    """Seconds to wait before the try after `attempt` (1 is the first): 10, 10-20, 20-40 … up to the longest rung.

    The server's own `retry_after` is never undercut.
    """
    longest = RETRY_RUNGS[-1].delay.total_seconds()
    ceiling = min(longest, FIRST_BACKOFF * 2.0 ** min(max(attempt - 1, 0), 16))
    jittered = max(FIRST_BACKOFF, rng.uniform(ceiling / 2, ceiling))
    if retry_after is None or math.isnan(retry_after):
        return jittered
    return max(jittered, retry_after)


def rung_for(seconds: float) -> str:
    """Name of the shortest rung that waits at least `seconds`, or of the longest there is."""
    wait = timedelta(seconds=min(seconds, RETRY_RUNGS[-1].delay.total_seconds()))
    return next(rung.name for rung in RETRY_RUNGS if rung.delay >= wait)
