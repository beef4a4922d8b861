"""The vocabulary of metrics: every name, label and unit in one place."""

from prometheus_client import Counter, Gauge, Histogram

DEVICES = Counter("carillon_devices", "Devices whose letter became final in the ledger", ["letter"])
FCM_ANSWERS = Counter("carillon_fcm_answers", "Answers of FCM by code", ["project", "code"])
BATCH_SECONDS = Histogram(
    "carillon_batch_seconds",
    "From the claim of a batch to its ack, by lane",
    ["lane"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
CLAIMS = Counter("carillon_claims", "Claims of batches by what came of them", ["lane", "result"])
QUOTA_WAIT = Histogram(
    "carillon_quota_wait_seconds",
    "Wait for the project's quota before a batch may start",
    ["lane"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30),
)
BOOKED_AHEAD = Histogram(
    "carillon_quota_booked_ahead_seconds",
    "From a granted booking to its start: what a batch that gets its turn at once would wait for the quota",
    ["lane"],
    buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2, 5),
)
REDELIVERIES = Counter("carillon_redeliveries", "Messages that the broker delivered again", ["queue"])
DEAD_LETTERS = Counter("carillon_dead_letters", "Messages given to the dead letter queue", ["queue"])
BATCHES_PLANNED = Counter("carillon_batches_planned", "Batches that the planner has cut", ["lane"])
BATCHES_PUBLISHED = Counter("carillon_batches_published", "Batch references published to a lane", ["lane"])
SWEPT = Counter("carillon_swept", "Batches that the sweeper brought back", ["state"])
MERGE_BATCHES = Histogram(
    "carillon_merge_batches", "Batches in one merge window", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
MERGE_SECONDS = Histogram(
    "carillon_merge_seconds",
    "Time of one merge transaction",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
DEACTIVATED = Counter("carillon_devices_deactivated", "Devices whose target FCM called unregistered")
OUTBOX_PUBLISHED = Counter("carillon_outbox_published", "Outbox rows published and confirmed", ["kind"])
OUTBOX_LAG = Gauge("carillon_outbox_lag_seconds", "Age of the oldest outbox row when last looked", ["kind"])
DRAIN_SECONDS = Gauge("carillon_drain_seconds", "Time that the last drain took")
DEVICES_REGISTERED = Counter("carillon_devices_registered", "Devices registered through the API", ["result"])
HTTP_SECONDS = Histogram(
    "carillon_http_seconds",
    "Time to answer a request of the API",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
