"""Four campaigns at once over four projects: together as fast as one alone."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.fcm import EMULATOR, Target, Trusted, Where, messages_to
from tests.benchmarks.flow import flow
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import conclude

ALONE = "alone"
TOGETHER = tuple(f"together-{number}" for number in range(1, 5))
PROJECTS = (ALONE, *TOGETHER)
SHARE = 0.95
NO_RETRIES = ("--share", "UNREGISTERED=0.01")


def main(
    devices: Annotated[int, typer.Option(min=20_000)] = 200_000,
    fcm: Where = EMULATOR,
    fcm_ca: Trusted = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second of one campaign to N devices, then of four to a quarter of N each, in a project each."""
    with messages_to(fcm, fcm_ca, PROJECTS) as target:
        figures = asyncio.run(measure(devices, target))
    targets = {f"{SHARE:.0%} of one campaign's rate": figures["share"] >= SHARE}
    conclude(f"campaigns, {devices:,} devices to {fcm}", figures, targets, as_json=json)


async def measure(devices: int, target: Target) -> dict[str, Any]:
    """Run first the one, then the four, on one stack."""
    accounts = [part for project in PROJECTS for part in ("--project", project)]
    options = StackOptions(name="bench", emulator=(*NO_RETRIES, *accounts), environment=target.environment)
    quarter = devices // len(TOGETHER)
    async with Stack(options) as stack, ledger(stack.database_url) as connection:
        if target.process is not None:
            stack.processes["null-fcm"] = target.process
        await fill(connection, devices, project=ALONE)
        for nth, project in enumerate(TOGETHER):
            await fill(connection, quarter, first=devices + nth * quarter + 1, project=project)
        alone = await send(connection, stack.database_url, _to(ALONE))
        one = await flow(stack, connection, [alone], devices)
        four = [await send(connection, stack.database_url, _to(project)) for project in TOGETHER]
        together = await flow(stack, connection, four, quarter * len(TOGETHER))
    return {"one": one, "four": together, "share": round(together["per_second"] / one["per_second"], 3)}


def _to(project: str) -> dict[str, Any]:
    return {"kind": "segment", "filter": {"field": "project", "in": [project]}}
