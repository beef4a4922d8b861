"""`python -m tests.benchmarks.firebase_each MESSAGES`: firebase-admin's `send_each_async`, as its users call it.

A process of its own, so that its CPU is its own. Where to send and with which account is in `CARILLON_FCM_…`, whom to
trust in the variables of requests and httpx; only FCM's address is changed, for which firebase-admin has no option.
"""

import asyncio
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

import firebase_admin
from firebase_admin import credentials, messaging

CALL = 500
"""Messages in one call, the most that it takes."""


async def main(messages: int) -> None:
    """Send them and print rate and CPU, from the second call on: the first pays for the connection."""
    account = Path(os.environ["CARILLON_FCM_CREDENTIALS_DIR"]) / "default.json"
    certificate = credentials.Certificate(str(account))
    app = firebase_admin.initialize_app(certificate)
    service = messaging._get_messaging_service(app)  # its URL cannot be set otherwise
    service._fcm_url = f"{os.environ['CARILLON_FCM_URL']}/v1/projects/{certificate.project_id}/messages:send"
    await _send(app, 0, 10)
    began, cpu = time.perf_counter(), time.process_time()
    accepted = 0
    for first in range(10, messages + 10, CALL):
        accepted += await _send(app, first, min(CALL, messages + 10 - first))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    told = {
        "messages": messages,
        "accepted": accepted,
        "seconds": round(seconds, 3),
        "per_second": round(messages / seconds),
        "cpu_seconds": round(used, 3),
        "cpu_us_per_message": round(used / messages * 1e6),
    }
    sys.stdout.write(json.dumps(told) + "\n")


async def _send(app: firebase_admin.App, first: int, count: int) -> int:
    batch = [
        messaging.Message(
            token=f"token-{number}",
            notification=messaging.Notification(title="bench", body="bench"),
            android=messaging.AndroidConfig(priority="high", ttl=86400),
            apns=messaging.APNSConfig(headers={"apns-priority": "10"}),
        )
        for number in range(first, first + count)
    ]
    answers = await messaging.send_each_async(batch, app=app)
    return int(answers.success_count)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "Message.token is deprecated", DeprecationWarning)
    logging.disable(logging.WARNING)
    asyncio.run(main(int(sys.argv[1])))
