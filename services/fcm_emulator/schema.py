"""The form of a request: every message that `messages:send` takes, its fields under their JSON names, and their kinds.

Held against Google's discovery document by a contract test, so that a field that is new there is missed here at once.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

# The one method that is emulated: its HTTP method and path.
SEND = ("POST", "v1/projects/{project}/messages:send")
REQUEST = "SendMessageRequest"


class Plain(Enum):
    """A kind without parts."""

    STRING = auto()
    BOOLEAN = auto()
    INT32 = auto()
    FLOAT = auto()
    DURATION = auto()
    DATETIME = auto()
    STRINGS = auto()
    OBJECT = auto()


class Choice(NamedTuple):
    """One of these names."""

    names: frozenset[str]


class Many(NamedTuple):
    """An array of one kind."""

    of: Plain


class Part(NamedTuple):
    """Another message, by its name below."""

    message: str


Kind = Plain | Choice | Many | Part

_TEXT, _FLAG, _SPAN = Plain.STRING, Plain.BOOLEAN, Plain.DURATION


def _choice(*names: str) -> Choice:
    return Choice(frozenset(names))


# What the notifications of `android` and of `android_v2` have in common.
_NOTIFICATION: dict[str, Kind] = {
    "title": _TEXT,
    "body": _TEXT,
    "icon": _TEXT,
    "color": _TEXT,
    "sound": _TEXT,
    "tag": _TEXT,
    "clickAction": _TEXT,
    "bodyLocKey": _TEXT,
    "bodyLocArgs": Many(_TEXT),
    "titleLocKey": _TEXT,
    "titleLocArgs": Many(_TEXT),
    "channelId": _TEXT,
    "image": _TEXT,
    "ticker": _TEXT,
    "sticky": _FLAG,
    "eventTime": Plain.DATETIME,
    "localOnly": _FLAG,
    "notificationPriority": _choice(
        "PRIORITY_UNSPECIFIED", "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"
    ),
    "vibrateTimings": Many(_SPAN),
    "defaultVibrateTimings": _FLAG,
    "defaultSound": _FLAG,
    "defaultLightSettings": _FLAG,
    "visibility": _choice("VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"),
    "notificationCount": Plain.INT32,
}
_ANDROID: dict[str, Kind] = {
    "collapseKey": _TEXT,
    "ttl": _SPAN,
    "restrictedPackageName": _TEXT,
    "data": Plain.STRINGS,
    "fcmOptions": Part("AndroidFcmOptions"),
    "directBootOk": _FLAG,
    "bandwidthConstrainedOk": _FLAG,
    "restrictedSatelliteOk": _FLAG,
}
_LIGHT: dict[str, Kind] = {"color": Part("Color"), "lightOnDuration": _SPAN, "lightOffDuration": _SPAN}

MESSAGES: dict[str, dict[str, Kind]] = {
    REQUEST: {"message": Part("Message"), "validateOnly": _FLAG},
    "Message": {
        "name": _TEXT,
        "data": Plain.STRINGS,
        "notification": Part("Notification"),
        "android": Part("AndroidConfig"),
        "androidV2": Part("AndroidConfigV2"),
        "webpush": Part("WebpushConfig"),
        "apns": Part("ApnsConfig"),
        "fcmOptions": Part("FcmOptions"),
        "token": _TEXT,
        "fid": _TEXT,
        "topic": _TEXT,
        "condition": _TEXT,
    },
    "Notification": {"title": _TEXT, "body": _TEXT, "image": _TEXT},
    "FcmOptions": {"analyticsLabel": _TEXT},
    "AndroidConfig": {**_ANDROID, "priority": _choice("NORMAL", "HIGH"), "notification": Part("AndroidNotification")},
    "AndroidNotification": {
        **_NOTIFICATION,
        "lightSettings": Part("LightSettings"),
        "proxy": _choice("PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
        "bypassProxyNotification": _FLAG,
    },
    "AndroidFcmOptions": {"analyticsLabel": _TEXT},
    "AndroidConfigV2": {
        **_ANDROID,
        "remoteNotification": Part("AndroidRemoteNotification"),
        "backgroundSync": Part("AndroidBackgroundSyncMessage"),
    },
    "AndroidRemoteNotification": {
        "notification": Part("AndroidNotificationV2"),
        "mutableContent": _FLAG,
        "useAsV1DataMessage": _FLAG,
    },
    "AndroidBackgroundSyncMessage": {},
    "AndroidNotificationV2": {
        **_NOTIFICATION,
        "id": Plain.INT32,
        "lightSettings": Part("GoogleFirebaseFcmV1AndroidNotificationV2LightSettings"),
    },
    "LightSettings": _LIGHT,
    "GoogleFirebaseFcmV1AndroidNotificationV2LightSettings": _LIGHT,
    "Color": {"red": Plain.FLOAT, "green": Plain.FLOAT, "blue": Plain.FLOAT, "alpha": Plain.FLOAT},
    "ApnsConfig": {
        "headers": Plain.STRINGS,
        "payload": Plain.OBJECT,
        "fcmOptions": Part("ApnsFcmOptions"),
        "liveActivityToken": _TEXT,
    },
    "ApnsFcmOptions": {"analyticsLabel": _TEXT, "image": _TEXT},
    "WebpushConfig": {
        "headers": Plain.STRINGS,
        "data": Plain.STRINGS,
        "notification": Plain.OBJECT,
        "fcmOptions": Part("WebpushFcmOptions"),
    },
    "WebpushFcmOptions": {"link": _TEXT, "analyticsLabel": _TEXT},
}
