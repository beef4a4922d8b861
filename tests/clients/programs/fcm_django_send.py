"""An unmodified fcm-django on SQLite, told only where FCM is: `python … URL SERVICE_ACCOUNT TOKEN…`, a JSON line out.

What it says of a device ends in `, deactivated` where it will not send to the device again.
"""

import json
import sys

import django  # type: ignore[import-not-found]  # installed when it is run
import firebase_admin
from django.conf import settings  # type: ignore[import-not-found]  # the same
from django.core.management import call_command  # type: ignore[import-not-found]  # the same
from firebase_admin import credentials, messaging


def main(url: str, account: str, *tokens: str) -> None:
    """Register the devices and send to all of them by one call."""
    messaging._MessagingService.FCM_URL = url + "/v1/projects/{0}/messages:send"
    firebase_admin.initialize_app(credentials.Certificate(account))
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "fcm_django"],
        FCM_DJANGO_SETTINGS={"DELETE_INACTIVE_DEVICES": False},
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from fcm_django.models import FCMDevice  # noqa: PLC0415 - Django must be set up first

    FCMDevice.objects.bulk_create(FCMDevice(registration_id=token, type="android") for token in tokens)
    message = messaging.Message(notification=messaging.Notification(title="종", body="🔔"))
    sent = FCMDevice.objects.all().send_message(message)
    gone = set(sent.deactivated_registration_ids)
    said = {
        token: (answer.message_id or type(answer.exception).__name__) + (", deactivated" if token in gone else "")
        for token, answer in zip(sent.registration_ids_sent, sent.response.responses, strict=True)
    }
    sys.stdout.write(json.dumps([said[token] for token in tokens]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
