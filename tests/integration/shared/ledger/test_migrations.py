"""Bringing a database to the newest schema."""

import asyncio

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shared.ledger.migrations import upgrade
from tests.integration.shared.ledger.stage import IDS, Stage

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


async def test_what_a_batch_knew_as_ids_it_knows_as_distances(empty_database_url: str) -> None:
    """However far apart they are."""
    batches = [[7], [1, 2, 500], [5, 32772], [5, 32773], [9_000_000_000, 9_000_000_001, 9_002_000_000]]
    await asyncio.to_thread(upgrade, empty_database_url, "0005")
    connection = await asyncpg.connect(empty_database_url)
    try:
        for number, ids in enumerate(batches):
            await connection.execute(BEFORE_DISTANCES, number, ids)
        await asyncio.to_thread(upgrade, empty_database_url)
        after = await connection.fetch(IDS.replace("where campaign_id = :id", ""))
        assert [list(row["ids"]) for row in after] == batches
        assert await connection.fetchval("select count(*) from campaign_batch_devices where near is not null") == 3
        await connection.execute("delete from campaign_batch")
        assert await connection.fetchval("select count(*) from campaign_batch_devices") == 0
    finally:
        await connection.close()
