"""The desk over PostgreSQL, whose clock is replaced by one that stands still until it is set."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import make_url

from shared.db import Database
from tests.chaos.simulation.ledger.ledger import CONTENT, target_hash
from tests.contracts.ledger.desk import Desk, Time
from tests.contracts.ledger.picture import TABLES, Rows, columns, plain

CLOCK = (
    "create schema simulated",
    "create table simulated.clock (at timestamptz)",
    "insert into simulated.clock values (now())",
    "create function simulated.now() returns timestamptz language sql stable as 'select at from simulated.clock'",
    """
    create function simulated.clock_timestamp() returns timestamptz language sql stable
        as 'select at from simulated.clock'
    """,
    "alter table campaign_batch alter due_at set default simulated.now(), alter since set default simulated.now()",
    "alter table campaign_plan alter touched_at set default simulated.now()",
    "alter table campaign_event alter at set default simulated.now()",
    "alter table stop alter created_at set default simulated.now()",
)
"""A clock that stands still until it is set. PostgreSQL finds a function in the schema that comes first in its path."""
SET = text("update simulated.clock set at = to_timestamp(:now)")
DEVICES = text("""
    insert into device (project_id, user_id, platform, target_kind, target, target_hash)
    select :project, 'user-' || n, :platform, 'token', k.target, decode(k.hash, 'hex')
      from unnest(cast(:targets as text[]), cast(:hashes as text[])) with ordinality as k (target, hash, n)
     order by n
    returning id
""")
CAMPAIGN = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, rate, status,
                          scheduled_at)
    values ('News', cast(:content as jsonb), cast(:audience as jsonb), :priority, :ttl, :delivery, :max_attempts, :rate,
            :status, to_timestamp(cast(:scheduled_at as float8)))
    returning id
""")
PROJECT = text("insert into project (id, rate) values (:name, :rate) on conflict (id) do update set rate = :rate")
REFRESH = text("update device set target = :target, target_hash = :hash, active = true where id = :id")


class PostgresqlDesk(Desk):
    """Over PostgreSQL, with a clock of its own in place of PostgreSQL's."""

    def __init__(self, database: Database, time: Time) -> None:
        super().__init__(database, time)
        self._targets = 0

    async def wait(self, seconds: float) -> None:
        """Set the clock."""
        await super().wait(seconds)
        await self._run(SET, now=self.time.now)

    async def reset(self) -> None:
        """Empty every table, and set the clock to what it is."""
        await self._run(text("truncate campaign, device, outbox, stop restart identity cascade"))
        await self._run(text("delete from project"))
        await self._run(PROJECT, name="default", rate=10_000.0)
        await self._run(SET, now=self.time.now)
        self._targets = 0

    async def _run(self, statement: Any, **values: Any) -> None:
        async with self.database.write() as tx:
            await tx.run(statement, values)

    async def add_project(self, name: str, *, rate: float) -> None:
        """Add it."""
        await self._run(PROJECT, name=name, rate=rate)

    async def devices(self, count: int, *, project: str = "default", platform: str = "android") -> list[int]:
        """Register them."""
        targets = [f"target-{self._targets + number}" for number in range(count)]
        self._targets += count
        hashes = [target_hash(target).hex() for target in targets]
        async with self.database.write() as tx:
            rows = await tx.all(
                DEVICES, {"project": project, "platform": platform, "targets": targets, "hashes": hashes}
            )
        return sorted(row.id for row in rows)

    async def draft(
        self,
        *,
        audience: dict[str, Any] | None = None,
        priority: str = "normal",
        delivery: str = "at_least_once",
        max_attempts: int = 3,
        rate: float | None = None,
        ttl: int = 36_000,
        scheduled_at: float | None = None,
    ) -> int:
        """Write it."""
        async with self.database.write() as tx:
            row = await tx.first(
                CAMPAIGN,
                {
                    "content": json.dumps({**CONTENT, "priority": priority}),
                    "audience": json.dumps(audience or {"kind": "all"}),
                    "priority": priority,
                    "ttl": ttl,
                    "delivery": delivery,
                    "max_attempts": max_attempts,
                    "rate": rate,
                    "status": "draft" if scheduled_at is None else "scheduled",
                    "scheduled_at": scheduled_at,
                },
            )
        assert row is not None
        return int(row.id)

    async def refresh(self, device: int, target: str) -> None:
        """Give it."""
        await self._run(REFRESH, id=device, target=target, hash=target_hash(target))

    async def rows(self) -> Rows:
        """Read them."""
        found: Rows = {}
        async with self.database.read() as tx:
            for name, (kind, source) in TABLES.items():
                names = columns(kind)
                rows = await tx.all(text(f"select {', '.join(names)} from {source}"))  # noqa: S608 - names of ours
                found[name] = [dict(zip(names, map(plain, row), strict=True)) for row in rows]
        return found


@asynccontextmanager
async def postgresql_desk(url: str, time: Time) -> AsyncGenerator[PostgresqlDesk]:
    """Open a desk on a database, whose clock is replaced."""
    first = Database(url, name="desk", pool=1)
    async with first.write() as tx:
        for statement in CLOCK:
            await tx.run(text(statement))
        name = make_url(url).database
        await tx.run(text(f'alter database "{name}" set search_path = simulated, pg_catalog, public'))
    await first.close()
    database = Database(url, name="desk", pool=2)
    try:
        desk = PostgresqlDesk(database, time)
        await desk.wait(0)
        yield desk
    finally:
        await database.close()
