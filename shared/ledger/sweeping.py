"""Sweeping: bring back what a crash, a wiped queue or a lost message left behind.

Every row that is not finished has a `due_at`, from when a sweep may act on it. What it does depends on the state:

| state | due | then |
|---|---|---|
| planned | at once, or when its planner had time to publish | published by the next step or `republish` |
| queued | 2 min | back to planned if its lane is empty or it is an hour old, at the same epoch |
| waiting | 5 min after its retry was due | back to planned at the same epoch |
| claimed | its lease's end | epoch + 1, `lost + 1`, `doubt`: planned again, or `?` (at most once, or lost too often) |
| reported | 5 min | its result again, from the row |
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import BatchResult
from shared.db import Writer
from shared.ledger import states
from shared.ledger.ending import end_open, result_of
from shared.ledger.events import record_event
from shared.ledger.letters import UNKNOWN
from shared.ledger.times import Times

SLICE = 500
"""Rows that one sweep touches in one transaction."""
MAX_LOST = 5
"""Leases that one batch may lose before its open positions end as unknown: something in it crashes its senders."""

DUE = text("""
    select b.campaign_id, b.batch_no, b.epoch, b.state, b.lane, b.outcomes, b.reported, b.report, b.doubt, b.lost,
           extract(epoch from now() - b.since)::float8 as age, c.delivery, c.status
      from campaign_batch b join campaign c on c.id = b.campaign_id
     where b.due_at <= now() and b.state in ('queued', 'waiting', 'claimed', 'reported')
       and (b.state in ('claimed', 'reported') or c.status = 'sending')
     order by b.due_at limit :limit for no key update of b skip locked
""")
BACK = text(f"""
    update campaign_batch b
       set state = {states.SWEEP.to}, due_at = now(), since = now(), holder = null, lease_until = null,
           epoch = b.epoch + k.step, lost = b.lost + k.step, doubt = b.doubt or k.step > 0
      from unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[]), cast(:steps as integer[]))
           as k (campaign_id, batch_no, step)
     where b.campaign_id = k.campaign_id and b.batch_no = k.batch_no
""")  # noqa: S608 - states by their names
POSTPONE = text("""
    update campaign_batch b set due_at = now() + make_interval(secs => :secs)
      from unnest(cast(:campaigns as bigint[]), cast(:numbers as integer[])) as k (campaign_id, batch_no)
     where b.campaign_id = k.campaign_id and b.batch_no = k.batch_no
""")


@dataclass(slots=True)
class Swept:
    """What a sweep found: results to publish, and rows acted on by their state."""

    results: list[BatchResult] = field(default_factory=list)
    back: dict[str, int] = field(default_factory=dict)
    looked_at: int = 0


async def sweep(tx: Writer, *, busy_lanes: Collection[str], times: Times) -> Swept:
    """Act on rows whose time has come; `busy_lanes` are those with messages ready."""
    rows = await tx.all(DUE, {"limit": SLICE})
    swept = Swept(looked_at=len(rows))
    lost = [row for row in rows if row.state in states.LOSE.sources]
    hopeless = [row for row in lost if row.delivery == "at_most_once" or row.lost + 1 >= MAX_LOST]
    again = [row for row in lost if row not in hopeless]
    slow = [row for row in rows if row.state == "queued" and row.lane in busy_lanes and row.age < times.queued_max]
    gone = [row for row in rows if row.state in states.SWEEP.sources and row not in slow]
    unmerged = [row for row in rows if row.state == "reported"]
    swept.results = await end_open(tx, hopeless, UNKNOWN, times, lost=True)
    swept.results += [result_of(row, row.reported) for row in unmerged]
    back = again + gone
    if back:
        steps = [1] * len(again) + [0] * len(gone)
        await tx.run(BACK, {**_columns(back), "steps": steps})
    if slow:
        await tx.run(POSTPONE, {**_columns(slow), "secs": times.queued})
    if unmerged:
        await tx.run(POSTPONE, {**_columns(unmerged), "secs": times.report})
    for row in rows:
        if row not in slow:
            swept.back[row.state] = swept.back.get(row.state, 0) + 1
    for row in sorted(hopeless, key=lambda row: int(row.campaign_id)):  # campaign rows are locked by id
        if row.delivery != "at_most_once":
            await record_event(tx, row.campaign_id, "batch_lost", {"batch_no": row.batch_no, "lost": row.lost + 1})
    return swept


def _columns(rows: Sequence[Row[Any]]) -> dict[str, list[int]]:
    return {
        "campaigns": [row.campaign_id for row in rows],
        "numbers": [row.batch_no for row in rows],
    }
