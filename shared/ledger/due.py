"""What is due: scheduled campaigns, lost commands, batches that no planning step will publish."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from shared.db import Reader, Writer
from shared.ledger.times import Times
from shared.topology import Lane

LIMIT = 100
"""Campaigns handled in one round; the rest a round later."""

SCHEDULED = text("""
    select id from campaign where status = 'scheduled' and scheduled_at <= now()
       and not exists (select from stop where scope = 'system' and undone_at is null)
     order by scheduled_at limit :limit for no key update skip locked
""")
LOST_STEPS = text("""
    update campaign_plan p set touched_at = now()
      from (select p.campaign_id from campaign_plan p join campaign c on c.id = p.campaign_id
             where not p.done and c.status = 'sending' and p.touched_at < now() - make_interval(secs => :age)
             limit :limit for no key update of p skip locked) as t
     where p.campaign_id = t.campaign_id
    returning p.campaign_id, p.seq
""")
LOST_CLOSINGS = text("""
    update campaign_plan p set touched_at = now()
      from (select p.campaign_id from campaign_plan p join campaign c on c.id = p.campaign_id
             where c.status = 'cancelling' and p.touched_at < now() - make_interval(secs => :age)
             limit :limit for no key update of p skip locked) as t
     where p.campaign_id = t.campaign_id
    returning p.campaign_id
""")
LEFTOVERS = text("""
    select c.id, c.priority, c.rate, c.deadline
      from campaign c
     where c.status = 'sending' and c.planned_at is not null
       and exists (select from campaign_batch b
                    where b.campaign_id = c.id and b.state = 'planned' and b.due_at <= now())
     order by c.id limit :limit
""")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A planned-out campaign with batches that wait to be published."""

    id: int
    lane: Lane
    rate: float | None
    deadline: datetime | None


async def scheduled(tx: Writer) -> list[int]:
    """Campaigns whose time has come, locked."""
    return [row.id for row in await tx.all(SCHEDULED, {"limit": LIMIT})]


async def lost_steps(tx: Writer, age: float) -> list[tuple[int, int]]:
    """Campaign and seq of steps that nobody has touched for `age` seconds; touched now."""
    rows = await tx.all(LOST_STEPS, {"limit": LIMIT, "age": age})
    return [(row.campaign_id, row.seq) for row in rows]


async def lost_closings(tx: Writer, times: Times) -> list[int]:
    """Cancelled campaigns that nobody has closed further for too long; touched now."""
    return [row.campaign_id for row in await tx.all(LOST_CLOSINGS, {"limit": LIMIT, "age": times.step})]


async def leftovers(tx: Reader) -> list[Leftover]:
    """Campaigns with batches to publish and no step left that would."""
    rows = await tx.all(LEFTOVERS, {"limit": LIMIT})
    return [Leftover(row.id, Lane(row.priority), row.rate, row.deadline) for row in rows]
