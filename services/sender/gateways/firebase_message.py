"""FCM's JSON as firebase-admin's message classes, so that the oracle encodes the same message its own way."""

import warnings
from datetime import datetime
from typing import Any

from firebase_admin import messaging

JsonObject = dict[str, Any]

_APS_ARGUMENTS = ("alert", "badge", "sound", "category", "thread-id")
_APS_FLAGS = ("content-available", "mutable-content")


def to_firebase(message: JsonObject) -> messaging.Message:
    """`message` of a request body as firebase-admin's class; a field that it has no place for is a `TypeError`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Message.token is deprecated", DeprecationWarning)
        return messaging.Message(
            **_made(
                message,
                notification=lambda part: messaging.Notification(**part),
                android=_android,
                apns=_apns,
                webpush=_webpush,
                fcm_options=lambda part: messaging.FCMOptions(**part),
            )
        )


def _made(part: JsonObject, **makers: Any) -> JsonObject:
    """A copy of `part` in which each named field has gone through its maker."""
    return {name: makers[name](value) if name in makers else value for name, value in part.items()}


def _renamed(part: JsonObject, **names: str) -> JsonObject:
    return {names.get(name, name): value for name, value in part.items()}


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _milliseconds(duration: str) -> float:
    return _seconds(duration) * 1000


def _android(part: JsonObject) -> messaging.AndroidConfig:
    return messaging.AndroidConfig(
        **_made(
            part,
            ttl=_seconds,
            notification=_android_notification,
            fcm_options=lambda options: messaging.AndroidFCMOptions(**options),
        )
    )


def _android_notification(part: JsonObject) -> messaging.AndroidNotification:
    made = _made(
        part,
        event_time=datetime.fromisoformat,
        notification_priority=lambda name: name.removeprefix("PRIORITY_").lower(),
        visibility=str.lower,
        proxy=str.lower,
        vibrate_timings=lambda timings: [_milliseconds(timing) for timing in timings],
        light_settings=_light_settings,
    )
    return messaging.AndroidNotification(
        **_renamed(
            made,
            event_time="event_timestamp",
            notification_priority="priority",
            vibrate_timings="vibrate_timings_millis",
        )
    )


def _light_settings(part: JsonObject) -> messaging.LightSettings:
    color = part["color"]
    return messaging.LightSettings(
        color="#" + "".join(f"{round(color[share] * 255):02x}" for share in ("red", "green", "blue", "alpha")),
        light_on_duration_millis=_milliseconds(part["light_on_duration"]),
        light_off_duration_millis=_milliseconds(part["light_off_duration"]),
    )


def _apns(part: JsonObject) -> messaging.APNSConfig:
    return messaging.APNSConfig(
        **_made(part, payload=_apns_payload, fcm_options=lambda options: messaging.APNSFCMOptions(**options))
    )


def _apns_payload(part: JsonObject) -> messaging.APNSPayload:
    own = {name: value for name, value in part.items() if name != "aps"}
    return messaging.APNSPayload(aps=_aps(part.get("aps", {})), **own)


def _aps(part: JsonObject) -> messaging.Aps:
    """What `Aps` has no argument for travels as its custom data, under its own name."""
    made = _made(part, alert=_alert, sound=_sound)
    given = {name.replace("-", "_"): made.pop(name) for name in _APS_ARGUMENTS if name in made}
    flags = {name.replace("-", "_"): bool(made.pop(name)) for name in _APS_FLAGS if name in made}
    return messaging.Aps(**given, **flags, custom_data=made)


def _alert(alert: str | JsonObject) -> str | messaging.ApsAlert:
    return alert if isinstance(alert, str) else messaging.ApsAlert(custom_data=alert)


def _sound(sound: str | JsonObject) -> str | messaging.CriticalSound:
    return sound if isinstance(sound, str) else messaging.CriticalSound(**sound)


def _webpush(part: JsonObject) -> messaging.WebpushConfig:
    return messaging.WebpushConfig(
        **_made(
            part,
            notification=_webpush_notification,
            fcm_options=lambda options: messaging.WebpushFCMOptions(**options),
        )
    )


def _webpush_notification(part: JsonObject) -> messaging.WebpushNotification:
    made = _made(part, actions=lambda actions: [messaging.WebpushNotificationAction(**action) for action in actions])
    return messaging.WebpushNotification(
        **_renamed(
            made,
            dir="direction",
            lang="language",
            requireInteraction="require_interaction",
            timestamp="timestamp_millis",
        )
    )
