"""A campaign's message as bytes, encoded once for a batch; a device costs one concatenation.

Priorities: high wakes the device at once (Android `high`, `apns-priority` 10). Normal and low let the device choose
the moment (Android `normal`, `apns-priority` 5): Apple requires 5 for background pushes only, but documents it for
alerts too as "when the battery allows", which is what a campaign of no urgency means; the caller can override it.
"""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from json.encoder import encode_basestring_ascii
from typing import Any

from shared.contracts.content import PushContent

MAX_LIFE = 2_419_200
"""Seconds that FCM keeps a message at most: 4 weeks."""

_PREFIXES = {"token": b'{"message":{"token":', "fid": b'{"message":{"fid":'}

Target = tuple[str, str]
"""A device's address: its kind (`token` or `fid`) and value."""


class Template:
    """A campaign's message without target and lifetime."""

    def __init__(self, content: PushContent, campaign_id: int, *, validate_only: bool = False) -> None:
        self._content = content
        self._validate_only = validate_only
        self._name = f"carillon-{campaign_id}"

    def for_batch(self, *, now: datetime, deadline: datetime | None) -> "BatchTemplate":
        """Encode for devices that are sent to now: lifetimes shrink as a batch waits, none outlives the deadline."""
        return BatchTemplate(self.message(now=now, deadline=deadline), validate_only=self._validate_only)

    def message(self, *, now: datetime, deadline: datetime | None) -> dict[str, Any]:
        """`message` of FCM's request without its target."""
        content = self._content
        message: dict[str, Any] = {"notification": content.notification()}
        if content.data:
            message["data"] = content.data
        if content.analytics_label:
            message["fcm_options"] = {"analytics_label": content.analytics_label}
        android = content.android.wire() if content.android else {}
        apns = content.apns.wire() if content.apns else {}
        webpush = content.webpush.wire() if content.webpush else {}
        headers = apns.setdefault("headers", {})
        urgent = content.priority == "high" and headers.get("apns-push-type") != "background"
        android.setdefault("priority", "high" if content.priority == "high" else "normal")
        headers.setdefault("apns-priority", "10" if urgent else "5")
        if content.replace:
            android.setdefault("notification", {}).setdefault("tag", self._name)
            headers.setdefault("apns-collapse-id", self._name)
            webpush.setdefault("notification", {}).setdefault("tag", self._name)
            webpush.setdefault("headers", {}).setdefault("Topic", self._name)
        if deadline is not None:
            life = min(MAX_LIFE, max(0, math.floor((deadline - now).total_seconds())))
            android["ttl"] = f"{life}s"
            headers["apns-expiration"] = str(math.floor(now.timestamp()) + life if life else 0)
            webpush.setdefault("headers", {})["TTL"] = str(life)
        message.update(android=android, apns=apns)
        if webpush:
            message["webpush"] = webpush
        return message


class BatchTemplate:
    """The bytes around a target; with `validate_only` FCM says what it would do, and does not do it."""

    def __init__(self, message: dict[str, Any], *, validate_only: bool = False) -> None:
        encoded = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
        self._suffix = b"," + encoded[1:] + (b',"validate_only":true}' if validate_only else b"}")

    def body(self, target: Target) -> bytes:
        """One device's request body."""
        kind, value = target
        prefix = _PREFIXES.get(kind)
        if prefix is None:
            raise ValueError(f"a target's kind is token or fid, not '{kind[:20]}'")
        return prefix + encode_basestring_ascii(value).encode() + self._suffix

    def bodies(self, targets: Sequence[Target]) -> "Bodies":
        """Request bodies made when asked for, so that a batch in flight holds no copy of its message."""
        return Bodies(self, targets)


class Bodies:
    """The request bodies of a batch's targets."""

    def __init__(self, template: BatchTemplate, targets: Sequence[Target]) -> None:
        self._template = template
        self._targets = targets

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, position: int) -> bytes:
        return self._template.body(self._targets[position])
