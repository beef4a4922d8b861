"""`python -m tests.chaos --seed N --minutes M [--json]`: real faults on a real stack, and one checker."""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from tests.chaos.alone import alone, chosen
from tests.chaos.checker import check
from tests.chaos.checker.gathering import gather
from tests.chaos.faults import Aimed, Fault
from tests.chaos.faults.every import faults_of
from tests.chaos.playing import play
from tests.chaos.replica import Replica
from tests.chaos.stage import Stage, fresh_stage
from tests.chaos.verdict import verdict
from tests.support.cluster import NoClusterError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class BrokenPromiseError(Exception):
    """Raised so that the stack keeps its logs and its ledger."""


@app.command()
def chaos(
    seed: Annotated[int, typer.Option(help="Draws campaigns and faults: the same seed, the same draw.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.25, max=60, help="How long faults strike.")] = 3.0,
    only: Annotated[str, typer.Option(help="Play the kinds whose name and target hold these words, one by one.")] = "",
    devices: Annotated[int, typer.Option(min=100, help="With --only: each campaign's devices.")] = 6000,
    lasts: Annotated[float | None, typer.Option(help="With --only: seconds of each fault.")] = None,
    replica: Annotated[Replica, typer.Option(help="A standby of PostgreSQL, and failovers to it.")] = Replica.NONE,
    *,
    cluster: Annotated[bool, typer.Option("--cluster", help="RabbitMQ is three nodes (as root, on Linux).")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON line on stdout.")] = False,
) -> None:
    """Have everything fail while campaigns run; exit 0 only if every promise is kept.

    With --only nothing overlaps: one campaign and one fault at a time, and what it costs.
    """
    console = Console(stderr=as_json)
    told: dict[str, Any] = {}
    try:
        if only:
            kinds = chosen(faults_of(clustered=cluster, replica=replica), only, seed, lasts)
            with_what = partial(fresh_stage, times={}, clustered=cluster, replica=replica)
            asyncio.run(_run_alone(with_what, kinds, devices, console, told))
        else:
            asyncio.run(_run(partial(fresh_stage, clustered=cluster, replica=replica), seed, minutes, console, told))
    except (BrokenPromiseError, NoClusterError) as error:
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
    raise typer.Exit(0 if told and not told["failures"] else 1)


Setting = Callable[[], AbstractAsyncContextManager[Stage]]
"""Makes the stage."""


async def _run(setting: Setting, seed: int, minutes: float, console: Console, told: dict[str, Any]) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"seed {seed}: starting PostgreSQL, RabbitMQ, the FCM emulator and eight services")
    async with setting() as stage:
        began = time.monotonic()
        played, left = await play(stage, seed, minutes * 60, say)
        ended = time.monotonic() - began - minutes * 60
        state = await gather(stage, played.witnesses, played.began_at, played.disturbances())
        told |= verdict(seed, minutes, played.history, state, check(state), left + played.workload.troubles, ended)
        told |= {"clustered": stage.cluster is not None, "replica": stage.stack.replica}
        _tell(console, told)
        if told["failures"]:
            raise BrokenPromiseError(f"Logs and ledger are kept in {stage.stack.folder}.")


async def _run_alone(
    setting: Setting, faults: list[tuple[Fault, Aimed]], devices: int, console: Console, told: dict[str, Any]
) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"{len(faults)} kinds of faults, one by one, each in a campaign to {devices:,} devices")
    async with setting() as stage:
        left: list[str] = []
        async with alone(stage, say, devices=devices) as one:
            for fault, aimed in faults:
                left += await one.strike(fault, aimed)
        state = await gather(stage, one.play.witnesses, one.play.began_at, one.play.disturbances())
        one.read(state)
        wrong = [f"{name}: {sentence}" for name, sentences in check(state).items() for sentence in sentences]
        costs = [sentence for cost in one.costs for sentence in cost.wrong]
        promised = stage.stack.replica is not Replica.ASYNCHRONOUS
        told |= {
            "devices": devices,
            "replica": stage.stack.replica,
            "faults": [cost.as_json() for cost in one.costs],
            "failures": [*left, *one.troubles, *costs, *wrong] if promised else [],
            "lost": [] if promised else [*left, *one.troubles, *wrong],
        }
        for line in (*(cost.told() for cost in one.costs), *(f"  - {one}" for one in told["failures"] + told["lost"])):
            say(line)
        if not faults or told["failures"]:
            raise BrokenPromiseError(f"Logs and ledger are kept in {stage.stack.folder}.")


def _tell(console: Console, told: dict[str, Any]) -> None:
    lines = [
        f"{told['faults_done']} faults of {len(told['faults'])} kinds",
        f"{told['campaigns']} campaigns {told['campaigns_by_status']} to {told['devices']:,} devices {told['letters']}",
        f"{told['duplicates']} of {told['messages']:,} messages sent twice, the bound is {told['duplicates_bound']:,}",
        f"all at rest {told['ended_after_s']} s after the last fault; memory in MB: {told['memory_mb']}",
        *(f"not done: {fault}" for fault in (*told["faults_left_out"], *told["faults_fizzled"])),
        *(f"{'holds' if holds else 'BROKEN'}  {name}" for name, holds in told["checks"].items()),
        *(f"  - {failure}" for failure in told["failures"]),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
