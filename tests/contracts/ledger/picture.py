"""Rows and answers as plain values, so that those of both ledgers can be compared."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from tests.chaos.simulation.ledger.rows import Batch, Campaign, Device, Error, Event, Plan, Project, Queued

Row = dict[str, Any]
Rows = dict[str, list[Row]]

TABLES: Mapping[str, tuple[type, str]] = {
    "projects": (Project, "project order by id"),
    "devices": (Device, "device order by id"),
    "campaigns": (Campaign, "campaign order by id"),
    "plans": (Plan, "campaign_plan order by campaign_id"),
    "batches": (
        Batch,
        """(select b.*, array(select b.first_id + t.distance
                                from unnest(v.distances) with ordinality as t (distance, n) order by n) as ids
              from campaign_batch b join campaign_batch_distances v using (campaign_id, batch_no)) as batch
            order by campaign_id, batch_no""",
    ),
    "events": (Event, "campaign_event order by campaign_id, campaign_seq"),
    "errors": (Error, "campaign_error order by campaign_id, code"),
    "outbox": (Queued, "outbox order by outbox.id"),
}
"""What is looked at: the row in memory, and where it is in PostgreSQL."""
UNSEEN = {"now", "age", "created_at", "progress_at"}
"""Columns that a picture leaves out: derived, or set by a default."""


def columns(kind: type) -> list[str]:
    """The columns of a row that are looked at, but for the serial numbers of a queue."""
    unseen = UNSEEN | ({"id"} if kind is Queued else set())
    return [field.name for field in dataclasses.fields(kind) if field.name not in unseen]


def plain(value: Any) -> Any:
    """Times in seconds, messages and rows as dictionaries, texts of JSON as what they say."""
    plainer: Any = value
    if isinstance(value, datetime):
        plainer = value.timestamp()
    elif isinstance(value, BaseModel):
        plainer = plain(value.model_dump())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        plainer = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    elif isinstance(value, str) and value.startswith("{"):
        plainer = json.loads(value)
    elif isinstance(value, Mapping):
        plainer = {key: plain(inner) for key, inner in value.items()}
    elif isinstance(value, frozenset | set):
        plainer = sorted(value)
    elif isinstance(value, list | tuple):
        plainer = [plain(inner) for inner in value]
    return plainer


def in_order(messages: Iterable[Any]) -> list[Any]:
    """Messages by their batches: PostgreSQL gives them in any order."""
    return sorted(messages, key=lambda message: (message.campaign_id, message.batch_no))


def difference(left: Any, right: Any, where: str = "") -> str | None:
    """The first thing in which two plain values differ; times may by less than PostgreSQL's microseconds can tell."""
    if isinstance(left, float) and isinstance(right, float | int):
        return None if abs(left - right) < 1e-5 else f"{where}: {left!r} and {right!r}"
    if isinstance(left, dict) and isinstance(right, dict) and left.keys() == right.keys():
        found = (difference(left[key], right[key], f"{where}.{key}") for key in left)
        return next((one for one in found if one), None)
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        found = (difference(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(left, right, strict=True)))
        return next((one for one in found if one), None)
    return None if left == right else f"{where}: {left!r} and {right!r}"
