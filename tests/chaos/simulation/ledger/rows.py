"""The ledger's rows in memory. A row is never changed: `but` makes its successor, and who has read one keeps that.

Times are seconds since 1970, but for `deadline`, which goes out as it is. What nobody simulates has no column here.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from shared.ledger.letters import NAMES

NEVER = float("-inf")


class Row:
    """A row."""

    def but(self, **changed: Any) -> Self:
        """The same with other values."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, **changed)
        return new


@dataclass
class Project(Row):
    """An FCM project; as in PostgreSQL its times are seconds there too. `now` is set in what a lock returns."""

    id: str
    rate: float = 10_000.0
    tat: float = 0.0
    tat_high: float = 0.0
    tat_normal: float = 0.0
    tat_low: float = 0.0
    paused_until: float = 0.0
    ramp_from: float = 0.0
    cut_rate: float | None = None
    cut_at: float = 0.0
    circuit_reason: str | None = None
    circuit_probe_at: float = 0.0
    circuit_failures: int = 0
    stopped_platforms: dict[str, dict[str, Any]] = field(default_factory=dict)
    booked_minute: int = 0
    booked_now: int = 0
    booked_before: int = 0
    last_error: str | None = None
    last_error_at: float | None = None
    now: float = 0.0


@dataclass
class Device(Row):
    """A device of the registry."""

    id: int
    project_id: str
    user_id: str
    platform: str
    target_kind: str
    target: str
    target_hash: bytes
    active: bool = True


@dataclass
class Campaign(Row):
    """A campaign with its counters."""

    id: int
    content: dict[str, Any]
    audience: dict[str, Any]
    priority: str
    ttl_seconds: int
    delivery: str
    max_attempts: int
    rate: float | None
    kind: str = "campaign"
    status: str = "draft"
    scheduled_at: float | None = None
    sent_at: float | None = None
    deadline: datetime | None = None
    planned_at: float | None = None
    completed_at: float | None = None
    progress_at: float = NEVER
    stopped: dict[str, Any] | None = None
    stop_id: int | None = None
    campaign_seq: int = 0
    revision: int = 0
    steered: int = 0
    total: int = 0
    not_planned: int = 0
    pending: int = 0
    skipped: int = 0
    cancelled: int = 0
    expired: int = 0
    dead: int = 0
    unknown: int = 0
    rejected: int = 0
    unregistered: int = 0
    accepted: int = 0

    @property
    def balanced(self) -> bool:
        """PostgreSQL's constraint `conservation`."""
        return bool(self.total == sum(getattr(self, name) for name in NAMES.values()))


@dataclass
class Plan(Row):
    """The planner's row of a campaign."""

    campaign_id: int
    max_id: int
    touched_at: float
    cursor: int = 0
    seq: int = 0
    next_batch_no: int = 0
    done: bool = False


@dataclass
class Batch(Row):
    """A batch and its devices' letters; `ids` are what `campaign_batch_distances` tells."""

    campaign_id: int
    batch_no: int
    lane: str
    project_id: str
    size: int
    outcomes: str
    reported: str
    first_id: int
    last_id: int
    ids: tuple[int, ...]
    due_at: float
    since: float
    state: str = "planned"
    epoch: int = 0
    report: dict[str, list[str]] | None = None
    attempt: int = 0
    lost: int = 0
    doubt: bool = False
    holder: str | None = None
    lease_until: float | None = None
    finished_at: float | None = None


@dataclass
class Event(Row):
    """An event of a campaign."""

    campaign_id: int
    campaign_seq: int
    name: str
    at: datetime
    data: dict[str, Any]


@dataclass
class Error(Row):
    """How often a code ended a campaign's positions."""

    campaign_id: int
    code: str
    count: int
    sample: str


@dataclass
class Queued(Row):
    """A row of the outbox, as a relay reads it."""

    id: int
    kind: str
    exchange: str
    routing_key: str
    type: str
    correlation: str
    body: str
    request_id: str | None
    traceparent: str | None
    created_at: float
    age: float = 0.0


@dataclass
class Stop(Row):
    """A stop of everything, or of a project."""

    id: int
    scope: str
    project_id: str | None
    reason: str
    created_by: str
    created_at: datetime
    undone_at: datetime | None = None
