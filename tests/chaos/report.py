"""`python -m tests.chaos.report FILE...`: what many seeds came to, as docs/chaos.md has it, from their --json."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Told = Mapping[str, Any]


def page(runs: Sequence[Told]) -> str:
    """The tables in Markdown: a line for each seed, then one for each kind of fault."""
    return "\n".join((*_summary(runs), "", *_seeds(runs), "", *_kinds(runs), "", *_checks(runs)))


def _summary(runs: Sequence[Told]) -> Iterable[str]:
    held = sum(not run["failures"] for run in runs)
    minutes = sum(run["minutes"] for run in runs)
    yield f"{held} of {len(runs)} seeds hold every check: {_sum(runs, 'faults_done')} faults in {minutes:g} minutes,"
    yield (
        f"{_sum(runs, 'campaigns'):,} campaigns to {_sum(runs, 'devices'):,} devices, {_sum(runs, 'messages'):,} "
        f"messages at FCM, {_sum(runs, 'duplicates'):,} of them sent twice (the bound: "
        f"{_sum(runs, 'duplicates_bound'):,})."
    )


def _seeds(runs: Sequence[Told]) -> Iterable[str]:
    yield "| seed | minutes | faults | campaigns | devices | sent twice | bound | at rest after | deaths | checks |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
    for run in sorted(runs, key=lambda run: run["seed"]):
        verdict = "all hold" if not run["failures"] else "; ".join(run["failures"])
        yield (
            f"| {run['seed']} | {run['minutes']:g} | {run['faults_done']} | {run['campaigns']} | {run['devices']:,} | "
            f"{run['duplicates']:,} | {run['duplicates_bound']:,} | {run['ended_after_s']:.0f} s | "
            f"{len(run['deaths'])} | {verdict} |"
        )


def _kinds(runs: Sequence[Told]) -> Iterable[str]:
    done: Counter[str] = Counter()
    longest: dict[str, float] = {}
    for run in runs:
        done.update(run["faults"])
        for kind, seconds in run["longest_recovery_s"].items():
            longest[kind] = max(longest.get(kind, 0.0), seconds)
    yield "| fault | times | longest recovery, other faults meanwhile included |"
    yield "|---|---:|---:|"
    for kind, times in sorted(done.items()):
        yield f"| {kind} | {times} | {f'{longest[kind]:.1f} s' if kind in longest else '—'} |"


def _checks(runs: Sequence[Told]) -> Iterable[str]:
    yield "| check | holds in |"
    yield "|---|---:|"
    for name in runs[0]["checks"]:
        yield f"| {name} | {sum(run['checks'][name] for run in runs)} of {len(runs)} |"


def _sum(runs: Sequence[Told], name: str) -> int:
    return sum(int(run[name]) for run in runs)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    told = [json.loads(Path(name).read_text()) for name in sys.argv[1:]]
    sys.stdout.write(page(told) + "\n")
