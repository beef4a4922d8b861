"""Retention: what is kept for how long, and its deletion in small steps.

A campaign's row and its counters stay for ever: a kilobyte that says what became of it. Its ledger, which knows every
device (8 MB a million), goes after a settable time; from its first step on `ledger_deleted_at` says so. It stays for as
long as a follow-up that is not yet planned names it, be it a draft or scheduled.
"""

from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Writer
from shared.values import Days, Seconds

STEP = 200
"""Batches deleted in a transaction: 1 MB, some 20 ms of PostgreSQL."""
ROWS = 5000
"""Rows of the other tables deleted in a transaction: as long as that."""


class Retention(BaseSettings):
    """Days, from CARILLON_RETENTION_*."""

    model_config = SettingsConfigDict(
        env_prefix="CARILLON_RETENTION_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    campaigns: Days = Field(90.0, description="Days that an ended campaign's batches and devices are kept")
    events: Days = Field(30.0, description="Days that an ended campaign's events are kept")
    audit: Days = Field(400.0, description="Days that an entry of the audit log is kept")
    interval: Seconds = Field(60.0, description="Seconds between looks for what may be deleted")


# A ledger is marked as deleted before its first batch is deleted; while it has a plan, batches are left.
BEGUN = text("""
    select c.id from campaign_plan p join campaign c on c.id = p.campaign_id
     where c.ledger_deleted_at is not null order by c.id limit 1 for no key update of c skip locked
""")
# Follow-ups read the batches of the campaign that they name until they are planned, whatever they were made from.
_UNREAD = """
    not exists (select from campaign f
                 where f.audience ->> 'kind' = 'follow_up' and f.audience ->> 'campaign_id' = cast(c.id as text)
                   and f.planned_at is null and f.status not in ('completed', 'cancelled', 'failed'))
"""
OLD_LEDGER = text(f"""
    select c.id from campaign c
     where c.status in ('completed', 'cancelled', 'failed') and c.ledger_deleted_at is null
       and c.completed_at < now() - make_interval(secs => :age) and {_UNREAD}
     order by c.completed_at limit 1 for no key update of c skip locked
""")  # noqa: S608 - constants
# In a statement of its own, which sees the follow-ups that were written while the one before waited for the lock.
GIVE_UP = text(f"""
    update campaign c set ledger_deleted_at = now() where c.id = :id and {_UNREAD} returning c.id
""")  # noqa: S608 - constants
DELETE_BATCHES = text("""
    delete from campaign_batch where campaign_id = :id and batch_no = any(
        array(select batch_no from campaign_batch where campaign_id = :id order by batch_no limit :step))
""")
DELETE_REST = (
    text("delete from campaign_event where campaign_id = :id"),
    text("delete from campaign_plan where campaign_id = :id"),
    text("delete from campaign_pace where campaign_id = :id"),
)

EVENTS = text("""
    delete from campaign_event where (campaign_id, campaign_seq) in (
        select e.campaign_id, e.campaign_seq from campaign c join campaign_event e on e.campaign_id = c.id
         where c.status in ('completed', 'cancelled', 'failed') and c.ledger_deleted_at is null
           and c.completed_at < now() - make_interval(secs => :age) limit :rows)
""")
AUDIT = text("""
    delete from audit_log where id in (
        select id from audit_log where at < now() - make_interval(secs => :age) order by at limit :rows)
""")
IDEMPOTENCY = text("""
    delete from idempotency where (key_id, key) in (
        select key_id, key from idempotency where created_at < now() - make_interval(secs => :age)
         order by created_at limit :rows for update skip locked)
""")
HEARTBEATS = text("delete from heartbeat where seen_at < now() - make_interval(secs => :age)")

DAY = 86_400.0
HOUR = 3600.0


async def delete_old_ledger(tx: Writer, keep_for: Retention) -> int | None:
    """Delete a step of the oldest ledger that is too old; returns its campaign, None when there is none (left)."""
    row = await tx.first(BEGUN) or await _give_up(tx, keep_for)
    if row is None:
        return None
    if await tx.run(DELETE_BATCHES, {"id": row.id, "step": STEP}) < STEP:
        for statement in DELETE_REST:
            await tx.run(statement, {"id": row.id})
    return int(row.id)


async def _give_up(tx: Writer, keep_for: Retention) -> Row[Any] | None:
    row = await tx.first(OLD_LEDGER, {"age": keep_for.campaigns * DAY})
    return None if row is None else await tx.first(GIVE_UP, {"id": row.id})


async def delete_old_rows(tx: Writer, keep_for: Retention) -> bool:
    """Delete a step of whatever else is too old; True when there may be more."""
    steps = (
        await tx.run(EVENTS, {"age": keep_for.events * DAY, "rows": ROWS}),
        await tx.run(AUDIT, {"age": keep_for.audit * DAY, "rows": ROWS}),
        await tx.run(IDEMPOTENCY, {"age": DAY, "rows": ROWS}),
    )
    await tx.run(HEARTBEATS, {"age": HOUR})
    return max(steps) >= ROWS
