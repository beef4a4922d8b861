"""The article's push system, to be measured beside Carillon: Django, Celery, a chord of batches, firebase-admin.

Written from the article's description, with its own advice followed: batches of 500, JSON only, late acks, a
prefetch of one, bulk writes, atomic counters, recipients streamed, results that expire, time limits, recycled workers.
It runs in a virtual environment of its own, from `requirements-bench.lock`, as these two commands:

- `python -m celery -A tests.benchmarks.article.celery_app worker`, its workers;
- `python -m tests.benchmarks.article DEVICES`: make tables and devices, send one campaign, print what it took.

Where its servers are comes in `ARTICLE_DATABASE_URL` and `ARTICLE_BROKER_URL`, where FCM is in `CARILLON_FCM_…`.
"""
