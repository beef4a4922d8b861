"""Follow-ups beside the deletion of old ledgers."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from services.api.audiences import checking
from shared.db import Database
from shared.ledger import retention
from shared.ledger.retention import Retention
from tests.integration.api.campaigns.conftest import Create

KEEP = Retention(campaigns=10)
OLD = text("""
    update campaign set status = 'completed', planned_at = now(), completed_at = now() - make_interval(days => 11)
     where id = :id
""")
DEAD = {"outcomes": ["dead"]}


@pytest.fixture
async def old(create: Create, database: Database) -> dict[str, Any]:
    """A campaign whose ledger may be deleted."""
    campaign = await create(send=True)
    async with database.write() as tx:
        await tx.run(OLD, {"id": campaign["id"]})
    return campaign


async def step(database: Database) -> int | None:
    """One step of the deletion: the campaign that lost its ledger."""
    async with database.write() as tx:
        return await retention.delete_old_ledger(tx, KEEP)


async def test_what_a_draft_follows_up_is_kept_also_through_a_clone_of_it(
    client: httpx.AsyncClient, database: Database, old: dict[str, Any]
) -> None:
    """A clone's parent is the draft; its audience is still made of the old campaign."""
    draft = (await client.post(f"/v1/campaigns/{old['id']}/follow-up", json=DEAD)).json()
    clone = (await client.post(f"/v1/campaigns/{draft['id']}/clone")).json()
    assert clone["audience"]["campaign_id"] == old["id"]
    assert (await client.delete(f"/v1/campaigns/{draft['id']}")).status_code == 204
    assert await step(database) is None
    assert (await client.delete(f"/v1/campaigns/{clone['id']}")).status_code == 204
    assert await step(database) == old["id"]


async def test_a_follow_up_of_what_is_being_deleted_is_refused(
    client: httpx.AsyncClient, database: Database, old: dict[str, Any]
) -> None:
    """From the first step on: half a ledger is none."""
    assert await step(database) == old["id"]
    refused = await client.post(f"/v1/campaigns/{old['id']}/follow-up", json=DEAD)
    assert refused.status_code == 422
    assert "were deleted" in refused.json()["detail"]


async def test_a_ledger_that_a_draft_is_just_written_for_is_passed_by(database: Database, old: dict[str, Any]) -> None:
    """Who writes the draft holds it; deletion does not wait."""
    async with database.write() as writing:
        row = await checking.followed(writing, old["id"])
        assert row is not None
        assert row.ledger_deleted_at is None
        assert await step(database) is None
    assert await step(database) == old["id"]
