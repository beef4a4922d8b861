"""`python -m tests.benchmarks.article DEVICES`: tables, devices, one campaign; prints what it took as JSON."""

import json
import sys
import time

import django  # type: ignore[import-not-found]  # in an environment of its own
from django.core.management import call_command  # type: ignore[import-not-found]  # the same

from tests.benchmarks.article.celery_app import app

LONGEST = 900.0
LOOK = 0.2


def main(devices: int) -> None:
    """Empty the tables, fill, send, wait for the end."""
    django.setup()
    from tests.benchmarks.article.models import Campaign, DeviceToken  # noqa: PLC0415 - only after the set-up
    from tests.benchmarks.article.tasks import execute_campaign  # noqa: PLC0415 - the same

    call_command("migrate", run_syncdb=True, verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    DeviceToken.objects.bulk_create(
        (
            DeviceToken(user_id=number // 3, token=f"article-{number:0120}", platform="android")
            for number in range(devices)
        ),
        batch_size=5_000,
    )
    campaign = Campaign.objects.create(title="bench", message="bench", data={"screen": "welcome"}, status="scheduled")
    execute_campaign.apply_async((campaign.id,), queue=app.conf.task_default_queue)
    deadline = time.monotonic() + LONGEST
    while campaign.status != "completed":
        if time.monotonic() > deadline:
            raise SystemExit(f"not completed after {LONGEST:.0f} s: {campaign.sent_count} of {devices} sent")
        time.sleep(LOOK)
        campaign.refresh_from_db()
    seconds = (campaign.completed_at - campaign.created_at).total_seconds()
    told = {
        "devices": campaign.sent_count,
        "success": campaign.success_count,
        "failure": campaign.failure_count,
        "seconds": round(seconds, 2),
        "per_second": round(campaign.sent_count / seconds, 1),
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
