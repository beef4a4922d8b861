"""A ledger with devices and campaigns in it, and every transition in a word, each in a transaction of its own."""

import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row

from shared.contracts.messages import BatchReady, BatchResult
from shared.db import Database
from shared.ledger import campaigns, claiming, closing, letters, merging, planning, releasing, sweeping
from shared.ledger.completion import complete_if_done
from shared.ledger.planning import NEAR
from shared.ledger.times import Times

DEVICES = text("""
    insert into device (project_id, user_id, platform, target_kind, target, target_hash)
    select :project, 'user-' || n, 'android', 'token', k.target, decode(k.hash, 'hex')
      from unnest(cast(:targets as text[]), cast(:hashes as text[])) with ordinality as k (target, hash, n)
    returning id
""")
CAMPAIGN = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, rate, status,
                          scheduled_at)
    values ('News', '{"title": "News", "body": "All of it"}', cast(:audience as jsonb), :priority, :ttl, :delivery,
            :max_attempts, :rate, 'draft', null)
    returning id
""")
AGE = text("""
    update campaign_batch
       set due_at = now() - interval '1 second', since = since - interval '2 hours', lease_until = lease_until - 7200
     where campaign_id = :id and (cast(:number as integer) is null or batch_no = :number)
""")

Outcome = claiming.Claim | claiming.NoClaim | claiming.NotYet


def target_hash(target: str) -> bytes:
    """What the registry keeps of a target: the first 16 bytes of SHA-256 over kind and value."""
    return hashlib.sha256(f"token:{target}".encode()).digest()[:16]


IDS = """
    select array(select b.first_id + t.distance
                   from unnest(v.distances) with ordinality as t (distance, n) order by n) as ids
      from campaign_batch b join campaign_batch_distances v using (campaign_id, batch_no)
     where campaign_id = :id order by batch_no
