"""Progress of a campaign, from its counters: pure arithmetic over one row of the ledger."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy.engine import Row

from services.api.campaigns.schemas import Status
from shared.contracts.messages import LaneName
from shared.ledger.letters import NAMES

FINAL = frozenset({"completed", "cancelled", "failed"})

NOT_SENT = ("pending", "skipped", "cancelled", "expired")
"""Outcomes of devices that were never handed to FCM, or only in tries that FCM put off."""
FAILED = ("dead", "unknown", "rejected", "unregistered", "expired")

EXAMPLE: dict[str, JsonValue] = {
    "campaign_id": 7,
    "title": "주말 특가",
    "status": "sending",
    "priority": "high",
    "total_recipients": 60000,
    "sent_count": 41200,
    "success_count": 40788,
    "failure_count": 412,
    "progress": 41.2,
    "planned_percent": 60.0,
    "not_planned": 0,
    "outcomes": {
        "pending": 18800,
        "skipped": 0,
        "cancelled": 0,
        "expired": 0,
        "dead": 0,
        "unknown": 0,
        "rejected": 0,
        "unregistered": 412,
        "accepted": 40788,
    },
    "balanced": True,
    "seal": "60000 = 40788 accepted + 412 unregistered + 18800 pending",
    "rate": 4120.0,
    "time_left_seconds": 14.3,
    "created_at": "2026-11-22T08:59:00Z",
    "started_at": "2026-11-22T09:00:00Z",
    "planned_at": None,
    "completed_at": None,
    "deadline": "2026-11-23T09:00:00Z",
    "ledger_deleted_at": None,
}


class Outcomes(BaseModel):
    """Devices by what became of them; each is in one of these, always."""

    pending: int = Field(description="No outcome yet")
    skipped: int = Field(description="Not sent: suppressed, capped, or inactive by then")
    cancelled: int = Field(description="Not sent: the campaign was cancelled")
    expired: int = Field(description="Not sent in time")
    dead: int = Field(description="Every try was answered with a failure that may pass, and the tries are used up")
    unknown: int = Field(description="May have been sent: nobody answered, and no repeat is allowed")
    rejected: int = Field(description="Refused for good")
    unregistered: int = Field(description="The app is gone; the target was deactivated")
    accepted: int = Field(description="Accepted by FCM")


class Progress(BaseModel):
    """How far a campaign is."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    campaign_id: int
    title: str
    status: Status
    priority: LaneName
    total_recipients: int = Field(description="Devices planned so far; the whole audience once `planned_at` is set")
    sent_count: int = Field(description="Handed to FCM: all but pending, skipped, cancelled and expired")
    success_count: int = Field(description="Accepted")
    failure_count: int = Field(description="Dead, unknown, rejected, unregistered and expired")
    progress: float = Field(description="Percent of the audience with an outcome; estimated while it is being planned")
    planned_percent: float = Field(description="Percent of the registry that the planner has gone through")
    not_planned: int = Field(description="Devices that a cancel came before: in no batch, in no count")
    outcomes: Outcomes
    balanced: bool = Field(description="The seal: the outcomes' sum is the audience")
    seal: str = Field(description="The same in figures, for people")
    rate: float | None = Field(description="Devices a second with an outcome, over the last 10 s or so, while sending")
    time_left_seconds: float | None = Field(
        description="Until the whole audience has an outcome at this rate; null when nothing moves"
    )
    created_at: datetime
    started_at: datetime | None
    planned_at: datetime | None
    completed_at: datetime | None
    deadline: datetime | None
    ledger_deleted_at: datetime | None = Field(
        description="When what became of each device was deleted, after its time; these counts stay"
    )

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read the ledger's row."""
        return cls.model_validate(_progress(row))


class FailureCount(BaseModel):
    """Devices that failed with one code."""

    code: str
    count: int
    sample: str = Field(description="One of the answers")


class Stats(Progress):
    """How far a campaign is, and what failed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**EXAMPLE, "errors": [{"code": "UNREGISTERED", "count": 412, "sample": "Not found."}]}]
        }
    )

    errors: list[FailureCount] = Field(description="By code, the most frequent first, 50 at the most")

    @classmethod
    def with_errors(cls, row: Row[Any], errors: Sequence[Row[Any]]) -> Self:
        """Read the ledger's rows."""
        failures = [FailureCount(code=error.code, count=error.count, sample=error.sample) for error in errors]
        return cls.model_validate({**_progress(row), "errors": failures})


def _progress(row: Row[Any]) -> dict[str, Any]:
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    outcomes = {name: columns[name] for name in NAMES.values()}
    final = row.status in FINAL
    return {
        **columns,
        "campaign_id": row.id,
        "started_at": row.sent_at,
        "total_recipients": row.total,
        "sent_count": row.total - sum(outcomes[name] for name in NOT_SENT),
        "success_count": row.accepted,
        "failure_count": sum(outcomes[name] for name in FAILED),
        "progress": 100.0 if final else percent(row.total, row.pending, row.planned_share),
        "planned_percent": floor_percent(row.planned_share),
        "outcomes": outcomes,
        "balanced": row.total == sum(outcomes.values()),
        "seal": seal(row.total, outcomes),
        **_pace(row),
    }


def _pace(row: Row[Any]) -> dict[str, float | None]:
    if row.status != "sending" or not row.lately or row.lately <= 0:
        return {"rate": None, "time_left_seconds": None}
    rate = max(0.0, row.settled_lately / row.lately)
    return {"rate": round(rate, 1), "time_left_seconds": time_left(row.total, row.pending, row.planned_share, rate)}


def time_left(total: int, pending: int, planned_share: float, rate: float) -> float | None:
    """Seconds for what is pending and for what the share of the audience that is planned lets expect beside it.

    >>> time_left(total=500, pending=100, planned_share=0.5, rate=60)
    10.0
    """
    if rate <= 0 or planned_share <= 0:
        return None
    return round((pending + total / planned_share - total) / rate, 1)


def seal(total: int, outcomes: Mapping[str, int]) -> str:
    """The audience as the sum of its outcomes, the final ones first.

    >>> seal(3, {"pending": 1, "skipped": 0, "accepted": 2})
    '3 = 2 accepted + 1 pending'
    """
    parts = [f"{count} {name}" for name, count in list(outcomes.items())[::-1] if count]
    return f"{total} = {' + '.join(parts) or '0'}"


def percent(total: int, pending: int, planned_share: float) -> float:
    """Percent of the whole audience that has an outcome, while the planner has gone through a share of it.

    What is planned is kept only a few seconds ahead of what is sent, so its own share would always look nearly done.
    """
    return floor_percent(planned_share * (total - pending) / total) if total else 0.0


def floor_percent(share: float) -> float:
    """A share as percent with one decimal, rounded down: 100 is said only of all.

    >>> floor_percent(0.99999)
    99.9
    """
    return math.floor(share * 1000) / 10
