"""Gauges read from the ledger every few seconds: circuits, lanes, campaigns without progress."""

import asyncio

import structlog
from prometheus_client import Gauge
from sqlalchemy import text

from shared.db import Database, Reader
from shared.errors import UnavailableError
from shared.observability import metrics
from shared.topology import Lane

log = structlog.get_logger()

EVERY = 10.0
"""Seconds between looks: often enough for a scrape every 15 s, and each look costs a few milliseconds."""
STATES = ("planned", "queued", "claimed", "waiting", "reported")
STATUSES = ("scheduled", "sending", "paused", "cancelling")

PROJECTS = text("""
    select id, rate, circuit_reason is not null as open, stopped_platforms,
           greatest(0, paused_until - extract(epoch from clock_timestamp()))::float8 as paused
      from project
""")
# By the partial index of open batches: the planner's windows keep them few.
LANES = text("""
    select b.lane, b.state, count(*) as batches, max(extract(epoch from now() - b.since))::float8 as age
      from campaign_batch b join campaign c on c.id = b.campaign_id
     where b.state <> 'finished' and c.status = 'sending'
     group by b.lane, b.state
""")
CAMPAIGNS = text("""
    select status, count(*) as n from campaign where status in ('scheduled', 'sending', 'paused', 'cancelling')
     group by status
""")
# A campaign whose batches all wait for a retry is not stalled before the last of them is due.
QUIET = text("""
    select coalesce(max(extract(epoch from now() - greatest(c.sent_at, c.progress_at, (
               select max(b.due_at) from campaign_batch b where b.campaign_id = c.id and b.state = 'waiting')))), 0
           )::float8 as seconds
      from campaign c where c.status = 'sending'
""")


class Gauges:
    """Sets the gauges of the ledger every few seconds; any number of planners may, they all say the same."""

    def __init__(self, database: Database) -> None:
        self._database = database
        for state in STATES[1:]:
            # A counter that starts with its first event hides that event from `increase()`.
            metrics.SWEPT.labels(state)

    async def run(self) -> None:
        """Read until cancelled; while PostgreSQL cannot be reached the gauges keep their values."""
        while True:
            try:
                await self.look()
            except UnavailableError as error:
                log.warning("gauges.blind", error=str(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """Read and set all of them once."""
        async with self._database.read() as tx:
            await _projects(tx)
            await _lanes(tx)
            await _campaigns(tx)


async def _projects(tx: Reader) -> None:
    metrics.PLATFORM_STOPPED.clear()
    for row in await tx.all(PROJECTS):
        metrics.QUOTA_RATE.labels(row.id).set(row.rate)
        metrics.CIRCUIT_OPEN.labels(row.id).set(row.open)
        metrics.PROJECT_PAUSED.labels(row.id).set(row.paused)
        for platform in row.stopped_platforms:
            metrics.PLATFORM_STOPPED.labels(row.id, platform).set(1)


async def _lanes(tx: Reader) -> None:
    found = {(row.lane, row.state): row for row in await tx.all(LANES)}
    for lane in Lane:
        for state in STATES:
            row = found.get((str(lane), state))
            metrics.LANE_BATCHES.labels(str(lane), state).set(row.batches if row else 0)
        queued = found.get((str(lane), "queued"))
        metrics.LANE_AGE.labels(str(lane)).set(max(0.0, queued.age) if queued else 0)


async def _campaigns(tx: Reader) -> None:
    _set_all(metrics.CAMPAIGNS, STATUSES, {row.status: row.n for row in await tx.all(CAMPAIGNS)})
    row = await tx.first(QUIET)
    metrics.CAMPAIGN_QUIET.set(max(0.0, row.seconds) if row else 0)


def _set_all(gauge: Gauge, labels: tuple[str, ...], values: dict[str, int]) -> None:
    """Set every label, so that what has ended reads 0 and not what it was."""
    for label in labels:
        gauge.labels(label).set(values.get(label, 0))
