"""The sender's own queries."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from services.sender.store import Store
from shared.ledger import claiming, projects
from shared.ledger.claiming import Claim
from tests.integration.shared.ledger.stage import Stage, staged
from tests.support.eventually import eventually


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    """Give a ledger of the test's own."""
    async with staged(database_url) as ledger:
        yield ledger


async def test_a_project_without_credentials_stops_and_its_batch_goes_back(stage: Stage) -> None:
    """The circuit opens with the reason, one event says so, and the planner has the batch at its epoch."""
    first, second = await stage.planned(4)
    store = Store(stage.database, stage.times)
    for batch in (first, second):
        await stage.stamp(batch)
        await store.without_credentials(batch, "no credentials for project 'default'")
    assert [row.state for row in await stage.all("select state from campaign_batch")] == ["planned", "planned"]
    assert await stage.value("select circuit_reason from project") == "no credentials for project 'default'"
    events = await stage.all("select body from outbox where routing_key = 'project.circuit_opened'")
    assert len(events) == 1


async def test_a_claim_whose_place_in_the_quota_went_by_is_booked_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on the batches' table holds up the claim's write, after its booking: what starts then has a place then."""
    monkeypatch.setattr(claiming, "OVERDUE", 0.2)
    batch, _ = await stage.planned(4)
    await stage.stamp(batch)
    store = Store(stage.database, stage.times)
    async with stage.database.write() as tx:
        await tx.run(text("lock table campaign_batch in share mode"), {})
        claiming_it = asyncio.create_task(store.claim(batch, "sender-1"))
        await eventually(lambda: stage.value("select count(*) from pg_locks where not granted"))
        waits_since = asyncio.get_running_loop().time()
        await eventually(lambda: asyncio.get_running_loop().time() - waits_since > 2 * claiming.OVERDUE)
    released = await stage.value("select extract(epoch from clock_timestamp())::float8")
    claim = await claiming_it
    assert isinstance(claim, Claim)
    assert claim.booked_at > released - claiming.OVERDUE
    assert await stage.value("select tat from project") == pytest.approx(
        claim.booked_at + claim.start_in + claim.limit / claim.pace
    )


async def test_what_hinders_a_project_is_told_until_it_is_over(stage: Stage) -> None:
    """For the sender's readiness."""
    store = Store(stage.database, stage.times)
    assert await store.hindrances() == {}
    async with stage.database.write() as tx:
        await projects.open_circuit(tx, "default", "PERMISSION_DENIED: role missing", probe=False, times=stage.times)
        await projects.stop_platform(tx, "default", "ios", "APNs key", times=stage.times)
    assert await store.hindrances() == {
        "project default": "circuit open: PERMISSION_DENIED: role missing; ios stopped: APNs key"
    }
    async with stage.database.write() as tx:
        await projects.close_circuit(tx, "default")
        await projects.release_platforms(tx, "default", frozenset({"ios"}))
    assert await store.hindrances() == {}
