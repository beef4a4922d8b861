"""Maintenance over a ledger with old and new campaigns."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import text

from services.planner.maintenance import Maintenance
from shared.db import Database
from shared.ledger import retention
from shared.ledger.retention import Retention

KEEP = Retention(campaigns=10, events=5, audit=10)

CAMPAIGN = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, status, completed_at,
                          total, accepted)
    values ('t', '{}', cast(:audience as jsonb), 'high', 1, 'at_least_once', 1, :status,
            now() - make_interval(days => :days), 4, 4)
    returning id
""")
LEDGER = (
    """
    insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, state, outcomes, reported, first_id,
                                last_id)
    select :id, n, 'high', 'default', 2, 'finished', 'AA', 'AA', 1, 2 from generate_series(1, :batches) as n
    """,
    """
    insert into campaign_batch_member (campaign_id, batch_no, near)
    select campaign_id, batch_no, '{0,1}' from campaign_batch where campaign_id = :id
    """,
    "insert into campaign_event (campaign_id, campaign_seq, name) values (:id, 1, 'completed')",
    "insert into campaign_plan (campaign_id, max_id, done) values (:id, 1, true)",
    "insert into campaign_error (campaign_id, code, count) values (:id, 'UNREGISTERED', 1)",
)
COUNT = """
    select (select count(*) from campaign_batch where campaign_id = c.id) as batches,
           (select count(*) from campaign_batch_member where campaign_id = c.id) as devices,
           (select count(*) from campaign_event where campaign_id = c.id) as events,
           (select count(*) from campaign_error where campaign_id = c.id) as errors,
           accepted, ledger_deleted_at is not null as deleted
      from campaign c where id = :id
"""


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """The ledger."""
    database = Database(database_url, name="test", pool=4)
    yield database
    await database.close()


async def campaign(
    database: Database, *, days: int, status: str = "completed", follows: int | None = None, batches: int = 2
) -> int:
    """A campaign that ended `days` ago, with its ledger."""
    audience = {} if follows is None else {"kind": "follow_up", "campaign_id": follows, "outcomes": ["dead"]}
    async with database.write() as tx:
        row = await tx.first(CAMPAIGN, {"status": status, "days": days, "audience": json.dumps(audience)})
        assert row is not None
        for statement in LEDGER:
            values = {"id": row.id, **({"batches": batches} if ":batches" in statement else {})}
            await tx.run(text(statement), values)
    return int(row.id)


async def counts(database: Database, campaign_id: int) -> dict[str, Any]:
    """What is left of it."""
    async with database.read() as tx:
        row = await tx.first(text(COUNT), {"id": campaign_id})
    assert row is not None
    return dict(row._mapping)


async def test_an_old_ledger_goes_and_its_counters_stay(database: Database) -> None:
    """A young one and one under way stay whole."""
    old, young = await campaign(database, days=11), await campaign(database, days=4)
    running = await campaign(database, days=11, status="paused")
    await Maintenance(database, KEEP, breath=0).round()
    gone = await counts(database, old)
    assert gone == {"batches": 0, "devices": 0, "events": 0, "errors": 1, "accepted": 4, "deleted": True}
    for campaign_id in (young, running):
        kept = await counts(database, campaign_id)
        assert (kept["batches"], kept["devices"], kept["events"], kept["deleted"]) == (2, 2, 1, False)


async def test_a_ledger_goes_in_steps_that_are_short(database: Database) -> None:
    """A crash between two of them leaves the rest for the next round; nobody takes what is left for the whole."""
    old = await campaign(database, days=11, batches=retention.STEP + 1)
    async with database.write() as tx:
        assert await retention.delete_old_ledger(tx, KEEP) == old
    between = await counts(database, old)
    assert (between["batches"], between["devices"], between["deleted"]) == (1, 1, True)
    await Maintenance(database, KEEP, breath=0).round()
    left = await counts(database, old)
    assert (left["batches"], left["devices"], left["events"]) == (0, 0, 0)


@pytest.mark.parametrize("status", ["draft", "scheduled", "sending", "paused"])
async def test_a_ledger_stays_while_a_follow_up_still_reads_it(database: Database, status: str) -> None:
    """However long it is only written; until it is planned."""
    old = await campaign(database, days=11)
    follow_up = await campaign(database, days=0, status=status, follows=old)
    maintenance = Maintenance(database, KEEP, breath=0)
    await maintenance.round()
    kept = await counts(database, old)
    assert (kept["batches"], kept["deleted"]) == (2, False)
    async with database.write() as tx:
        await tx.run(text("update campaign set planned_at = now() where id = :id"), {"id": follow_up})
    await maintenance.round()
    assert (await counts(database, old))["deleted"]


async def test_a_follow_up_that_came_to_nothing_keeps_no_ledger(database: Database) -> None:
    """It was cancelled before it was planned."""
    old = await campaign(database, days=11)
    await campaign(database, days=0, status="cancelled", follows=old)
    await Maintenance(database, KEEP, breath=0).round()
    assert (await counts(database, old))["deleted"]


async def test_events_go_earlier_than_their_ledger(database: Database) -> None:
    """They are for those who follow; the ledger is for those who ask."""
    ended = await campaign(database, days=6)
    await Maintenance(database, KEEP, breath=0).round()
    left = await counts(database, ended)
    assert (left["batches"], left["events"], left["deleted"]) == (2, 0, False)


async def test_replicas_take_different_ledgers(database: Database) -> None:
    """What one holds the others pass by."""
    first, second = await campaign(database, days=12), await campaign(database, days=11)
    async with database.write() as one, database.write() as other:
        assert await retention.delete_old_ledger(one, KEEP) == first
        assert await retention.delete_old_ledger(other, KEEP) == second


async def test_answers_entries_and_heartbeats_go_when_they_are_old(database: Database) -> None:
    """And no sooner."""
    async with database.write() as tx:
        await tx.run(
            text("""
            insert into idempotency (key_id, key, fingerprint, holder, created_at)
            values (0, 'old', '', '', now() - interval '25 hours'), (0, 'new', '', '', now() - interval '23 hours')
            """)
        )
        await tx.run(
            text("""
            insert into audit_log (key_id, key_name, role, method, route, resource, request_id, at)
            select 0, name, 'admin', '', '', '', '', now() - age::interval
              from (values ('old', '11 days'), ('new', '9 days')) as entry (name, age)
            """)
        )
        await tx.run(
            text("""
            insert into heartbeat (instance, service, version, host, started_at, seen_at, every, in_flight, rate)
            select name, '', '', '', now(), now() - age::interval, 5, 0, 0
              from (values ('old', '61 minutes'), ('new', '59 minutes')) as beat (name, age)
            """)
        )
    await Maintenance(database, KEEP, breath=0).round()
    async with database.read() as tx:
        left = await tx.first(
            text("""
            select (select array_agg(key) from idempotency) as keys, (select array_agg(key_name) from audit_log) as log,
                   (select array_agg(instance) from heartbeat) as beats
            """)
        )
    assert left is not None
    assert (left.keys, left.log, left.beats) == (["new"], ["new"], ["new"])
