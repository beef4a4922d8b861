"""The campaign as a chord: batches side by side, then its end."""
# mypy: disallow-untyped-decorators=False
# Celery is not in the environment that is checked.

from collections.abc import Iterator
from typing import Any

from celery import chord, shared_task  # type: ignore[import-not-found]  # in an environment of its own
from django.db.models import F  # type: ignore[import-not-found]  # the same
from django.utils import timezone  # type: ignore[import-not-found]  # the same
from firebase_admin import exceptions, messaging

from tests.benchmarks.article.models import Campaign, DeviceToken, PushLog

BATCH = 500
RETRIES = 3
RETRY_AFTER = 60
"""Seconds before the first repeat of a batch that failed as a whole, twice as many before each next."""


@shared_task
def execute_campaign(campaign_id: int) -> None:
    """Cut the recipients into batches and start them all."""
    recipients = DeviceToken.objects.filter(is_active=True)
    total = recipients.count()
    Campaign.objects.filter(id=campaign_id).update(status="sending", total_recipients=total, started_at=timezone.now())
    if not total:
        finish_campaign.delay([], campaign_id)
        return
    ids = recipients.order_by("id").values_list("id", flat=True).iterator(chunk_size=10_000)
    header = [send_batch.s(campaign_id, batch) for batch in _batches(ids)]
    chord(header)(finish_campaign.s(campaign_id))


@shared_task(bind=True, max_retries=RETRIES)
def send_batch(self: Any, campaign_id: int, ids: list[int]) -> dict[str, int]:
    """Send one batch, log each device's outcome, count, and deactivate dead tokens."""
    campaign = Campaign.objects.get(id=campaign_id)
    devices = list(DeviceToken.objects.filter(id__in=ids))
    urgent = campaign.priority == "high"
    messages = [
        messaging.Message(
            token=device.token,
            notification=messaging.Notification(title=campaign.title, body=campaign.message),
            data=campaign.data,
            android=messaging.AndroidConfig(priority="high" if urgent else "normal"),
            apns=messaging.APNSConfig(headers={"apns-priority": "10" if urgent else "5"}),
        )
        for device in devices
    ]
    try:
        answers = messaging.send_each(messages).responses
    except exceptions.FirebaseError as error:
        raise self.retry(exc=error, countdown=RETRY_AFTER * 2**self.request.retries) from error
    logs, dead, success = [], [], 0
    for device, answer in zip(devices, answers, strict=True):
        status, problem = "sent", ""
        if answer.success:
            success += 1
        else:
            problem = str(answer.exception)
            status = "invalid_token" if isinstance(answer.exception, messaging.UnregisteredError) else "failed"
            if status == "invalid_token":
                dead.append(device.id)
        logs.append(PushLog(campaign_id=campaign_id, device_id=device.id, status=status, error=problem))
    PushLog.objects.bulk_create(logs)
    if dead:
        DeviceToken.objects.filter(id__in=dead).update(is_active=False)
    Campaign.objects.filter(id=campaign_id).update(
        sent_count=F("sent_count") + len(devices),
        success_count=F("success_count") + success,
        failure_count=F("failure_count") + len(devices) - success,
    )
    return {"success": success, "failure": len(devices) - success}


@shared_task
def finish_campaign(_results: list[dict[str, int]], campaign_id: int) -> None:
    """Close the campaign when the last batch is done."""
    Campaign.objects.filter(id=campaign_id).update(status="completed", completed_at=timezone.now())


def _batches(ids: Iterator[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for device_id in ids:
        batch.append(device_id)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
