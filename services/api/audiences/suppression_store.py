"""Queries of the suppression list."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader, Writer

ADD_USERS = text("""
    insert into suppressed_user (user_id, reason, created_by)
    select k.user_id, :reason, :created_by from unnest(cast(:user_ids as text[])) as k (user_id) order by k.user_id
    on conflict do nothing
""")
USER = text("select id, user_id, reason, created_by, created_at from suppressed_user where user_id = :user_id")
USERS = text("""
    select id, user_id, reason, created_by, created_at from suppressed_user
     where id < :before order by id desc limit :limit
""")
REMOVE_USER = text("delete from suppressed_user where user_id = :user_id")

ADD_DEVICE = text("""
    insert into suppressed_device (target_hash, reason, created_by)
    select target_hash, :reason, :created_by from device where id = :device_id
    on conflict do nothing
""")
_DEVICE = """
    select s.id, d.id as device_id, encode(s.target_hash, 'hex') as target_hash, s.reason, s.created_by, s.created_at
      from suppressed_device s left join device d on d.target_hash = s.target_hash
"""
DEVICE = text(f"{_DEVICE} where d.id = :device_id")
DEVICES = text(f"{_DEVICE} where s.id < :before order by s.id desc limit :limit")
REMOVE_DEVICE = text("""
    delete from suppressed_device where target_hash = (select target_hash from device where id = :device_id)
""")
IS_DEVICE = text("select 1 from device where id = :device_id")


async def add_users(tx: Writer, user_ids: Sequence[str], reason: str, created_by: str) -> int:
    """Put users on the list; how many were not on it."""
    return await tx.run(ADD_USERS, {"user_ids": list(user_ids), "reason": reason, "created_by": created_by})


async def user(tx: Reader, user_id: str) -> Row[Any] | None:
    """A user's entry."""
    return await tx.first(USER, {"user_id": user_id})


async def users(tx: Reader, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """Users on the list, the latest first."""
    return await tx.all(USERS, {"before": before, "limit": limit})


async def remove_user(tx: Writer, user_id: str) -> bool:
    """Take a user off; False when it was not on it."""
    return bool(await tx.run(REMOVE_USER, {"user_id": user_id}))


async def is_device(tx: Reader, device_id: int) -> bool:
    """Whether there is such a device."""
    return await tx.first(IS_DEVICE, {"device_id": device_id}) is not None


async def add_device(tx: Writer, device_id: int, reason: str, created_by: str) -> bool:
    """Put a device's target on the list; False when it was on it."""
    return bool(await tx.run(ADD_DEVICE, {"device_id": device_id, "reason": reason, "created_by": created_by}))


async def device(tx: Reader, device_id: int) -> Row[Any] | None:
    """A device's entry."""
    return await tx.first(DEVICE, {"device_id": device_id})


async def devices(tx: Reader, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """Devices on the list, the latest first."""
    return await tx.all(DEVICES, {"before": before, "limit": limit})


async def remove_device(tx: Writer, device_id: int) -> bool:
    """Take a device off; False when it was not on it."""
    return bool(await tx.run(REMOVE_DEVICE, {"device_id": device_id}))
