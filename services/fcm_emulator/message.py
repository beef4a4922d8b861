"""Reading a send request: whom it is for, which campaign it belongs to, whether FCM would take it.

A campaign's messages differ in the target only, so a *shape* (all before the target, all after it) is decoded and
checked once. A body of a known shape needs no decoding, and is still read exactly: a shape is trusted only after a
body made of it with a marker in the target's place was decoded and the marker found there, and only for targets made
of characters that mean nothing to JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

# FCM's limits: docs of HTTP v1.
PAYLOAD_LIMIT = 4096
TTL_LIMIT = 2_419_200.0

# Enough for all batches in flight to keep their shape (it changes with the remaining life), small beside the record.
_SHAPES = 2048
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:%"
_MARKER = "carillon-marker"
_REQUEST_FIELDS = {"message", "validate_only", "validateOnly"}
_MESSAGE_FIELDS = {
    "name", "data", "notification", "android", "webpush", "apns",
    "fcm_options", "fcmOptions", "token", "fid", "topic", "condition",
}  # fmt: skip
_TARGETS = ("token", "fid", "topic", "condition")
_DURATION = re.compile(r"(\d+(?:\.\d{1,9})?)s")


class Message(NamedTuple):
    """What the emulator needs of a request; `label` (tag, collapse id or analytics label) tells campaigns apart."""

    target: bytes
    label: str
    validate_only: bool


class InvalidMessageError(Exception):
    """Raised when FCM would answer 400 to the body; carries the field and the problem."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Reader:
    """Reads bodies, and remembers the shapes it has proven."""

    def __init__(self) -> None:
        # None: seen once. False: not to be trusted. Otherwise the message of that shape, its target left empty.
        self._shapes: dict[tuple[bytes, bytes], Message | bool | None] = {}

    def read(self, body: bytes) -> tuple[bytes, str, bool]:
        """Return a body's `Message`, as a plain tuple; InvalidMessageError when FCM would refuse it."""
        start = body.find(b'"token":"') + 9
        if start == 8:  # noqa: PLR2004 - find's -1, nine further on
            start = body.find(b'"fid":"') + 7
            if start == 6:  # noqa: PLR2004 - the same
                return decode(body)
        end = body.find(b'"', start)
        target = body[start:end]
        if end <= start or target.translate(None, _SAFE):
            return decode(body)
        key = (body[:start], body[end:])
        shape = self._shapes.get(key, ...)
        if type(shape) is Message:
            return target, shape[1], shape[2]
        message = decode(body)
        if shape is ...:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            self._shapes[key] = None
        elif shape is None:
            self._shapes[key] = _prove(*key)
        return message


def _prove(before: bytes, after: bytes) -> Message | bool:
    try:
        message = decode(before + _MARKER.encode() + after)
    except InvalidMessageError:
        return False
    return message._replace(target=b"") if message.target == _MARKER.encode() else False


def decode(body: bytes) -> Message:
    """Decode and check a whole body."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise InvalidMessageError("", f"Invalid JSON payload received. {problem}") from problem
    request = _object(request, "request")
    _known(request, _REQUEST_FIELDS, "request")
    message = _object(request.get("message"), "message")
    _known(message, _MESSAGE_FIELDS, "message")
    _check_payload(message)
    android, apns = _optional(message, "android"), _optional(message, "apns")
    _check_ttl(android.get("ttl"))
    options = _optional(message, "fcm_options") or _optional(message, "fcmOptions")
    label = (
        _optional(android, "notification").get("tag")
        or _optional(apns, "headers").get("apns-collapse-id")
        or options.get("analytics_label")
        or options.get("analyticsLabel")
        or ""
    )
    validate_only = request.get("validate_only") is True or request.get("validateOnly") is True
    return Message(_target(message), str(label), validate_only)


def _target(message: dict[str, Any]) -> bytes:
    targets = [name for name in _TARGETS if name in message]
    if len(targets) != 1:
        raise InvalidMessageError(
            "message", f"Exactly one of {', '.join(_TARGETS)} is needed; got {targets or 'none'}."
        )
    if (name := targets[0]) in {"topic", "condition"}:
        raise InvalidMessageError(f"message.{name}", "The emulator delivers to tokens and installation ids only.")
    if not isinstance(value := message[name], str) or not value:
        raise InvalidMessageError(f"message.{name}", "The target is not a non-empty string.")
    return value.encode("utf-8", "surrogatepass")


def _check_payload(message: dict[str, Any]) -> None:
    size = 0
    for key, value in _optional(message, "data").items():
        if not isinstance(value, str):
            raise InvalidMessageError(f"message.data[{key}]", "Data values are strings.")
        if key in {"from", "gcm", "message_type"} or key.startswith(("google.", "gcm.")):
            raise InvalidMessageError(f"message.data[{key}]", f"Invalid data payload key: {key}")
        size += _bytes(key) + _bytes(value)
    for key, value in _optional(message, "notification").items():
        if key not in {"title", "body", "image"} or not isinstance(value, str):
            raise InvalidMessageError(f"message.notification.{key}", f'Unknown name "{key}", or not a string.')
        size += _bytes(value)
    if size > PAYLOAD_LIMIT:
        raise InvalidMessageError("message", f"Message is too big: {size} bytes of payload, {PAYLOAD_LIMIT} allowed.")


def _check_ttl(ttl: object) -> None:
    if ttl is None:
        return
    found = _DURATION.fullmatch(ttl) if isinstance(ttl, str) else None
    if not found or float(found[1]) > TTL_LIMIT:
        raise InvalidMessageError("message.android.ttl", f"Invalid ttl {ttl!r}: 0s to {TTL_LIMIT:.0f}s.")


def _known(value: dict[str, Any], names: set[str], where: str) -> None:
    for name in value:
        if name not in names:
            raise InvalidMessageError(where, f'Unknown name "{name}" at {where}: Cannot find field.')


def _optional(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return {} if found is None else _object(found, name)


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessageError(where, f"An object is needed at {where}.")
    return value


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
