"""Ground for benchmarks of single services: devices and a campaign put straight into the ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shared.db import Database
from shared.ledger import campaigns

BOUNDLESS = 1e9
"""A quota in messages a second that no benchmark reaches: the window then never holds the planner back."""

DEVICES = """
    insert into device (project_id, user_id, platform, target_kind, target, target_hash)
    select 'default', 'user-' || n, (array['android', 'ios'])[1 + n % 2], 'token', 'token-' || n,
           substr(sha256(convert_to('token:token-' || n, 'UTF8')), 1, 16)
      from generate_series(1, $1::bigint) as n
"""
CAMPAIGN = """
    insert into campaign (title, content, audience, priority, ttl_seconds, delivery, max_attempts)
    values ('bench', '{"title": "bench", "body": "bench"}', '{"kind": "all"}', 'normal', 86400, 'at_least_once', 4)
    returning id
"""


@asynccontextmanager
async def ledger(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain connection to the ledger."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def fill(connection: asyncpg.Connection, devices: int) -> None:
    """Put devices in, as a vacuumed table that has settled, and lift the project's quota."""
    await connection.execute(DEVICES, devices, timeout=600)
    await connection.execute("vacuum analyze device", timeout=600)
    await connection.execute("update project set rate = $1", BOUNDLESS)


async def send(connection: asyncpg.Connection, database_url: str) -> int:
    """Create a campaign to all and send it; returns its id."""
    campaign_id = int(await connection.fetchval(CAMPAIGN))
    database = Database(database_url, name="bench", pool=1)
    try:
        async with database.write() as tx:
            await campaigns.send(tx, campaign_id)
    finally:
        await database.close()
    return campaign_id
