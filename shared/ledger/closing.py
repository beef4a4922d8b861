"""Closing a cancelled campaign: planning ends, and every batch that nobody holds is ended in slices.

Waits for no rung: a retry that comes later finds another epoch. Holders see the cancel between slices of sending and
release early; their rows are closed on the next pass.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import BatchResult
from shared.db import Reader, Writer
from shared.ledger import audiences, states
from shared.ledger.completion import complete_if_done
from shared.ledger.ending import end_open
from shared.ledger.letters import CANCELLED
from shared.ledger.times import Times

SLICE = 200
"""Batches ended in one transaction: 100,000 devices in a few tens of milliseconds, so no lock is held for long."""

PLAN = text("""
    select p.done, p.cursor, p.max_id, c.audience
      from campaign_plan p join campaign c on c.id = p.campaign_id
     where p.campaign_id = :id and c.status = 'cancelling' for update of p
""")
END_PLAN = text("update campaign_plan set done = true, seq = seq + 1, touched_at = now() where campaign_id = :id")
TOUCH = text("update campaign_plan set touched_at = now() where campaign_id = :id")
LEFT = "select count(*) as n from device d where d.active and d.id > :cursor and d.id <= :max_id"
NOT_PLANNED = text("""
    update campaign set planned_at = coalesce(planned_at, clock_timestamp()), not_planned = :n where id = :id
""")
UNCLAIMED = text(f"""
    select campaign_id, batch_no, epoch, outcomes, reported, report, doubt
      from campaign_batch
     where campaign_id = :id and state {states.CLOSE.at}
     order by batch_no limit :limit for no key update skip locked
""")  # noqa: S608 - states by their names
OPEN = text("""
    select exists (select from campaign_batch
                    where campaign_id = :id and state in ('planned', 'queued', 'claimed', 'waiting')) as more
""")


@dataclass(frozen=True, slots=True)
class Closed:
    """What a pass did: results to publish, and whether batches are still open (claimed, or past the slice)."""

    results: list[BatchResult]
    more: bool


async def close_slice(tx: Writer, campaign_id: int, times: Times) -> Closed:
    """One pass over a cancelled campaign; nothing happens when it is not being cancelled."""
    plan = await tx.first(PLAN, {"id": campaign_id})
    if plan is None:
        return Closed([], more=False)
    # Before any batch is locked: counting may take seconds.
    left = 0 if plan.done else await _left(tx, plan)
    rows = await tx.all(UNCLAIMED, {"id": campaign_id, "limit": SLICE})
    results = await end_open(tx, rows, CANCELLED, times)
    if plan.done:
        await tx.run(TOUCH, {"id": campaign_id})
    else:
        await tx.run(END_PLAN, {"id": campaign_id})
        await tx.run(NOT_PLANNED, {"id": campaign_id, "n": left})
    still = await tx.first(OPEN, {"id": campaign_id})
    await complete_if_done(tx, campaign_id)
    return Closed(results, more=bool(still and still.more))


async def _left(tx: Reader, plan: Row[Any]) -> int:
    """Devices of the audience that no step has reached."""
    condition = audiences.compile_audience(plan.audience, steps=False)
    statement = text(f"{LEFT} and {condition.sql}" if condition.sql else LEFT)
    row = await tx.first(statement, {"cursor": plan.cursor, "max_id": plan.max_id, **condition.values})
    assert row is not None  # noqa: S101 - an aggregate always has a row
    return int(row.n)
