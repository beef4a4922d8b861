"""Queries of the registry."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from services.api.devices.lines import DeviceRow, Known
from shared.db import Reader, Writer

NOTHING = Known(None, None, None, None, None, None)
NOW = datetime(9999, 1, 1, tzinfo=UTC)
"""A last_seen that PostgreSQL takes down to its own now, as all that lie ahead."""

# 25 µs a device, 12 of them for three attributes in their index. What a line does not say stays as it is; what belonged
# to another user goes. `grain`: a row is not written for a last_seen that is less than so many seconds later.
_REGISTER = """
    insert into device (target_hash, user_id, platform, target_kind, target, project_id, locale, time_zone,
                        app_version, app_version_order, last_seen, attributes)
    select k.hash, k.user_id, k.platform, k.kind, k.target,
           coalesce(k.project, known.project_id, 'default'), k.locale, k.time_zone, k.app_version,
           k.app_version_order, coalesce(least(k.last_seen, now()), known.last_seen, now()),
           case when k.attributes like '%null%' then {kept} else cast(k.attributes as jsonb) end
      from unnest(cast(:hash as bytea[]), cast(:user_id as text[]), cast(:platform as text[]), cast(:kind as text[]),
                  cast(:target as text[]), cast(:project as text[]), cast(:locale as text[]),
                  cast(:time_zone as text[]), cast(:app_version as text[]), cast(:app_version_order as bytea[]),
                  cast(:last_seen as timestamptz[]), cast(:attributes as text[]))
           as k (hash, user_id, platform, kind, target, project, locale, time_zone, app_version, app_version_order,
                 last_seen, attributes)
      left join device known on known.target_hash = k.hash
    on conflict (target_hash) do update
       set user_id = excluded.user_id, platform = excluded.platform, project_id = excluded.project_id, active = true,
           updated_at = now(),
           moved_at = case when device.user_id = excluded.user_id then device.moved_at else now() end,
           locale = coalesce(excluded.locale, device.locale),
           time_zone = coalesce(excluded.time_zone, device.time_zone),
           app_version = coalesce(excluded.app_version, device.app_version),
           app_version_order = case when excluded.app_version is null then device.app_version_order
                                    else excluded.app_version_order end,
           last_seen = greatest(device.last_seen, excluded.last_seen),
           attributes = {attributes}
     where (device.user_id, device.platform, device.project_id, device.active, device.locale, device.time_zone,
            device.app_version, device.attributes)
           is distinct from
           (excluded.user_id, excluded.platform, excluded.project_id, true, coalesce(excluded.locale, device.locale),
            coalesce(excluded.time_zone, device.time_zone), coalesce(excluded.app_version, device.app_version),
            {attributes})
        or excluded.last_seen > device.last_seen + make_interval(secs => :grain)
"""
_ATTRIBUTES = """
    case when excluded.attributes is not null then nullif(excluded.attributes, '{}')
         when device.user_id = excluded.user_id then device.attributes end
"""
# What is null stays as it is in the row that this statement sees: of two that write one device at once, either may
# have been first.
_KEPT = """
    (select jsonb_strip_nulls(jsonb_object_agg(a.key, case when a.value <> 'null' then a.value
                                                           when known.user_id = k.user_id then known.attributes -> a.key
                                                      end))
       from jsonb_each(cast(k.attributes as jsonb)) as a)
"""
# Of a registry that grows by a hundred thousand devices a minute, PostgreSQL keeps a plan made when it was small: each
# chunk would walk the whole of it, in the end until its time runs out. By the index each costs the same at any size.
BY_INDEX = text("set local enable_seqscan = off")
REGISTER = text(_REGISTER.format(attributes=_ATTRIBUTES, kept=_KEPT))
UPSERT = text(_REGISTER.format(attributes=_ATTRIBUTES, kept=_KEPT) + " returning id, xmax = 0 as created")

_DEVICE = """
    select d.id, d.user_id, d.platform, d.project_id as project, d.target_kind, left(d.target, 6) as target_start,
           encode(d.target_hash, 'hex') as target_hash, d.active, d.locale, d.time_zone, d.app_version, d.attributes,
           d.last_seen, d.moved_at, d.created_at, d.updated_at,
           exists (select from suppressed_user s where s.user_id = d.user_id)
           or exists (select from suppressed_device s where s.target_hash = d.target_hash) as suppressed
      from device d
