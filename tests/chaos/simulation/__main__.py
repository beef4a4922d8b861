"""`python -m tests.chaos.simulation --schedules 10000 --seed 1`: many schedules, each reproduced by its seed."""

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from tests.chaos.simulation.schedule import Outcome, run

SHOWN = 10
"""Failures that are shown in full."""
CHUNK = 10
"""Schedules that a worker takes at once."""


def main(
    schedules: Annotated[int, typer.Option(min=1, help="How many schedules to play")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the first; each following one's is one more")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes that play side by side")] = 2,
    *,
    history: Annotated[bool, typer.Option("--history", help="Print what happened, line by line")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object")] = False,
) -> None:
    """Play schedules under the services' own code; exit 0 only if every check holds in every one of them."""
    began = time.monotonic()
    total = Totals()
    for outcome in play_all(range(seed, seed + schedules), workers=workers, history=history):
        if history:
            typer.echo("\n".join(outcome.history))
        total.add(outcome)
        if outcome.failures and not as_json and len(total.failed) <= SHOWN:
            typer.echo(_failure(outcome))
    seconds = time.monotonic() - began
    typer.echo(json.dumps(total.as_json(seconds), indent=2) if as_json else total.told(seconds))
    if total.failed:
        raise typer.Exit(1)


def play_all(seeds: range, *, workers: int, history: bool = False) -> Iterator[Outcome]:
    """Outcomes in the order of their seeds."""
    if workers == 1 or len(seeds) == 1:
        yield from (run(seed, history=history) for seed in seeds)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(run, seeds, chunksize=CHUNK)


class Totals:
    """What became of all schedules."""

    def __init__(self) -> None:
        self.schedules = 0
        self.failed: list[Outcome] = []
        self.sums: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.campaigns: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.schedules += 1
        self.sums.update(devices=outcome.devices, repeats=outcome.repeats, seconds=round(outcome.seconds))
        self.faults.update(outcome.faults)
        self.campaigns.update(outcome.campaigns)
        if outcome.failures:
            self.failed.append(outcome)

    def as_json(self, seconds: float) -> dict[str, object]:
        """Everything."""
        return {
            "schedules": self.schedules,
            "seconds": round(seconds, 1),
            "schedules_per_second": round(self.schedules / seconds, 1),
            "virtual_hours": round(self.sums["seconds"] / 3600, 1),
            "campaigns": dict(self.campaigns),
            "devices": self.sums["devices"],
            "repeats": self.sums["repeats"],
            "faults": dict(self.faults.most_common()),
            "failed": [{"seed": outcome.seed, "failures": outcome.failures} for outcome in self.failed],
        }

    def told(self, seconds: float) -> str:
        """The same for people."""
        campaigns = ", ".join(f"{count:,} {status}" for status, count in sorted(self.campaigns.items()))
        faults = "\n".join(f"  {count:>9,} {kind}" for kind, count in self.faults.most_common())
        verdict = f"{len(self.failed)} schedules failed" if self.failed else "every check holds in every schedule"
        return (
            f"{self.schedules:,} schedules in {seconds:.0f} s, {self.schedules / seconds:.1f} a second; "
            f"{self.sums['seconds'] / 3600:,.0f} hours of virtual time\n"
            f"campaigns: {campaigns}; {self.sums['devices']:,} devices, {self.sums['repeats']:,} repeats\n"
            f"faults:\n{faults}\n{verdict}"
        )


def _failure(outcome: Outcome) -> str:
    wrong = "\n".join(f"  {failure}" for failure in outcome.failures)
    again = f"python -m tests.chaos.simulation --seed {outcome.seed} --schedules 1 --history"
    return f"seed {outcome.seed} failed:\n{wrong}\n  again: {again}"


if __name__ == "__main__":
    typer.run(main)
