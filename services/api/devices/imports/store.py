"""Queries of imports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.db import Reader, Writer

_COLUMNS = """
    id, name, format, state, lines, received, registered, rejected, problem, created_by, created_at, started_at,
    touched_at, completed_at
"""
ONE = text(f"select {_COLUMNS} from import_job where id = :id")  # noqa: S608 - a constant
PAGE = text(f"select {_COLUMNS} from import_job where id < :before order by id desc limit :limit")  # noqa: S608
CREATE = text("insert into import_job (name, format, created_by) values (:name, :format, :by) returning id")
TAKE = text("""
    update import_job
       set state = 'running', holder = :holder, problem = null, touched_at = now(),
           started_at = coalesce(started_at, now())
     where id = :id and state <> 'done'
    returning lines, rejected
""")
ADVANCE = text("""
    update import_job
       set lines = :lines, received = received + :received, registered = registered + :registered,
           rejected = rejected + :rejected, touched_at = now()
     where id = :id and holder = :holder and lines < :lines
""")
IS_AT = text("select 1 from import_job where id = :id and holder = :holder and lines = :lines")
REJECT = text("""
    insert into import_rejected (import_id, line, problem, content)
    select cast(:id as bigint), k.line, k.problem, k.content
      from unnest(cast(:lines as bigint[]), cast(:problems as text[]), cast(:contents as text[]))
           as k (line, problem, content)
    on conflict do nothing
""")
END = text("""
    update import_job
       set state = :state, problem = :problem, holder = null, touched_at = now(),
           completed_at = case when :state = 'done' then now() end
     where id = :id and holder = :holder
""")
REJECTED = text("""
    select line, problem, content from import_rejected where import_id = :id and line > :after
     order by line limit :limit
""")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that was not taken."""

    line: int
    problem: str
    content: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """What a chunk adds to its import; `lines` is how far the body is done."""

    lines: int
    received: int
    registered: int
    rejected: int
    kept: Sequence[Rejected] = field(default=())


async def create(tx: Writer, name: str, media: str, by: str) -> int:
    """Insert a job that waits for its body."""
    row = await tx.first(CREATE, {"name": name, "format": media, "by": by})
    assert row is not None  # noqa: S101 - insert returning has a row
    return int(row.id)


async def one(tx: Reader, import_id: int) -> Row[Any] | None:
    """A job."""
    return await tx.first(ONE, {"id": import_id})


async def page(tx: Reader, *, before: int, limit: int) -> Sequence[Row[Any]]:
    """Jobs, the newest first."""
    return await tx.all(PAGE, {"before": before, "limit": limit})


async def take(tx: Writer, import_id: int, holder: str) -> Row[Any] | None:
    """Make the job this request's, whoever had it; None when it is done. The row tells how far it is."""
    return await tx.first(TAKE, {"id": import_id, "holder": holder})


async def advance(tx: Writer, import_id: int, holder: str, progress: ImportProgress) -> bool:
    """Note a chunk in its own transaction; False when the job is another request's, or there already."""
    counted = {
        "lines": progress.lines,
        "received": progress.received,
        "registered": progress.registered,
        "rejected": progress.rejected,
    }
    if not await tx.run(ADVANCE, {"id": import_id, "holder": holder, **counted}):
        return False
    if progress.kept:
        columns = {
            "lines": [one.line for one in progress.kept],
            "problems": [one.problem for one in progress.kept],
            "contents": [one.content for one in progress.kept],
        }
        await tx.run(REJECT, {"id": import_id, **columns})
    return True


async def is_at(tx: Reader, import_id: int, holder: str, lines: int) -> bool:
    """Whether the job is this request's and has come as far as this line."""
    return await tx.first(IS_AT, {"id": import_id, "holder": holder, "lines": lines}) is not None


async def end(tx: Writer, import_id: int, holder: str, state: str, problem: str | None) -> bool:
    """Let go of the job; False when it is another request's by now."""
    return bool(await tx.run(END, {"id": import_id, "holder": holder, "state": state, "problem": problem}))


async def rejected(tx: Reader, import_id: int, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """Rejected lines that were kept, in the body's order."""
    return await tx.all(REJECTED, {"id": import_id, "after": after, "limit": limit})
