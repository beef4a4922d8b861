"""The sender's own queries."""

from collections.abc import AsyncIterator

import pytest

from services.sender.store import Store
from shared.ledger import projects
from tests.integration.shared.ledger.stage import Stage, staged


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
