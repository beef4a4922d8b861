"""Bringing a database to the newest schema."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest
from sqlalchemy.exc import ProgrammingError

from shared.ledger.migrations import upgrade
from tests.integration.shared.ledger.stage import IDS, Stage
from tests.support.eventually import eventually

BEFORE_DISTANCES = """
    with campaign as (
        insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts)
        values ('old', '{}', '{"kind": "all"}', 'normal', 60, 'at_least_once', 4) returning id
    ), project as (
        insert into project (id) values ('p') on conflict do nothing
    ), batch as (
        insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, outcomes, reported,
                                    first_id, last_id)
        select id, $1::int, 'normal', 'p', cardinality($2::bigint[]), '.', '.', $2[1], $2[cardinality($2)] from campaign
    )
    insert into campaign_batch_devices (campaign_id, batch_no, ids) select id, $1, $2::bigint[] from campaign
"""


async def test_an_upgrade_of_a_database_at_the_head_changes_nothing(stage: Stage, database_url: str) -> None:
    """Every start runs it."""
    (batch,) = await stage.planned(2)
    before = await stage.value("select version_num from alembic_version")
    await asyncio.to_thread(upgrade, database_url)
    assert await stage.value("select version_num from alembic_version") == before
    assert (await stage.batch(batch.campaign_id)).state == "planned"


BATCHES = [[7], [1, 2, 500], [5, 32772], [5, 32773], [9_000_000_000, 9_000_000_001, 9_002_000_000]]
"""The devices of batches: near each other up to 32,767 ids, or far apart."""
OLD_CUT = """
    with batches as (
        select $1::bigint as campaign_id, $2::integer as batch_no, $3::bigint[] as ids
    ), rows as (
        insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, outcomes, reported,
                                    first_id, last_id)
        select campaign_id, batch_no, 'normal', 'p', 3, '...', '...', ids[1], ids[3] from batches
    )
    insert into campaign_batch_devices (campaign_id, batch_no, ids) select campaign_id, batch_no, ids from batches
"""
NEW_WRITE = """
    with rows as (
        insert into campaign_batch (campaign_id, batch_no, lane, project_id, size, outcomes, reported,
                                    first_id, last_id)
        values ($1::bigint, 100, 'normal', 'p', 2, '..', '..', 5, 6)
    )
    insert into campaign_batch_member (campaign_id, batch_no, near) values ($1, 100, '{0,1}')
"""
WAITS = "select true from pg_locks where not granted and relation = 'campaign_batch_devices'::regclass"
OLD_READ = """
    select array_agg(t.id order by t.n) as ids
      from campaign_batch_devices b cross join lateral unnest(b.ids) with ordinality as t (id, n)
     group by b.campaign_id, b.batch_no order by b.batch_no
"""


@pytest.fixture
async def before_distances(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection to a ledger of the version before, with some batches."""
    await asyncio.to_thread(upgrade, empty_database_url, "0005")
    connection = await asyncpg.connect(empty_database_url)
    try:
        for number, ids in enumerate(BATCHES):
            await connection.execute(BEFORE_DISTANCES, number, ids)
        yield connection
    finally:
        await connection.close()


async def test_what_a_batch_knew_as_ids_it_knows_as_distances(
    before_distances: asyncpg.Connection, empty_database_url: str
) -> None:
    """However far apart they are; who deletes a batch still deletes what it knew."""
    await asyncio.to_thread(upgrade, empty_database_url)
    after = await before_distances.fetch(IDS.replace("where campaign_id = :id", ""))
    assert [list(row["ids"]) for row in after] == BATCHES
    assert await before_distances.fetchval("select count(*) from campaign_batch_member where near is not null") == 3
    await before_distances.execute("delete from campaign_batch")
    assert await before_distances.fetchval("select count(*) from campaign_batch_member") == 0


async def test_services_of_the_version_before_go_on_with_ids(
    before_distances: asyncpg.Connection, empty_database_url: str
) -> None:
    """They read what all have written and write what all can read, also by statements prepared long ago."""
    old_read = await before_distances.prepare(OLD_READ)
    old_cut = await before_distances.prepare(OLD_CUT)
    campaign_id = await before_distances.fetchval("select min(id) from campaign")
    await old_cut.fetch(campaign_id, 97, [3, 4, 9])
    await asyncio.to_thread(upgrade, empty_database_url)
    await old_cut.fetch(campaign_id, 98, [3, 4, 32_770])
    await old_cut.fetch(campaign_id, 99, [3, 4, 32_771])
    await before_distances.execute(NEW_WRITE, campaign_id)
    after = await before_distances.fetch(IDS.replace("where campaign_id = :id", ""))
    expected = [*BATCHES, [3, 4, 9], [3, 4, 32_770], [3, 4, 32_771], [5, 6]]
    assert [list(row["ids"]) for row in after] == expected
    assert [list(row["ids"]) for row in await old_read.fetch()] == expected


async def test_services_under_way_are_waited_for_in_whatever_order_they_take_the_tables(
    before_distances: asyncpg.Connection, empty_database_url: str
) -> None:
    """One that has read devices comes for its batch next: the migration lets it, and tries again."""
    async with before_distances.transaction():
        await before_distances.fetch(OLD_READ)
        upgrading = asyncio.create_task(asyncio.to_thread(upgrade, empty_database_url))
        await eventually(lambda: before_distances.fetchval(WAITS))
        await before_distances.execute("update campaign_batch set since = now()")
        assert not upgrading.done()
    await upgrading
    assert [list(row["ids"]) for row in await before_distances.fetch(OLD_READ)] == BATCHES


async def test_an_upgrade_that_fails_leaves_the_ledger_as_it_was(
    before_distances: asyncpg.Connection, empty_database_url: str
) -> None:
    """A migration is one transaction: what it has dropped by then is there again."""
    await before_distances.execute(
        "create function campaign_batch_devices_insert() returns integer language sql return 1"
    )
    with pytest.raises(ProgrammingError, match="campaign_batch_devices_insert"):
        await asyncio.to_thread(upgrade, empty_database_url)
    assert [list(row["ids"]) for row in await before_distances.fetch(OLD_READ)] == BATCHES
    assert await before_distances.fetchval("select version_num from alembic_version") == "0005"


async def test_a_newer_versions_schema_is_left_as_it_is(stage: Stage, database_url: str) -> None:
    """So that an older version can be started again."""
    await stage.run("update alembic_version set version_num = '9999'")
    assert await asyncio.to_thread(upgrade, database_url) is False
    assert await stage.value("select version_num from alembic_version") == "9999"
