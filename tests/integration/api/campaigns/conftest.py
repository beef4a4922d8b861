"""Campaigns, devices and outcomes written straight into the ledger, for routes that only look or steer."""

from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.db import Database

CAMPAIGN = {"title": "주말 특가", "body": "오늘까지", "priority": "normal", "audience": {"kind": "all"}}
LINE = '{{"user_id":"user-{n}","platform":"{platform}","target":{{"kind":"token","value":"t-{n}"}}}}\n'

Create = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
def create(client: httpx.AsyncClient) -> Create:
    """Create a campaign through the API; with `send=True` send it."""

    async def work(*, send: bool = False, **changes: Any) -> dict[str, Any]:
        answer = await client.post("/v1/campaigns", json={**CAMPAIGN, **changes})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        if send:
            assert (await client.post(f"/v1/campaigns/{created['id']}/send")).status_code == 202
        return created

    return work


@pytest.fixture
async def devices(client: httpx.AsyncClient) -> list[str]:
    """Ten devices of users user-0 to user-9, every third on iOS."""
    lines = "".join(LINE.format(n=n, platform="ios" if n % 3 == 0 else "android") for n in range(10))
    answer = await client.post("/v1/devices/bulk", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.json()["registered"] == 10
    return [f"user-{n}" for n in range(10)]


async def set_status(database: Database, campaign_id: int, status: str) -> None:
    """Put a campaign into a state, whatever led there."""
    async with database.write() as tx:
        await tx.run(text("update campaign set status = :status where id = :id"), {"status": status, "id": campaign_id})
