"""What is read of campaigns."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader

# An audience of users is read as its size and its first ids: 10,000 of them are not sent back at every look.
_CAMPAIGN = """
    select c.id, c.title, c.status, c.priority, c.content, c.ttl_seconds, c.delivery, c.max_attempts, c.rate,
           c.created_by, c.created_at, c.sent_at, c.deadline, c.planned_at, c.completed_at, c.total,
           c.kind, c.parent_id, c.revision, c.campaign_seq, c.scheduled_at, c.schedule_zone, c.stop_id, c.stopped,
           c.ledger_deleted_at,
           (c.audience - 'user_ids' - 'device_ids') #- '{exclude,user_ids}' as audience_rest,
           jsonb_array_length(c.audience -> 'device_ids') as audience_devices,
           jsonb_array_length(c.audience #> '{exclude,user_ids}') as audience_excluded,
           jsonb_array_length(c.audience -> 'user_ids') as audience_size,
           jsonb_path_query_array(c.audience, '$.user_ids[0 to 9]') as audience_sample
      from campaign c
"""
CAMPAIGN = text(f"{_CAMPAIGN} where c.id = :id")

_STATS = """
    select c.id, c.title, c.status, c.priority, c.total, c.not_planned, c.pending, c.skipped, c.cancelled, c.expired,
           c.dead, c.unknown, c.rejected, c.unregistered, c.accepted, c.created_at, c.sent_at, c.deadline,
           c.planned_at, c.completed_at, c.ledger_deleted_at,
           case when p.done then 1.0 when p.max_id > 0 then p.cursor::float8 / p.max_id else 0.0 end as planned_share,
           c.total - c.pending - coalesce(e.settled, 0) as settled_lately,
           extract(epoch from clock_timestamp() - coalesce(e.at, c.sent_at))::float8 as lately
      from campaign c left join campaign_plan p on p.campaign_id = c.id
      left join lateral (
           select at, cast(data -> 'total' as bigint) - cast(data -> 'outcomes' -> 'pending' as bigint) as settled
             from campaign_event
            where c.status = 'sending' and campaign_id = c.id and name = 'progressed'
              and at < clock_timestamp() - interval '10 seconds'
            order by campaign_seq desc limit 1) as e on true
"""
STATS = text(f"{_STATS} where c.id = :id")
ACTIVE = text(f"{_STATS} where c.status in ('sending', 'paused', 'cancelling') order by c.id desc limit :limit")
PAGE = text(f"{_STATS} where c.id < :before order by c.id desc limit :limit")
PAGE_OF_STATUS = text(f"{_STATS} where c.id < :before and c.status = :status order by c.id desc limit :limit")
ERRORS = text("""
    select code, count, sample from campaign_error where campaign_id = :id order by count desc, code limit 50
""")


async def campaign(tx: Reader, campaign_id: int) -> Row[Any] | None:
    """A campaign as it was created, and where it is."""
    return await tx.first(CAMPAIGN, {"id": campaign_id})


async def stats(tx: Reader, campaign_id: int) -> Row[Any] | None:
    """A campaign's counters and the share of its audience that is planned."""
    return await tx.first(STATS, {"id": campaign_id})


async def errors(tx: Reader, campaign_id: int) -> Sequence[Row[Any]]:
    """Its failures by code, the most frequent first."""
    return await tx.all(ERRORS, {"id": campaign_id})


async def active(tx: Reader, limit: int) -> Sequence[Row[Any]]:
    """Campaigns under way, the newest first."""
    return await tx.all(ACTIVE, {"limit": limit})


async def page(tx: Reader, *, before: int, status: str | None, limit: int) -> Sequence[Row[Any]]:
    """Campaigns older than `before`, the newest first."""
    if status is None:
        return await tx.all(PAGE, {"before": before, "limit": limit})
    return await tx.all(PAGE_OF_STATUS, {"before": before, "status": status, "limit": limit})
