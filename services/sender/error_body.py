"""Reading what came back with an error: Google's JSON when it is that, and something safe when it is not."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

MAX_MESSAGE = 300
"""Characters of an answer's text that are kept: enough to act on, small in a ledger row."""

MAX_READ = 64 * 1024
"""Bytes of a body that are read: FCM's are under 2 kB; a proxy's error page can be megabytes."""

MAX_WAIT = 3600.0
"""Longest Retry-After that is believed, in seconds: after an hour of failure FCM's advice is to stop, not to wait."""

_TAGS = re.compile(r"(?is)<(script|style)\b.*?(</\1>|$)|<[^>]{0,1000}>")
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_LONG_WORD = re.compile(r"[A-Za-z0-9_:\-]{20,}")
_PLAIN_WORD = re.compile(r"(?:[A-Z_]+|[A-Za-z][a-z]+(?:[A-Z][a-z]+)*):*")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error's parts, each empty when absent.

    `cut`: JSON that cannot be read to its end, so that absence proves nothing. `foreign`: not JSON at all, so
    that something between FCM and us spoke.
    """

    message: str = ""
    fcm_code: str = ""
    reason: str = ""
    retry_delay: str = ""
    cut: bool = False
    foreign: bool = False


def read_body(raw: bytes) -> ErrorBody:
    """Parse any bytes; never raises. Text is cleaned of markup, control characters and anything like a token."""
    text = raw[:MAX_READ].decode("utf-8", "replace").strip()
    if not text.startswith(("{", "[")):
        return ErrorBody(message=_clean(_TAGS.sub(" ", text[: 8 * MAX_MESSAGE])), foreign=True)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ErrorBody(message=_clean(text[: 2 * MAX_MESSAGE]), cut=True)
    error = _mapping(_mapping(document).get("error"))
    details = error.get("details")
    fcm_code = reason = retry_delay = ""
    for detail in map(_mapping, details if isinstance(details, list) else ()):
        match detail.get("@type"):
            case "type.googleapis.com/google.firebase.fcm.v1.FcmError":
                fcm_code = _code(detail.get("errorCode"))
            case "type.googleapis.com/google.rpc.ErrorInfo":
                reason = _code(detail.get("reason"))
            case "type.googleapis.com/google.rpc.RetryInfo":
                retry_delay = str(detail.get("retryDelay", ""))[:32].removesuffix("s")
    message = error.get("message")
    shown = message if isinstance(message, str) else text[: 2 * MAX_MESSAGE]
    return ErrorBody(_clean(shown), fcm_code, reason, retry_delay)


def read_retry_after(headers: Mapping[str, str], body: ErrorBody) -> float | None:
    """Seconds that the server asks to wait, between 1 and `MAX_WAIT`; None when it asks for nothing sensible.

    A date is measured against the answer's own Date header, so that no clock of ours matters.
    """
    asked = headers.get("retry-after", "").strip() or body.retry_delay
    if not asked:
        return None
    seconds = _number(asked)
    if seconds is None:
        then, now = _moment(asked), _moment(headers.get("date", ""))
        seconds = (then - now).total_seconds() if then and now else None
    if seconds is None or not seconds > 0:
        return None
    return min(max(seconds, 1.0), MAX_WAIT)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _code(value: Any) -> str:
    """Codes are counted and stored: only the shape of a constant is let through."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def _clean(text: str) -> str:
    """One line of at most `MAX_MESSAGE` characters, with long words that could be a token or an id hidden."""
    line = _BLANKS.sub(" ", text).strip()
    hidden = _LONG_WORD.sub(lambda word: word[0] if _PLAIN_WORD.fullmatch(word[0]) else "[hidden]", line)
    return hidden.encode("utf-8", "replace").decode()[:MAX_MESSAGE]
