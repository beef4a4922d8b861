"""The clients: where each comes from, how it is run, and what it calls each answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

ANSWERS = (
    "UNREGISTERED",
    "SENDER_ID_MISMATCH",
    "INVALID_ARGUMENT",
    "THIRD_PARTY_AUTH_ERROR",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "QUOTA_EXCEEDED",
    "UNAVAILABLE",
)


class Source(StrEnum):
    """What installs a client."""

    PIP = "pip"
    NPM = "npm"
    MACHINE = "the machine"


@dataclass(frozen=True, slots=True)
class Client:
    """One client; `errors` is what it calls each of `ANSWERS`, without those that it would ask again for minutes.

    `load`: it sends many of one message and tells only statuses.
    """

    name: str
    source: Source
    packages: tuple[str, ...]
    program: str
    errors: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    load: bool = False


def _called(*names: str) -> dict[str, str]:
    return dict(zip(ANSWERS, names, strict=False))


_STATUSES = _called("404", "403", "400", "401", "403", "404", "429", "503")
_GOOGLES = (
    "UnregisteredError",
    "SenderIdMismatchError",
    "InvalidArgumentError",
    "ThirdPartyAuthError",
    "PermissionDeniedError",
    "NotFoundError",
    "QuotaExceededError",
    "UnavailableError",
)

CLIENTS = (
    Client(
        "firebase-admin for Node",
        Source.NPM,
        ("firebase-admin@14.5.1",),
        "firebase_admin_node.js",
        # It calls any 403 and any 404 so, whatever is wrong.
        _called(
            "messaging/registration-token-not-registered",
            "messaging/mismatched-credential",
            "messaging/invalid-argument",
            "messaging/third-party-auth-error",
            "messaging/mismatched-credential",
            "messaging/registration-token-not-registered",
            "messaging/message-rate-exceeded",
            "messaging/server-unavailable",
        ),
    ),
    Client(
        "pyfcm",
        Source.PIP,
        ("pyfcm==2.1.1",),
        "pyfcm_notify.py",
        _called(
            "FCMNotRegisteredError",
            "FCMSenderIdMismatchError",
            "InvalidDataError",
            "AuthenticationError",
            "FCMSenderIdMismatchError",
            "FCMNotRegisteredError",
            "FCMServerError",
        ),
    ),
    Client("async-firebase", Source.PIP, ("async-firebase==6.4.0",), "async_firebase_send.py", _called(*_GOOGLES)),
    Client(
        "fcm-django",
        Source.PIP,
        ("fcm-django==3.2.0", "firebase-admin==7.7.0", "django==5.2.19"),
        "fcm_django_send.py",
        _called("UnregisteredError, deactivated", "SenderIdMismatchError, deactivated", *_GOOGLES[2:]),
    ),
    Client("curl", Source.MACHINE, ("curl",), "curl_each.py", _STATUSES, ("http2",)),
    Client("curl, HTTP/1.1", Source.MACHINE, ("curl",), "curl_each.py", _STATUSES, ("http1.1",)),
    Client("nghttp", Source.MACHINE, ("nghttp",), "nghttp_each.py", _STATUSES),
    Client("h2load", Source.MACHINE, ("h2load",), "h2load_many.py", load=True),
)
