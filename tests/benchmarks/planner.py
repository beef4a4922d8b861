"""The planner alone: an audience becomes batches, confirmed by the broker."""

import asyncio
import time
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import cpu_per_message, report
from tests.support.eventually import eventually

QUEUED = "select count(*) from campaign_batch where campaign_id = $1 and state = 'queued'"
PLANNED = "select total from campaign where id = $1 and planned_at is not null"


def main(
    devices: Annotated[int, typer.Option(min=500)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from the send command until every batch is confirmed and stamped; nobody consumes."""
    report(f"planner, {devices:,} devices", asyncio.run(measure(devices)), as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Plan one campaign to all on a stack without senders."""
    async with Stack(StackOptions(name="bench", senders=(), aggregators=0)) as stack:
        async with ledger(stack.database_url) as connection:
            await fill(connection, devices)
            before, began = stack.cpu_seconds(), time.monotonic()
            campaign_id = await send(connection, stack.database_url)
            batches = -(-devices // 500)

            async def planned_and_queued() -> bool:
                planned = await connection.fetchval(PLANNED, campaign_id) == devices
                return bool(planned and await connection.fetchval(QUEUED, campaign_id) == batches)

            await eventually(planned_and_queued, within=300)
            took = time.monotonic() - began
        used = cpu_per_message(before, stack.cpu_seconds(), devices)
    return {
        "devices": devices,
        "per_second": round(devices / took),
        "seconds": round(took, 2),
        "cpu_us_per_device": used,
    }
