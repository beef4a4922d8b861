"""Memory of the workers, which must not depend on how many devices a campaign goes to."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.fcm import NULL, Target, Trusted, Where, messages_to
from tests.benchmarks.flow import flow
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import conclude

WORKERS = ("planner-1", "sender-1", "aggregator-1")
FLAT = 0.1
"""Share by which a process may be larger, or smaller, at the large campaign than at the small one."""


def main(
    few: Annotated[int, typer.Option(min=5_000)] = 100_000,
    many: Annotated[int, typer.Option(min=10_000)] = 5_000_000,
    fcm: Where = NULL,
    fcm_ca: Trusted = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Highest memory of planner, sender and aggregator in a campaign to FEW devices and in one to MANY (6 minutes)."""
    with messages_to(fcm, fcm_ca) as target:
        figures = asyncio.run(measure(few, many, target))
    targets = {f"{name} flat within {FLAT:.0%}": abs(figures["grown"][name]) <= FLAT for name in WORKERS}
    conclude(f"memory, {few:,} and {many:,} devices", figures, targets, as_json=json)


async def measure(few: int, many: int, target: Target) -> dict[str, Any]:
    """Run both campaigns on one stack, with fresh workers for each."""
    figures: dict[str, Any] = {}
    options = StackOptions(name="bench", environment=target.environment, durable=False)
    async with Stack(options) as stack, ledger(stack.database_url) as connection:
        if target.process is not None:
            stack.processes["null-fcm"] = target.process
        present = 0
        for devices in (few, many):
            await fill(connection, devices - present, first=present + 1)
            present = devices
            for name in WORKERS:
                await asyncio.to_thread(stack.processes[name].stop, 30)
                await asyncio.to_thread(stack.services[name].start)
            campaign = await send(connection, stack.database_url)
            figures[f"{devices}"] = await flow(stack, connection, [campaign], devices, memory_of=WORKERS)
    small, large = (figures[f"{devices}"]["memory_mb"] for devices in (few, many))
    return {**figures, "grown": {name: round(large[name] / small[name] - 1, 3) for name in WORKERS}}
