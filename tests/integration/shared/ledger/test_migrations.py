"""Bringing a database to the newest schema."""

import asyncio

from shared.ledger.migrations import upgrade
from tests.integration.shared.ledger.stage import Stage


async def test_an_upgrade_of_a_database_at_the_head_changes_nothing(stage: Stage, database_url: str) -> None:
    """Every start runs it."""
    (batch,) = await stage.planned(2)
    before = await stage.value("select version_num from alembic_version")
    await asyncio.to_thread(upgrade, database_url)
    assert await stage.value("select version_num from alembic_version") == before
    assert (await stage.batch(batch.campaign_id)).state == "planned"
