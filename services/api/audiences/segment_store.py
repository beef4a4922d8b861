"""Queries of segments."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader, Writer

_COLUMNS = "id, name, filter, revision, created_by, created_at, updated_at"
ONE = text(f"select {_COLUMNS} from segment where id = :id")  # noqa: S608 - a constant
LOCK = text(f"select {_COLUMNS} from segment where id = :id for update")  # noqa: S608
PAGE = text(f"select {_COLUMNS} from segment where id < :before order by id desc limit :limit")  # noqa: S608
CREATE = text("""
    insert into segment (name, filter, created_by) values (:name, cast(:filter as jsonb), :created_by)
    on conflict (name) do nothing returning id
""")
CHANGE = text("""
    update segment set name = :name, filter = cast(:filter as jsonb), revision = revision + 1, updated_at = now()
     where id = :id and not exists (select from segment other where other.name = :name and other.id <> :id)
""")
DELETE = text("delete from segment where id = :id")
# Only what has not been sent: a campaign that was has its own copy.
NEEDED_BY = text("""
    select id from campaign
     where status in ('draft', 'scheduled')
       and (cast(audience ->> 'segment_id' as bigint) = :id
            or audience #> '{exclude,segment_ids}' @> to_jsonb(cast(:id as bigint)))
     order by id limit 10
""")


async def one(tx: Reader, segment_id: int) -> Row[Any] | None:
    """A segment."""
    return await tx.first(ONE, {"id": segment_id})


async def lock(tx: Writer, segment_id: int) -> Row[Any] | None:
    """The same, held until this transaction ends: nobody can begin to need it."""
    return await tx.first(LOCK, {"id": segment_id})


async def page(tx: Reader, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """Segments, the newest first."""
    return await tx.all(PAGE, {"before": before, "limit": limit})


async def create(tx: Writer, name: str, definition: dict[str, Any], created_by: str) -> int | None:
    """Insert a segment; None when the name is taken."""
    row = await tx.first(CREATE, {"name": name, "filter": json.dumps(definition), "created_by": created_by})
    return None if row is None else int(row.id)


async def change(tx: Writer, segment_id: int, name: str, definition: dict[str, Any]) -> bool:
    """Replace name and filter; False when the name is another's."""
    return bool(await tx.run(CHANGE, {"id": segment_id, "name": name, "filter": json.dumps(definition)}))


async def delete(tx: Writer, segment_id: int) -> None:
    """Delete it."""
    await tx.run(DELETE, {"id": segment_id})


async def needed_by(tx: Reader, segment_id: int) -> list[int]:
    """The first campaigns that name it and have not been sent."""
    return [row.id for row in await tx.all(NEEDED_BY, {"id": segment_id})]
