"""Four campaigns at once over four projects: together as fast as one alone."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.local.options import StackOptions
from deploy.local.stack import Stack
from tests.benchmarks.fcm import EMULATOR, Target, Trusted, Where, messages_to
from tests.benchmarks.flow import flow, together
from tests.benchmarks.ground import fill, ledger, send
from tests.benchmarks.report import conclude

ALONE = "alone"
TOGETHER = tuple(f"together-{number}" for number in range(1, 5))
PROJECTS = (ALONE, *TOGETHER)
SHARE = 0.95
ALL_ACCEPTED = ("--share", "UNREGISTERED=0")
"""Nobody waits a minute for a retry, and no dead token makes the next turn's audience smaller."""


def main(
    devices: Annotated[int, typer.Option(min=20_000)] = 100_000,
    rounds: Annotated[int, typer.Option(min=1, max=20)] = 4,
    fcm: Where = EMULATOR,
    fcm_ca: Trusted = None,
    *,
    json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Devices a second of one campaign to N devices, and of four to a quarter of N each, in a project each."""
    with messages_to(fcm, fcm_ca, PROJECTS) as target:
        figures = asyncio.run(measure(devices, rounds, target))
    targets = {f"{SHARE:.0%} of one campaign's rate": figures["share"] >= SHARE}
    conclude(f"campaigns, {rounds} times {devices:,} devices to {fcm}", figures, targets, as_json=json)


async def measure(devices: int, rounds: int, target: Target) -> dict[str, Any]:
    """Run the one and the four in turns on one stack: what else the machine does then falls on both."""
    accounts = [part for project in PROJECTS for part in ("--project", project)]
    options = StackOptions(name="bench", emulator=(*ALL_ACCEPTED, *accounts), environment=target.environment)
    quarter = devices // len(TOGETHER)
    sides: dict[str, tuple[str, ...]] = {"one": (ALONE,), "four": TOGETHER}
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    async with Stack(options) as stack, ledger(stack.database_url) as connection:
        if target.process is not None:
            stack.processes["null-fcm"] = target.process
        await fill(connection, quarter * len(TOGETHER), project=ALONE)
        for nth, project in enumerate(TOGETHER):
            await fill(connection, quarter, first=devices + nth * quarter + 1, project=project)
        # What a stack pays once is paid before, by a campaign that is not counted.
        first = [await send(connection, stack.database_url, _to(ALONE))]
        await flow(stack, connection, first, quarter * len(TOGETHER))
        for turn in range(rounds):
            # Each goes first as often as the other: the machine and the ledger change while this runs.
            for side in sorted(sides, reverse=turn % 2 == 0):
                sent = [await send(connection, stack.database_url, _to(project)) for project in sides[side]]
                found[side].append(await flow(stack, connection, sent, quarter * len(TOGETHER)))
    one, four = together(found["one"]), together(found["four"])
    return {"one": one, "four": four, "share": round(four["per_second"] / one["per_second"], 3)}


def _to(project: str) -> dict[str, Any]:
    return {"kind": "segment", "filter": {"field": "project", "in": [project]}}
