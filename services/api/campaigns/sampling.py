"""A random sample of an audience, without reading all of a large registry."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from shared.db import Reader
from shared.ledger.audiences import compile_audience, resolve

PLENTY = 100
"""Devices looked at for each one wanted: enough for a segment of a few percent."""

PERCENT = text("""
    select least(100, 100.0 * :looked_at / greatest(reltuples, 1))::float8 as percent
      from pg_class where oid = 'device'::regclass
""")
# Whole pages at random, 10 ms for 10,000 devices; what is rare may be missed there, and is then looked for everywhere.
SOME = (
    "select d.id from device d tablesample system (:percent) where d.active {condition} order by random() limit :size"
)
ANY = "select d.id from device d where d.active {condition} limit :size"


async def sample(tx: Reader, audience: dict[str, Any], size: int) -> list[int]:
    """Sorted ids of up to `size` devices of the audience; fewer only when it has no more."""
    condition = compile_audience(await resolve(tx, audience, datetime.now(UTC)), steps=False)
    sql = f"and {condition.sql}" if condition.sql else ""
    estimate = await tx.first(PERCENT, {"looked_at": size * PLENTY})
    assert estimate is not None  # noqa: S101 - the table exists
    values = {**condition.values, "size": size}
    rows = await tx.all(text(SOME.format(condition=sql)), {**values, "percent": estimate.percent})
    if len(rows) < size:
        rows = await tx.all(text(ANY.format(condition=sql)), values)
    return sorted(row.id for row in rows)
