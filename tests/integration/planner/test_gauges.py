"""The ledger's gauges: what alerts on circuits, lanes and campaigns that stand still are told."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.planner.gauges import Gauges
from shared.db import Database

CAMPAIGN = text("""
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts, status, sent_at,
                          progress_at)
    values ('t', '{}', '{}', 'low', 3600, 'at_least_once', 5, :status, now() - interval '1 hour',
            now() - make_interval(mins => :quiet)) returning id
""")
BATCH = text("""
    insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, state, outcomes, reported, first_id,
                                last_id, due_at, since)
    values (:id, :no, 'low', 'default', 1, :state, '.', '.', 1, 1, now() + make_interval(mins => :due),
            now() - make_interval(mins => :age))
""")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The ledger."""
    database = Database(database_url, name="test", pool=2)
    yield database
    await database.close()


def value(name: str, **labels: str) -> float | None:
    """A gauge as it would be scraped."""
    return REGISTRY.get_sample_value(name, labels)


async def test_projects_tell_their_circuit_pause_and_platforms(database: Database) -> None:
    """And that they are well again."""
    trouble = """
        update project set circuit_reason = 'PERMISSION_DENIED', rate = 5000, stopped_platforms = '{"ios": {}}',
               paused_until = extract(epoch from clock_timestamp()) + 30
    """
    async with database.write() as tx:
        await tx.run(text(trouble))
    await Gauges(database).look()
    assert value("carillon_circuit_open", project="default") == 1
    assert value("carillon_quota_rate", project="default") == 5000
    assert value("carillon_platform_stopped", project="default", platform="ios") == 1
    assert 25 < (value("carillon_project_paused_seconds", project="default") or 0) <= 30
    async with database.write() as tx:
        await tx.run(text("update project set circuit_reason = null, stopped_platforms = '{}', paused_until = 0"))
    await Gauges(database).look()
    assert value("carillon_circuit_open", project="default") == 0
    assert value("carillon_project_paused_seconds", project="default") == 0
    assert value("carillon_platform_stopped", project="default", platform="ios") is None


async def test_lanes_tell_what_is_open_and_how_long_the_oldest_has_waited(database: Database) -> None:
    """By state; a paused campaign's batches wait for nobody."""
    async with database.write() as tx:
        sending, paused = [(await tx.all(CAMPAIGN, {"status": s, "quiet": 1}))[0].id for s in ("sending", "paused")]
        await tx.run(BATCH, {"id": sending, "no": 0, "state": "queued", "due": 1, "age": 7})
        await tx.run(BATCH, {"id": sending, "no": 1, "state": "claimed", "due": 1, "age": 9})
        await tx.run(BATCH, {"id": paused, "no": 0, "state": "queued", "due": 1, "age": 90})
    await Gauges(database).look()
    assert value("carillon_lane_batches", lane="low", state="queued") == 1
    assert value("carillon_lane_batches", lane="low", state="claimed") == 1
    assert value("carillon_lane_batches", lane="high", state="queued") == 0
    assert 7 * 60 <= (value("carillon_lane_age_seconds", lane="low") or 0) < 8 * 60
    assert value("carillon_campaigns", status="sending") == 1
    assert value("carillon_campaigns", status="paused") == 1


async def test_a_campaign_that_waits_for_a_retry_is_not_standing_still(database: Database) -> None:
    """Until the last of its retries is due."""
    async with database.write() as tx:
        campaign = (await tx.all(CAMPAIGN, {"status": "sending", "quiet": 20}))[0].id
    await Gauges(database).look()
    assert 20 * 60 <= (value("carillon_campaign_quiet_seconds") or 0) < 21 * 60
    async with database.write() as tx:
        await tx.run(BATCH, {"id": campaign, "no": 0, "state": "waiting", "due": 5, "age": 10})
    await Gauges(database).look()
    assert value("carillon_campaign_quiet_seconds") == 0