"""
BY_ID = text(f"{_DEVICE} where d.id = :id")
BY_HASH = text(f"{_DEVICE} where d.target_hash = :hash")
BY_USER = text(f"{_DEVICE} where d.user_id = :user_id and d.id < :before order by d.id desc limit :limit")
DEACTIVATE = text("update device set active = false, updated_at = now() where id = :id and active")

FORGET_DEVICES = text("delete from device where user_id = :user_id")
FORGET_MEMBER = text("""
    delete from audience_list_member m using audience_list l
     where m.list_id = l.id and m.user_id = :user_id returning m.list_id
""")
FORGET_SIZE = text("""
    update audience_list set size = greatest(0, size - 1)
     where id in (select id from audience_list where id = any(cast(:ids as bigint[])) order by id for no key update)
""")
# Every campaign for users is looked at: 1 s for a thousand of 10,000 users. An index on the ids inside would be
# written again at each change of a campaign's state.
FORGET_CAMPAIGNS = text("""
    update campaign
       set audience = jsonb_set(audience, '{user_ids}', (audience -> 'user_ids') - cast(:user_id as text))
     where id in (select id from campaign
                   where audience ->> 'kind' = 'users' and jsonb_exists(audience -> 'user_ids', :user_id)
                   order by id for no key update)
""")
FORGET_EXCLUSIONS = text("""
    update campaign
       set audience = jsonb_set(audience, '{exclude,user_ids}',
                                (audience #> '{exclude,user_ids}') - cast(:user_id as text))
     where id in (select id from campaign where jsonb_exists(audience #> '{exclude,user_ids}', :user_id)
                   order by id for no key update)
""")
SUPPRESSED = text("select exists (select from suppressed_user where user_id = :user_id) as suppressed")


async def register(tx: Writer, devices: Sequence[DeviceRow]) -> None:
    """Insert devices with what is known of them, or change those whose target is known; each target once."""
    await tx.run(BY_INDEX)
    await tx.run(REGISTER, {**_columns(devices), "grain": 0.0})


async def upsert(tx: Writer, device: DeviceRow, *, grain: float) -> bool:
    """The same for one device; whether it is new."""
    await tx.run(BY_INDEX)
    row = await tx.first(UPSERT, {**_columns([device]), "grain": grain})
    return row is not None and row.created


async def by_id(tx: Reader, device_id: int) -> Row[Any] | None:
    """A device."""
    return await tx.first(BY_ID, {"id": device_id})


async def by_hash(tx: Reader, target_hash: bytes) -> Row[Any] | None:
    """The device that has a target."""
    return await tx.first(BY_HASH, {"hash": target_hash})


async def by_user(tx: Reader, user_id: str, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """A user's devices, active or not, the newest first."""
    return await tx.all(BY_USER, {"user_id": user_id, "before": before, "limit": limit})


async def deactivate(tx: Writer, device_id: int) -> bool:
    """Deactivate a device; False when it was not active."""
    return bool(await tx.run(DEACTIVATE, {"id": device_id}))


async def forget_devices(tx: Writer, user_id: str) -> int:
    """Delete a user's devices; how many."""
    return await tx.run(FORGET_DEVICES, {"user_id": user_id})


async def forget_mentions(tx: Writer, user_id: str) -> tuple[int, int]:
    """Take a user out of all lists and campaigns; how many of each."""
    lists = [row.list_id for row in await tx.all(FORGET_MEMBER, {"user_id": user_id})]
    await tx.run(FORGET_SIZE, {"ids": lists})
    campaigns = await tx.run(FORGET_CAMPAIGNS, {"user_id": user_id})
    return len(lists), campaigns + await tx.run(FORGET_EXCLUSIONS, {"user_id": user_id})


async def is_suppressed(tx: Reader, user_id: str) -> bool:
    """Whether a user must never be sent to."""
    row = await tx.first(SUPPRESSED, {"user_id": user_id})
    return row is not None and row.suppressed


def _columns(devices: Sequence[DeviceRow]) -> dict[str, list[Any]]:
    """A list for each column, without and with what is known."""
    *plain, known = zip(*devices, strict=True)
    values = dict(zip(DeviceRow._fields, plain, strict=False))
    more = zip(*(found or NOTHING for found in known), strict=True)
    values |= dict(zip(Known._fields, more, strict=True))
    return {name: list(column) for name, column in values.items()}