"""


class Stage:
    """Short verbs over one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.times = Times(ramp=0)
        self._targets = 0

    async def devices(self, count: int, *, project: str = "default") -> list[int]:
        """Register devices user-1, user-2, …; returns their ids."""
        targets = [f"target-{self._targets + n}" for n in range(count)]
        self._targets += count
        hashes = [target_hash(target).hex() for target in targets]
        async with self.database.write() as tx:
            rows = await tx.all(DEVICES, {"project": project, "targets": targets, "hashes": hashes})
        return sorted(row.id for row in rows)

    async def spread(self) -> None:
        """Register devices from now on with ids so far apart that two of them are no near ones."""
        await self.run(f"alter sequence device_id_seq increment by {NEAR}")

    async def draft(
        self,
        *,
        audience: dict[str, Any] | None = None,
        priority: str = "normal",
        delivery: str = "at_least_once",
        max_attempts: int = 3,
        rate: float | None = None,
        ttl: int = 3600,
    ) -> int:
        """Write a campaign; returns its id."""
        values = {"priority": priority, "delivery": delivery, "max_attempts": max_attempts, "rate": rate, "ttl": ttl}
        audience = audience or {"kind": "all"}
        async with self.database.write() as tx:
            row = await tx.first(CAMPAIGN, {**values, "audience": json.dumps(audience)})
        assert row is not None
        return int(row.id)

    async def sending(self, **options: Any) -> int:
        """Write a campaign and send it."""
        campaign_id = await self.draft(**options)
        async with self.database.write() as tx:
            assert await campaigns.send(tx, campaign_id) is not None
        return campaign_id

    async def planned(self, devices: int = 4, *, size: int = 2, **options: Any) -> list[BatchReady]:
        """Register devices, send a campaign to all, plan it to its end; returns its batches."""
        await self.devices(devices)
        campaign_id = await self.sending(**options)
        page = await self.step(campaign_id, batches=100, size=size)
        assert page is not None
        assert page.done
        return page.batches

    async def claimed(self, devices: int = 2, **options: Any) -> claiming.Claim:
        """Have one batch of a new campaign in the hands of sender-1."""
        batches = await self.planned(devices, size=max(1, devices), **options)
        return self.granted(await self.claim(batches[0]))

    async def step(
        self, campaign_id: int, seq: int | None = None, *, batches: int = 10, size: int = 2
    ) -> planning.Page | None:
        """Do the planning step `seq`, or the ledger's; None when it is not to be done."""
        if seq is None:
            seq = int(await self.value("select seq from campaign_plan where campaign_id = :id", id=campaign_id))
        async with self.database.write() as tx:
            step = await planning.lock_step(tx, campaign_id, seq)
            if step is None or step.status != "sending":
                return None
            page = await planning.cut(tx, step, batches=batches, size=size, times=self.times)
            if page.done:
                await complete_if_done(tx, campaign_id)
            return page

    async def take_planned(self, campaign_id: int, limit: int = 100) -> list[BatchReady]:
        """Take what waits to be published."""
        async with self.database.write() as tx:
            return await planning.take_planned(tx, campaign_id, deadline=None, limit=limit, times=self.times)

    async def stamp(self, *batches: BatchReady) -> None:
        """Mark batches as queued."""
        async with self.database.write() as tx:
            await planning.stamp(tx, batches, self.times)

    async def claim(self, batch: BatchReady, holder: str = "sender-1") -> Outcome:
        """Claim a batch."""
        async with self.database.write() as tx:
            return await claiming.claim(tx, batch, holder=holder, times=self.times)

    def granted(self, outcome: Outcome) -> claiming.Claim:
        """Insist that a claim was granted."""
        assert isinstance(outcome, claiming.Claim), outcome
        return outcome

    async def release(self, claim: claiming.Claim, outcomes: str, **known: Any) -> int | None:
        """Give a batch back; `retry_after` and `attempt` follow from the outcomes unless they are given."""
        reported = letters.join(claim.reported, outcomes)
        still_open = letters.open_positions(claim.outcomes, reported)
        known = {"retry_after": 10.0 if still_open else None, "attempt": claim.attempt + 1, **known}
        return await self.release_as(claim, releasing.Release(outcomes=outcomes, **known))

    async def release_as(self, claim: claiming.Claim, known: releasing.Release) -> int | None:
        """Give a batch back with exactly this."""
        async with self.database.write() as tx:
            return await releasing.release(tx, claim, known, self.times)

    async def merge(self, *results: BatchResult) -> merging.Merged:
        """Fold and merge a window."""
        window = merging.fold(results)
        return await self.database.again(lambda tx: merging.merge(tx, window))

    async def sweep(self, busy_lanes: Iterable[str] = ()) -> sweeping.Swept:
        """Sweep what is due."""
        busy = set(busy_lanes)
        return await self.database.again(lambda tx: sweeping.sweep(tx, busy_lanes=busy, times=self.times))

    async def close(self, campaign_id: int) -> closing.Closed:
        """Do a pass over a cancelled campaign."""
        return await self.database.again(lambda tx: closing.close_slice(tx, campaign_id, self.times))

    async def pause(self, campaign_id: int) -> campaigns.Changed | None:
        """Pause a campaign."""
        async with self.database.write() as tx:
            return await campaigns.pause(tx, campaign_id)

    async def resume(self, campaign_id: int) -> campaigns.Changed | None:
        """Resume a campaign."""
        async with self.database.write() as tx:
            return await campaigns.resume(tx, campaign_id)

    async def cancel(self, campaign_id: int) -> campaigns.Changed | None:
        """Cancel a campaign."""
        async with self.database.write() as tx:
            return await campaigns.cancel(tx, campaign_id)

    async def age(self, campaign_id: int, number: int | None = None) -> None:
        """Let two hours pass for one batch or all."""
        await self.run_values(AGE, id=campaign_id, number=number)

    async def run(self, statement: str, **values: Any) -> int:
        """Execute any statement."""
        return await self.run_values(text(statement), **values)

    async def run_values(self, statement: Any, **values: Any) -> int:
        """Execute a prepared statement."""
        async with self.database.write() as tx:
            return await tx.run(statement, values)

    async def all(self, statement: str, **values: Any) -> list[Row[Any]]:
        """Every row of any query."""
        async with self.database.read() as tx:
            return list(await tx.all(text(statement), values))

    async def ids_by_batch(self, campaign_id: int) -> list[list[int]]:
        """Device ids of each batch, in the order of batches."""
        return [list(row.ids) for row in await self.all(IDS, id=campaign_id)]

    async def all_at_once(self, *statements: str, **values: Any) -> list[Sequence[Row[Any]]]:
        """Every row of several queries, in one transaction."""
        async with self.database.read() as tx:
            return [await tx.all(text(statement), values) for statement in statements]

    async def value(self, statement: str, **values: Any) -> Any:
        """The one value of any query."""
        (row,) = await self.all(statement, **values)
        return row[0]

    async def batch(self, campaign_id: int, number: int = 0) -> Row[Any]:
        """Read a batch's row."""
        (row,) = await self.all(
            "select * from campaign_batch where campaign_id = :id and batch_no = :n", id=campaign_id, n=number
        )
        return row

    async def campaign(self, campaign_id: int) -> Row[Any]:
        """Read a campaign's row."""
        (row,) = await self.all("select * from campaign where id = :id", id=campaign_id)
        return row

    async def counters(self, campaign_id: int) -> dict[str, int]:
        """Read a campaign's counters that are not zero."""
        row = await self.campaign(campaign_id)
        return {name: getattr(row, name) for name in letters.NAMES.values() if getattr(row, name)}

    async def letters_by_name(self, campaign_id: int) -> dict[str, int]:
        """Count the letters in a campaign's batches: what its counters must say."""
        rows = await self.all("select outcomes from campaign_batch where campaign_id = :id", id=campaign_id)
        counted = Counter("".join(row.outcomes for row in rows))
        return {letters.NAMES[letter]: count for letter, count in counted.items()}

    async def events(self, campaign_id: int) -> list[str]:
        """Names of a campaign's events in their order."""
        rows = await self.all(
            "select name from campaign_event where campaign_id = :id order by campaign_seq", id=campaign_id
        )
        return [row.name for row in rows]

    async def commands(self, campaign_id: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and body of a campaign's commands in the outbox."""
        rows = await self.all(
            "select routing_key, body from outbox where kind = 'command' and body like :body order by id",
            body=f'{{"campaign_id":{campaign_id}%',
        )
        return [(row.routing_key, json.loads(row.body)) for row in rows]

    async def now(self) -> datetime:
        """Tell PostgreSQL's time."""
        value: datetime = await self.value("select clock_timestamp()")
        return value


def result(claim: claiming.Claim, outcomes: str, **known: Any) -> BatchResult:
    """What the sender that holds `claim` publishes."""
    return BatchResult(
        campaign_id=claim.campaign_id, batch_no=claim.batch_no, epoch=claim.epoch, outcomes=outcomes, **known
    )


@asynccontextmanager
async def staged(url: str) -> AsyncGenerator[Stage]:
    """Open a stage on a database."""
    database = Database(url, name="stage", pool=6)
    try:
        yield Stage(database)
    finally:
        await database.close()
