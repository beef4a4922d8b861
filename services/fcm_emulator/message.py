"""Reading a send request: whom it is for, which campaign it belongs to, whether FCM would take it.

A campaign's messages differ in the target only, so a *shape* (all before the target, all after it) is decoded and
checked once. A body of a known shape needs no decoding, and is still read exactly: a shape is trusted only after a
body made of it with a marker in the target's place was decoded and the marker found there, and only for targets made
of characters that mean nothing to JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from services.fcm_emulator.form import read_form
from services.fcm_emulator.schema import REQUEST

if TYPE_CHECKING:
    from services.fcm_emulator.form import Violation

# FCM's limits: docs of HTTP v1.
PAYLOAD_LIMIT = 4096
TTL_LIMIT = 2_419_200.0

# Enough for all batches in flight to keep their shape (it changes with the remaining life), small beside the record.
_SHAPES = 2048
_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:%"
_MARKER = "carillon-marker"
_TARGETS = ("token", "fid", "topic", "condition")
_RESERVED = frozenset({"from", "message_type"})
_RESERVED_STARTS = ("google.", "gcm.notification.")


class Message(NamedTuple):
    """What the emulator needs of a request; `label` (tag, collapse id or analytics label) tells campaigns apart."""

    target: bytes
    label: str
    validate_only: bool


class InvalidMessageError(Exception):
    """Raised when FCM would answer 400 to the body; carries each place and what is wrong with it.

    `unread`: Google's front end refuses the form, and FCM itself never sees the request.
    """

    def __init__(self, *violations: Violation, unread: bool = False) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in violations))
        self.violations = violations
        self.unread = unread


class NoTopicsError(InvalidMessageError):
    """Raised for a topic or a condition: FCM has them, the emulator does not."""


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
        request = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise InvalidMessageError(("", f"Invalid JSON payload received. {problem}"), unread=True) from problem
    found, violations = read_form(request, REQUEST)
    if violations:
        raise InvalidMessageError(*violations, unread=True)
    if (message := found.get("message")) is None:
        raise InvalidMessageError(("message", "There is no message."))
    target = _target(message)
    android, android_v2 = message.get("android"), message.get("androidV2")
    if android is not None and android_v2 is not None:
        raise InvalidMessageError(("message", "android and android_v2 exclude each other."))
    _check_payload(message)
    for name, config in (("android", android), ("android_v2", android_v2)):
        if config is not None:
            _check_keys(config, f"message.{name}.data")
            _check_ttl(config, f"message.{name}.ttl")
    return Message(target, _label(message), found.get("validateOnly") is True)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON.")


def _label(message: dict[str, Any]) -> str:
    return str(
        _inner(message, "android", "notification").get("tag")
        or _inner(message, "androidV2", "remoteNotification", "notification").get("tag")
        or _inner(message, "apns", "headers").get("apns-collapse-id")
        or _inner(message, "fcmOptions").get("analyticsLabel")
        or ""
    )


def _target(message: dict[str, Any]) -> bytes:
    targets = [name for name in _TARGETS if name in message]
    if len(targets) != 1:
        problem = f"Exactly one of {', '.join(_TARGETS)} is needed; got {targets or 'none'}."
        raise InvalidMessageError(("message", problem), unread=bool(targets))
    if (name := targets[0]) in {"topic", "condition"}:
        raise NoTopicsError
    if not (value := message[name]):
        raise InvalidMessageError((f"message.{name}", "The target is empty."))
    found: bytes = value.encode("utf-8", "surrogatepass")
    return found


def _check_payload(message: dict[str, Any]) -> None:
    _check_keys(message, "message.data")
    size = sum(_bytes(key) + _bytes(value) for key, value in message.get("data", {}).items())
    size += sum(map(_bytes, message.get("notification", {}).values()))
    if size > PAYLOAD_LIMIT:
        problem = f"Message is too big: {size} bytes of payload, {PAYLOAD_LIMIT} allowed."
        raise InvalidMessageError(("message", problem))


def _check_keys(part: dict[str, Any], where: str) -> None:
    for key in part.get("data", ()):
        if key in _RESERVED or key.startswith(_RESERVED_STARTS):
            raise InvalidMessageError((f"{where}[{key}]", f"Invalid data payload key: {key}"))


def _check_ttl(config: dict[str, Any], where: str) -> None:
    ttl = config.get("ttl")
    if ttl is not None and not 0 <= float(ttl[:-1]) <= TTL_LIMIT:
        raise InvalidMessageError((where, f"Invalid ttl {ttl!r}: 0s to {TTL_LIMIT:.0f}s."))


def _inner(value: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a part of a part, empty where one is absent."""
    for name in names:
        value = value.get(name, {})
    return value


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
