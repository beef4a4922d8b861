"""Queries of uploaded lists."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader, Writer

_COLUMNS = "id, name, state, size, created_by, created_at, completed_at, sealed_at"
ONE = text(f"select {_COLUMNS} from audience_list where id = :id and state <> 'discarded'")  # noqa: S608 - a constant
LOCK = text(f"select {_COLUMNS} from audience_list where id = :id and state <> 'discarded' for update")  # noqa: S608
PAGE = text(f"""
    select {_COLUMNS} from audience_list where id < :before and state <> 'discarded' order by id desc limit :limit
""")  # noqa: S608
CREATE = text("insert into audience_list (name, created_by) values (:name, :created_by) returning id")
# Taking the row first puts the chunks of one list in a row, and a send's seal between two of them.
OPEN = text("""
    select id from audience_list where id = :id and state <> 'discarded' and sealed_at is null for no key update
""")
ADD = text("""
    insert into audience_list_member (list_id, user_id)
    select cast(:id as bigint), k.user_id from unnest(cast(:user_ids as text[])) as k (user_id)
    on conflict do nothing
""")
GROW = text("update audience_list set size = size + :n where id = :id")
COMPLETE = text("""
    update audience_list set state = 'ready', completed_at = now() where id = :id and state = 'loading'
""")
# Without it PostgreSQL takes a new list for a short one until it looks by itself, and counts by the slow way: 0.2 s.
ANALYZE = text("analyze audience_list_member")
DISCARD = text("update audience_list set state = 'discarded', size = 0 where id = :id")
NEEDED_BY = text("""
    select id from campaign
     where status in ('draft', 'scheduled', 'sending', 'paused', 'cancelling')
       and (cast(audience ->> 'list_id' as bigint) = :id
            or audience #> '{exclude,list_ids}' @> to_jsonb(cast(:id as bigint)))
     order by id limit 10
""")

DISCARDED = text("""
    select id from audience_list where state = 'discarded' order by id limit 1 for update skip locked
""")
EMPTY = text("""
    delete from audience_list_member
     where list_id = :id
       and user_id in (select user_id from audience_list_member where list_id = :id order by user_id limit :limit)
""")
DELETE = text("delete from audience_list where id = :id")


async def one(tx: Reader, list_id: int) -> Row[Any] | None:
    """A list."""
    return await tx.first(ONE, {"id": list_id})


async def lock(tx: Writer, list_id: int) -> Row[Any] | None:
    """The same, held until this transaction ends: nobody can begin to need it."""
    return await tx.first(LOCK, {"id": list_id})


async def page(tx: Reader, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """Lists, the newest first."""
    return await tx.all(PAGE, {"before": before, "limit": limit})


async def create(tx: Writer, name: str, created_by: str) -> int:
    """Insert an empty list that is being uploaded."""
    row = await tx.first(CREATE, {"name": name, "created_by": created_by})
    assert row is not None  # noqa: S101 - insert returning has a row
    return int(row.id)


async def add(tx: Writer, list_id: int, user_ids: list[str]) -> int | None:
    """Add users, and tell how many were new; None when the list takes nobody."""
    if await tx.first(OPEN, {"id": list_id}) is None:
        return None
    new = await tx.run(ADD, {"id": list_id, "user_ids": user_ids})
    await tx.run(GROW, {"id": list_id, "n": new})
    return new


async def complete(tx: Writer, list_id: int) -> None:
    """Say that the upload has reached its end: audiences may name the list."""
    await tx.run(COMPLETE, {"id": list_id})


async def look_at(tx: Writer) -> None:
    """Let PostgreSQL learn how long lists are."""
    await tx.run(ANALYZE)


async def discard(tx: Writer, list_id: int) -> None:
    """Delete a list for everybody; its members go in small steps."""
    await tx.run(DISCARD, {"id": list_id})


async def needed_by(tx: Reader, list_id: int) -> list[int]:
    """The first campaigns that name it and are not over."""
    return [row.id for row in await tx.all(NEEDED_BY, {"id": list_id})]


async def empty_one(tx: Writer, limit: int) -> int:
    """Delete up to `limit` members of a discarded list, and the list with its last ones; how many went."""
    row = await tx.first(DISCARDED)
    if row is None:
        return 0
    gone = await tx.run(EMPTY, {"id": row.id, "limit": limit})
    if gone < limit:
        await tx.run(DELETE, {"id": row.id})
    return gone
