"""The ledger's size: bytes on disk for each device that a campaign went to."""

import asyncio
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks import aggregator, ground
from tests.benchmarks.report import conclude

MOST = 12.0
SIZES = """
    select relname, pg_table_size(oid)::float8 as heap, pg_indexes_size(oid)::float8 as indexes from pg_class
     where relkind = 'r' and relname = any($1::text[])
"""
TABLES = ("campaign", "campaign_plan", "campaign_batch", "campaign_batch_member", "campaign_error", "campaign_event")


def main(
    devices: Annotated[int, typer.Option(min=500)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Bytes a device after a campaign with 1 % dead tokens: as it was left, as vacuum leaves it, and packed."""
    figures = asyncio.run(measure(devices))
    targets = {f"{MOST:.0f} bytes a device": figures["vacuumed"]["bytes_per_device"] <= MOST}
    conclude(f"ledger, {devices:,} devices", figures, targets, as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Run a campaign on a fresh stack by results that are ready, and weigh its tables."""
    async with (
        Stack(StackOptions(name="bench", senders=())) as stack,
        ground.ledger(stack.database_url) as connection,
    ):
        campaign = await aggregator.merge(stack, connection, devices)
        left = await _weigh(connection, devices)
        for table in TABLES:
            await connection.execute(f"vacuum {table}", timeout=300)
        vacuumed = await _weigh(connection, devices)
        for table in TABLES:
            await connection.execute(f"vacuum full {table}", timeout=300)
        packed = await _weigh(connection, devices)
    return {"devices": devices, "left": left, "vacuumed": vacuumed, "packed": packed, **campaign}


async def _weigh(connection: asyncpg.Connection, devices: int) -> dict[str, float]:
    """Bytes a device by table and for all indexes."""
    rows = await connection.fetch(SIZES, TABLES)
    tables = {row["relname"]: round(row["heap"] / devices, 2) for row in rows}
    indexes = sum(row["indexes"] for row in rows) / devices
    total = sum(row["heap"] + row["indexes"] for row in rows) / devices
    return {**tables, "indexes": round(indexes, 2), "bytes_per_device": round(total, 2)}
