"""The planner alone: an audience becomes batches, confirmed by the broker."""

import asyncio
import time
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import conclude, cpu
from tests.support.eventually import eventually

LEAST = 400_000
QUEUED = "select count(*) from campaign_batch where campaign_id = $1 and state = 'queued'"
PLANNED = "select total from campaign where id = $1 and planned_at is not null"


def main(
    devices: Annotated[int, typer.Option(min=500)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from the send command until every batch is confirmed and stamped; nobody consumes."""
    figures = asyncio.run(measure(devices))
    targets = {f"{LEAST:,} devices/s": figures["per_second"] >= LEAST}
    conclude(f"planner, {devices:,} devices", figures, targets, as_json=json)


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
        used = cpu(before, stack.cpu_seconds(), devices)
    return {
        "devices": devices,
        "per_second": round(devices / took),
        "seconds": round(took, 2),
        **used,
    }
