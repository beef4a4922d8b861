"""What a campaign's explanation is made of: one look at the ledger and the broker, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.amqp.depth import Depth


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """A project that the campaign has open batches in; times in seconds from now, `rate` is the one in force."""

    id: str
    open: int
    quota: float
    rate: float
    booked_ahead: float
    paused_for: float
    circuit: str | None
    probe_in: float
    platforms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is looked at; batches by state, ages and times to come in seconds. A depth is None when unknown.

    `missing`: queues of those three that the broker does not have; `hidden`: those that it does not let us look at.
    """

    status: str
    lane: str
    own_rate: float | None = None
    speed: float | None = None
    scheduled_at: datetime | None = None
    stopped: Mapping[str, str] | None = None
    stop: str | None = None
    total: int = 0
    pending: int = 0
    planned_out: bool = False
    step_age: float = 0.0
    batches: Mapping[str, int] = field(default_factory=dict)
    next_publish_in: float | None = None
    next_retry_in: float | None = None
    last_retry_in: float | None = None
    report_age: float = 0.0
    lease_ends_in: float | None = None
    expired: bool = False
    commands_wait: float = 0.0
    lane_depth: Depth | None = None
    results_depth: Depth | None = None
    planner_depth: Depth | None = None
    missing: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    others: int = 0
    projects: tuple[ProjectFacts, ...] = ()
