"""The Celery application: `celery -A tests.benchmarks.article.celery_app worker`."""

import os
from typing import Any

from celery import Celery, signals  # type: ignore[import-not-found]  # in an environment of its own

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.article.settings")

app = Celery("article")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["tests.benchmarks.article"])


def _connect_to_fcm(**_: Any) -> None:
    from tests.benchmarks.article import fcm  # noqa: PLC0415 - each worker process makes its own

    fcm.connect()


signals.worker_process_init.connect(_connect_to_fcm)
