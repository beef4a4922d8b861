"""The vocabulary of metrics: every name, label and unit in one place."""

from prometheus_client import Counter, Gauge, Histogram

DEVICES = Counter("carillon_devices", "Devices whose letter became final in the ledger", ["letter"])
FCM_ANSWERS = Counter("carillon_fcm_answers", "Answers of FCM by code; OK is one of them", ["project", "code"])
FCM_SECONDS = Histogram(
    "carillon_fcm_seconds",
    "Time of a request to FCM, of one in 16: looking at each would cost more than it tells",
    ["project"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 2.5, 5, 10, 15),
)
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
WINDOW_ROOM = Histogram(
    "carillon_window_room_batches",
    "Batches that a planning step could still publish; 0 is a full window",
    ["lane"],
    buckets=(0, 1, 2, 5, 10, 20, 50, 100, 200, 500),
)
# The planner reads these from the ledger, so every planner says the same: take the greatest, not the sum.
CAMPAIGNS = Gauge("carillon_campaigns", "Campaigns under way by status", ["status"])
CAMPAIGN_QUIET = Gauge(
    "carillon_campaign_quiet_seconds",
    "Longest that a sending campaign has had no result, waits for a retry left out",
)
LANE_BATCHES = Gauge("carillon_lane_batches", "Batches of campaigns that send, by lane and state", ["lane", "state"])
LANE_AGE = Gauge("carillon_lane_age_seconds", "Age of the oldest batch that waits in a lane's queue", ["lane"])
QUOTA_RATE = Gauge("carillon_quota_rate", "Messages a second that a project may send", ["project"])
CIRCUIT_OPEN = Gauge("carillon_circuit_open", "1 while nothing can be sent for a project", ["project"])
PROJECT_PAUSED = Gauge("carillon_project_paused_seconds", "Until a project that FCM throttles goes on", ["project"])
PLATFORM_STOPPED = Gauge(
    "carillon_platform_stopped", "1 while FCM refuses a project's key for a platform", ["project", "platform"]
)
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
TOPOLOGY_PUT_BACK = Counter(
    "carillon_topology_put_back", "Exchanges, queues and bindings that were missing and that this process put back"
)
TOPOLOGY_MISSING = Gauge(
    "carillon_topology_missing", "Exchanges, queues and bindings that this process uses and the broker lacks"
)
DRAIN_SECONDS = Gauge("carillon_drain_seconds", "Time that this process's drain has taken")
DEVICES_REGISTERED = Counter("carillon_devices_registered", "Devices registered through the API", ["result"])
HTTP_SECONDS = Histogram(
    "carillon_http_seconds",
    "Time to answer a request of the API",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
