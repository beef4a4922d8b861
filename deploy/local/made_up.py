"""Devices that do not exist, with tokens as long as FCM's, in a usual mix of platforms."""

import base64
import hashlib
import json
from collections.abc import Iterator

PROJECT = "default"

_PLATFORMS = ("android",) * 13 + ("ios",) * 6 + ("web",)
_DEVICES_PER_USER = 3
_TOKEN_TAIL = 100
"""Bytes behind the token's unique head: together 158 characters, as in FCM's own."""


def token(number: int) -> str:
    """Return the registration token of a device: the same for the same number, alike for no two."""
    head = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).hexdigest()[:22]
    tail = hashlib.shake_128(head.encode()).digest(_TOKEN_TAIL)
    return f"{head}:{base64.urlsafe_b64encode(tail).decode().rstrip('=')}"


def lines(numbers: range) -> Iterator[bytes]:
    """Yield the devices as lines of NDJSON for the API's bulk route."""
    for number in numbers:
        device = {
            "user_id": f"user-{number // _DEVICES_PER_USER}",
            "platform": _PLATFORMS[number % len(_PLATFORMS)],
            "target": {"kind": "token", "value": token(number)},
            "project": PROJECT,
        }
        yield json.dumps(device).encode() + b"\n"
