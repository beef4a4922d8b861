"""The API's queries; transitions of campaigns are the ledger's own."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.devices import store as registry
from services.api.devices.lines import DeviceRow
from shared.db import Reader, Writer

# 10 µs a new device, 5 a known one. Arrays cost what COPY into a temporary table does (measured: 97,000 and 110,000
# devices a second on one connection), and need no table. A row that would not change is locked but not written.
REGISTER = text("""
    insert into device (target_hash, user_id, platform, target_kind, target, project_id)
    select * from unnest(cast(:hash as bytea[]), cast(:user_id as text[]), cast(:platform as text[]),
                         cast(:kind as text[]), cast(:target as text[]), cast(:project as text[]))
    on conflict (target_hash) do update
       set user_id = excluded.user_id, platform = excluded.platform, project_id = excluded.project_id,
           active = true, updated_at = now(),
           moved_at = case when device.user_id = excluded.user_id then device.moved_at else now() end,
           attributes = case when device.user_id = excluded.user_id then device.attributes end
     where (device.user_id, device.platform, device.project_id, device.active)
           is distinct from (excluded.user_id, excluded.platform, excluded.project_id, true)
""")
COLUMNS = DeviceRow._fields[:-1]
PROJECTS = text("select id from project")

CREATE = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, rate, created_by)
    values (:title, cast(:content as jsonb), cast(:audience as jsonb), :priority, :ttl_seconds, :delivery,
            :max_attempts, :rate, :created_by)
    returning id
""")
UNKNOWN_USERS = text("""
    select wanted.user_id
      from unnest(cast(:user_ids as text[])) with ordinality as wanted (user_id, place)
     where not exists (select from device d where d.user_id = wanted.user_id and d.active)
     order by wanted.place
""")

# An audience of users is read as its size and its first ids: 10,000 of them are not sent back at every look.
_CAMPAIGN = """
    select c.id, c.title, c.status, c.priority, c.content, c.ttl_seconds, c.delivery, c.max_attempts, c.rate,
           c.created_by, c.created_at, c.sent_at, c.deadline, c.planned_at, c.completed_at, c.total,
           c.kind, c.parent_id, c.revision, c.campaign_seq, c.scheduled_at, c.schedule_zone, c.stop_id, c.stopped,
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
           c.planned_at, c.completed_at,
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

COMMANDS_WAIT = text("""
    select extract(epoch from clock_timestamp() - min(created_at))::float8 as seconds
      from (select created_at from outbox where kind = 'command' order by id limit 1) as oldest
""")


async def register(tx: Writer, devices: Sequence[DeviceRow]) -> None:
    """Insert devices, or move those whose target is known; no two of them have the same target."""
    if any(device.known for device in devices):
        await registry.register(tx, devices)
        return
    *columns, _ = zip(*devices, strict=True)
    await tx.run(REGISTER, {name: list(column) for name, column in zip(COLUMNS, columns, strict=True)})


async def projects(tx: Reader) -> frozenset[str]:
    """Ids of all projects."""
    return frozenset(row.id for row in await tx.all(PROJECTS))


async def create_campaign(tx: Writer, values: dict[str, Any]) -> int:
    """Insert a draft and return its id."""
    row = await tx.first(CREATE, values)
    assert row is not None  # noqa: S101 - insert returning has a row
    return int(row.id)


async def unknown_users(tx: Reader, user_ids: Sequence[str]) -> list[str]:
    """Those of the users who have no active device, in the order given."""
    return [row.user_id for row in await tx.all(UNKNOWN_USERS, {"user_ids": list(user_ids)})]


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


async def commands_wait(tx: Reader) -> float:
    """Seconds that the oldest command has waited for the broker; 0 when none does."""
    row = await tx.first(COMMANDS_WAIT)
    return 0.0 if row is None or row.seconds is None else float(row.seconds)
