"""The aggregator alone: results in its queue become a committed ledger."""

import asyncio
import time
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from shared.amqp.connection import connect
from shared.amqp.publisher import Publisher
from shared.contracts.messages import BatchResult
from shared.topology import RESULTS
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import cpu_per_message, report
from tests.support.eventually import eventually

ROWS = "select batch_no, size from campaign_batch where campaign_id = $1 order by batch_no"
PENDING = "select pending from campaign where id = $1"
DONE = "select status from campaign where id = $1"
SIZE = """
    select (sum(pg_total_relation_size(c.oid)))::float8 from pg_class c
     where c.relname in ('campaign_batch', 'campaign_batch_devices') and c.relkind = 'r'
"""
DEAD_EVERY = 100
"""One device in a hundred is dead: a code and a hash in the result, a deactivation after the merge."""
OUTSTANDING = 200
"""Publishes that wait for their confirm at once."""


def main(
    devices: Annotated[int, typer.Option(min=500)] = 1_000_000,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second from a queue full of results to the completed campaign, 1 % dead; the ledger's size on disk."""
    report(f"aggregator, {devices:,} devices", asyncio.run(measure(devices)), as_json=json)


async def measure(devices: int) -> dict[str, Any]:
    """Plan without senders, publish every result while the aggregator is stopped, start it."""
    async with Stack(StackOptions(name="bench", senders=())) as stack:
        stack.processes["aggregator-1"].stop(30)
        async with ledger(stack.database_url) as connection:
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
            began = time.monotonic()

            async def completed() -> bool:
                return bool(await connection.fetchval(DONE, campaign_id) == "completed")

            await eventually(completed, within=300)
            took = time.monotonic() - began
            used = cpu_per_message(before, stack.cpu_seconds(), devices)
            await connection.execute("vacuum full campaign_batch", timeout=300)
            await connection.execute("vacuum full campaign_batch_devices", timeout=300)
            size = await connection.fetchval(SIZE)
    return {
        "devices": devices,
        "per_second": round((devices - at_start) / took),
        "seconds": round(took, 2),
        "cpu_us_per_device": used,
        "ledger_bytes_per_device": round(size / devices, 2),
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
