"""Ground for benchmarks of single services: devices and a campaign put straight into the ledger."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shared.db import Database
from shared.ledger import campaigns
from tests.support.eventually import eventually

BOUNDLESS = 1e9
"""A quota in messages a second that no benchmark reaches: the window then never holds the planner back."""

DEVICES = """
    insert into device (project_id, user_id, platform, target_kind, target, target_hash)
    select $3, 'user-' || n, (array['android', 'ios'])[1 + n % 2], 'token', 'token-' || n,
           substr(sha256(convert_to('token:token-' || n, 'UTF8')), 1, 16)
      from generate_series($1::bigint, $2::bigint) as n
"""
PROJECT = "insert into project (id) values ($1) on conflict do nothing"
CAMPAIGN = """
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts)
    values ('bench', '{"title": "bench", "body": "bench"}', $1, 'normal', 86400, 'at_least_once', 4)
    returning id
"""
ALL: Mapping[str, Any] = {"kind": "all"}
QUEUED = """
    select coalesce(sum(size), 0) from campaign_batch where campaign_id = any($1::bigint[]) and state <> 'planned'
"""


@asynccontextmanager
async def ledger(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the ledger."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(connection: asyncpg.Connection, devices: int, *, first: int = 1, project: str = "default") -> None:
    """Put devices in, as a vacuumed table that has settled, and lift the quota; `first` is above all earlier ones."""
    await connection.execute(PROJECT, project)
    await connection.execute(DEVICES, first, first + devices - 1, project, timeout=600)
    await connection.execute("vacuum analyze device", timeout=600)
    await connection.execute("update project set rate = $1", BOUNDLESS)


async def send(connection: asyncpg.Connection, database_url: str, audience: Mapping[str, Any] = ALL) -> int:
    """Create a campaign, to all unless told otherwise, and send it; returns its id."""
    campaign_id = int(await connection.fetchval(CAMPAIGN, json.dumps(audience)))
    database = Database(database_url, name="bench", pool=1)
    try:
        async with database.write() as tx:
            await campaigns.send(tx, campaign_id)
    finally:
        await database.close()
    return campaign_id


async def queued(connection: asyncpg.Connection, campaign_ids: Sequence[int], devices: int) -> None:
    """Wait until the campaigns are planned whole and every batch is in its lane."""

    async def whole() -> bool:
        return bool(await connection.fetchval(QUEUED, campaign_ids) == devices)

    await eventually(whole, within=300)
