"""What is written of campaigns, and read to be changed; transitions are the ledger's own."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.campaigns.queries import _STATS
from services.api.campaigns.schemas import NewCampaign
from shared.db import Reader, Writer
from shared.ledger import states

_WRITTEN = """
    select id, title, content, audience, priority, ttl_seconds, delivery, max_attempts, rate, kind, parent_id, status,
           revision, scheduled_at, schedule_zone
      from campaign where id = :id
"""
WRITTEN = text(_WRITTEN)
WRITTEN_LOCKED = text(f"{_WRITTEN} for no key update")

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

ADD = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, rate, created_by,
                          kind, parent_id)
    values (:title, cast(:content as jsonb), cast(:audience as jsonb), :priority, :ttl_seconds, :delivery,
            :max_attempts, :rate, :created_by, :kind, :parent_id)
    returning id
""")
REWRITE = text("""
    update campaign
       set title = :title, content = cast(:content as jsonb), audience = cast(:audience as jsonb),
           priority = :priority, ttl_seconds = :ttl_seconds, delivery = :delivery, max_attempts = :max_attempts,
           rate = :rate, revision = revision + 1
     where id = :id
""")
DELETE = text(f"delete from campaign where id = :id and status {states.DELETE.at} returning id")  # noqa: S608 - states by their names

SCHEDULE = text(f"""
    update campaign
       set status = {states.SCHEDULE.to}, scheduled_at = :at, schedule_zone = :zone, revision = revision + 1
     where id = :id and status {states.SCHEDULE.at} returning id
""")  # noqa: S608 - states by their names
UNSCHEDULE = text(f"""
    update campaign
       set status = {states.UNSCHEDULE.to}, scheduled_at = null, schedule_zone = null, revision = revision + 1
     where id = :id and status {states.UNSCHEDULE.at} returning id
""")  # noqa: S608 - states by their names

# Filters that are null let everything pass. A few thousand campaigns by their primary key, backwards: milliseconds.
LIST = text(f"""
    {_STATS}
     where c.id < :before
       and (cast(:statuses as text[]) is null or c.status = any(cast(:statuses as text[])))
       and (cast(:kinds as text[]) is null or c.kind = any(cast(:kinds as text[])))
       and (cast(:priority as text) is null or c.priority = :priority)
       and (cast(:parent_id as bigint) is null or c.parent_id = :parent_id)
       and (cast(:created_by as text) is null or c.created_by = :created_by)
       and (cast(:since as timestamptz) is null or c.created_at >= :since)
       and (cast(:until as timestamptz) is null or c.created_at < :until)
       and (cast(:search as text) is null or c.title ilike :search escape '!' or c.content ->> 'body' ilike :search
            escape '!')
     order by c.id desc limit :limit
""")

SYSTEM_STOP = text("""
    select id, reason, created_by, created_at from stop
     where scope = 'system' and undone_at is null order by id limit 1
""")

USER = text("select 1 from device where user_id = :user_id and active limit 1")
DEVICE = text("select 1 from device where id = :id and active")


async def written(tx: Reader, campaign_id: int) -> Row[Any] | None:
    """What operators wrote of a campaign, and where it is."""
    return await tx.first(WRITTEN, {"id": campaign_id})


async def written_locked(tx: Writer, campaign_id: int) -> Row[Any] | None:
    """The same, held until this transaction ends."""
    return await tx.first(WRITTEN_LOCKED, {"id": campaign_id})


async def create_campaign(tx: Writer, values: dict[str, Any]) -> int:
    """Insert a draft and return its id."""
    row = await tx.first(CREATE, values)
    assert row is not None  # noqa: S101 - insert returning has a row
    return int(row.id)


async def unknown_users(tx: Reader, user_ids: Sequence[str]) -> list[str]:
    """Those of the users who have no active device, in the order given."""
    return [row.user_id for row in await tx.all(UNKNOWN_USERS, {"user_ids": list(user_ids)})]


async def add(tx: Writer, wanted: NewCampaign, *, by: str, parent_id: int, **changes: Any) -> int:
    """Insert a campaign that comes of another; `changes` are columns that differ from what is written."""
    values = {**wanted.row(by), "kind": "campaign", "parent_id": parent_id, **changes}
    row = await tx.first(ADD, values)
    assert row is not None  # noqa: S101 - insert returning has a row
    return int(row.id)


async def rewrite(tx: Writer, campaign_id: int, wanted: NewCampaign) -> None:
    """Replace what is written of a campaign that this transaction holds."""
    await tx.run(REWRITE, {**wanted.row(""), "id": campaign_id})


async def delete_draft(tx: Writer, campaign_id: int) -> bool:
    """Delete it if it is a draft."""
    return await tx.first(DELETE, {"id": campaign_id}) is not None


async def schedule(tx: Writer, campaign_id: int, at: datetime, zone: str) -> bool:
    """Schedule a draft, or schedule it anew."""
    return await tx.first(SCHEDULE, {"id": campaign_id, "at": at, "zone": zone}) is not None


async def unschedule(tx: Writer, campaign_id: int) -> bool:
    """Make a scheduled campaign a draft again."""
    return await tx.first(UNSCHEDULE, {"id": campaign_id}) is not None


async def page(tx: Reader, filters: Mapping[str, Any]) -> Sequence[Row[Any]]:
    """Campaigns, the newest first."""
    return await tx.all(LIST, filters)


async def system_stop(tx: Reader) -> Row[Any] | None:
    """The stop that holds every send, if there is one."""
    return await tx.first(SYSTEM_STOP)


async def usable_user(tx: Reader, user_id: str) -> bool:
    """Whether a user has an active device."""
    return await tx.first(USER, {"user_id": user_id}) is not None


async def usable_device(tx: Reader, device_id: int) -> bool:
    """Whether a device exists and is active."""
    return await tx.first(DEVICE, {"id": device_id}) is not None
