"""The aggregator alone: results in its queue become a committed ledger."""

import asyncio
import time
from typing import Annotated, Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher
from shared.contracts.messages import BatchResult
from shared.topology import RESULTS
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import conclude, cpu
from tests.support.eventually import eventually

ROWS = "select batch_no, size from campaign_batch where campaign_id = $1 order by batch_no"
PENDING = "select pending from campaign where id = $1"
DONE = "select status from campaign where id = $1"
LEAST = 300_000
DEAD_EVERY = 100
"""One device in a hundred is dead: a code and a hash in the result, a deactivation after the merge."""
OUTSTANDING = 200
"""Publishes that wait for their confirm at once."""


def main(
    devices: Annotated[int, typer.Option(min=500)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from a queue full of results to the completed campaign, 1 % dead."""
    figures = asyncio.run(measure(devices))
    targets = {f"{LEAST:,} devices/s": figures["per_second"] >= LEAST}
    conclude(f"aggregator, {devices:,} devices", figures, targets, as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Run it on a fresh stack without senders."""
    async with (
        Stack(StackOptions(name="bench", senders=())) as stack,
        ledger(stack.database_url) as connection,
    ):
        return await merge(stack, connection, devices)


async def merge(stack: Stack, connection: asyncpg.Connection, devices: int) -> dict[str, Any]:
    """Plan, publish every result while the aggregator is stopped, start it, and wait for the completed campaign."""
    stack.processes["aggregator-1"].stop(30)
    await fill(connection, devices)
    campaign_id = await send(connection, stack.database_url)

    async def planned() -> bool:
        return bool(await connection.fetchval("select planned_at from campaign where id = $1", campaign_id))

    await eventually(planned, within=300)
    await _publish_results(stack.amqp_url, campaign_id, await connection.fetch(ROWS, campaign_id))
    before = stack.cpu_seconds()
    stack.processes["aggregator-1"].start()

    async def merged() -> int:
        return devices - int(await connection.fetchval(PENDING, campaign_id))

    at_start = await eventually(merged, within=60)
    if at_start > devices / 2:
        raise AssertionError(f"{devices} devices are too few to measure: they were merged between two looks.")
    began = time.monotonic()

    async def completed() -> bool:
        return bool(await connection.fetchval(DONE, campaign_id) == "completed")

    await eventually(completed, within=300)
    took = time.monotonic() - began
    return {
        "devices": devices,
        "per_second": round((devices - at_start) / took),
        "seconds": round(took, 2),
        **cpu(before, stack.cpu_seconds(), devices),
    }


async def _publish_results(amqp_url: str, campaign_id: int, rows: list[Any]) -> None:
    async with await connect(amqp_url, name="bench", timeout=10) as connection:
        publisher = Publisher(connection)
        await publisher.open(RESULTS)
        for start in range(0, len(rows), OUTSTANDING):
            await asyncio.gather(
                *(
                    publisher.publish(_result(campaign_id, row["batch_no"], row["size"]), RESULTS, "result.normal")
                    for row in rows[start : start + OUTSTANDING]
                )
            )
        await publisher.close()


def _result(campaign_id: int, batch_no: int, size: int) -> BatchResult:
    dead = range(0, size, DEAD_EVERY)
    return BatchResult(
        campaign_id=campaign_id,
        batch_no=batch_no,
        epoch=0,
        outcomes="".join("U" if position in dead else "A" for position in range(size)),
        codes=dict.fromkeys(dead, "UNREGISTERED"),
        dead={position: f"{position:032x}" for position in dead},
        samples={"UNREGISTERED": "Requested entity was not found."},
    )
