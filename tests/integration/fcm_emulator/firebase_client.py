"""An unmodified firebase-admin, told only where FCM is: `python -m … FCM_URL SERVICE_ACCOUNT FID…`, a JSON line out.

A process of its own, because the CA is trusted through the environment (SSL_CERT_FILE for httpx, REQUESTS_CA_BUNDLE
for google-auth), as anyone would.
"""

import asyncio
import json
import sys

import firebase_admin
from firebase_admin import credentials, messaging


async def main(fcm_url: str, service_account: str, *fids: str) -> None:
    """Send a message to each fid, and the first as a dry run by the blocking call; say what became of them."""
    messaging._MessagingService.FCM_URL = fcm_url + "/v1/projects/{0}/messages:send"
    app = firebase_admin.initialize_app(credentials.Certificate(service_account))
    notification = messaging.Notification(title="종", body="🔔")
    messages = [messaging.Message(fid=fid, notification=notification, data={"a": "b"}) for fid in fids]
    batch = await messaging.send_each_async(messages, dry_run=False, app=app)
    dry = messaging.send_each(messages[:1], dry_run=True, app=app)
    fates = [answer.message_id or type(answer.exception).__name__ for answer in (*batch.responses, *dry.responses)]
    print(json.dumps(fates))  # noqa: T201 - its answer


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
