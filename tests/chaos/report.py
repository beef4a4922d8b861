"""`python -m tests.chaos.report FILE...`: writes docs/chaos.md, what many seeds came to, from their --json.

Files of `./run chaos` and of `./run bench cluster` may be given in any order. The page keeps what is below `BY_HAND`.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.chaos.playing import RECOVERS_WITHIN

Told = Mapping[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"
BY_HAND = "<!-- Written by hand from here on. -->"

INTRODUCTION = """# Chaos, measured

`./run chaos --seed N --minutes M` runs PostgreSQL, RabbitMQ, an FCM emulator and eight services as processes, keeps
five campaigns in the air, and has everything fail: the seed draws a fault every three seconds, many at once. When the
last one is undone all campaigns must end by themselves, and one checker compares the ledger, the counters, the events,
the broker and FCM's own record, device by device. What an operator sees of each failure: [failures](failures.md).

The services are a role of their own in PostgreSQL, and their tables lie on a disk of their own. So it is killed,
restarted, full, used up, read-only, locked out of, hurried by timeouts of the role, isolated otherwise and bereft of
rights; the sessions of who looks on set for themselves what is changed. A lease that a living sender lost is a finding.

`./run chaos --only WORDS` plays the kinds whose name and target hold these words one by one, each in the middle of a
campaign of its own, on services with the times of production. A fault of PostgreSQL loses no process, and so it must
cost nothing: no repeat, no lease, no process, no dead letter.

`./run chaos --cluster` (as root, on Linux) has three nodes of RabbitMQ in place of one, each in a network namespace of
its own: one is killed, cut off from the two others with clients that still reach it and without, slowed down, or finds
its disk full; all are restarted in turn. All else fails beside, and every check holds. `./run bench cluster FAULT` has
one such fault alone, in the middle of one campaign, and measures for how long nothing is pushed."""
SEEDS = """## By seed

*Sent twice*: messages that FCM accepted again for the same device of one campaign. *Bound*: what at-least-once
delivery allows it, counted from the leases lost and the requests that nobody answered; it is 0 with at-most-once.
*At rest after*: seconds past these minutes until the last fault was undone and every campaign over. *Deaths*:
processes that ended though no fault asked them to, and were started again."""
KINDS = """## By fault

*Recovery*: seconds from a fault's undoing until what it touched was ready and devices got outcomes again. Other faults
strike meanwhile, and one that stops the whole project holds up everybody's: the longest tells of the worst coincidence,
the median of the fault."""


CLUSTER = """## Three nodes of RabbitMQ

The same checks, by `./run chaos --cluster --seed N --minutes M`."""
SILENCE = """## One node of three lost

`./run bench cluster FAULT`, one campaign. *Without a push*: the longest silence in the emulator's own record, from the
fault until 99 % of the devices had their outcome; *without an outcome*: the same in the ledger. *Last devices*: what
the last of them took beyond that. *Not ready*: seconds from the fault until the first service said so; *ready again*:
from its undoing until all said so."""

COLUMNS = (
    "fault",
    "URL",
    "lasted",
    "without a push",
    "without an outcome",
    "last devices",
    "not ready",
    "ready again",
    "sent twice",
    "books",
)


def page(runs: Sequence[Told], before: str = "") -> str:
    """The page in Markdown: a line for each check, each seed, each kind of fault; what went wrong by itself.

    `before`: the page as it is, of which what is written by hand is kept.
    """
    silent = [run for run in runs if "fcm_silent_s" in run]
    seeds = [run for run in runs if "seed" in run]
    alone = [run for run in seeds if not run.get("clustered")]
    clustered = [run for run in seeds if run.get("clustered")]
    parts: list[str | Iterable[str]] = [INTRODUCTION]
    if alone:
        parts += [_summary(alone), _checks(alone), SEEDS, _seeds(alone), KINDS, _kinds(alone), _asides(alone)]
    if clustered:
        parts += [CLUSTER, _summary(clustered), _checks(clustered), _seeds(clustered), _kinds(clustered)]
        parts += [_asides(clustered, "### Besides, with three nodes")]
    if silent:
        parts += [SILENCE, _silences(silent)]
    parts.append(BY_HAND + before.partition(BY_HAND)[2].rstrip())
    return "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts)


def _silences(runs: Sequence[Told]) -> Iterable[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---|---|{'---:|' * (len(COLUMNS) - 3)}---|"
    for run in sorted(runs, key=lambda run: (run["fault"], run["url"], run["lasted_s"])):
        cells = (
            run["fault"],
            run["url"],
            *(_seconds(run[name]) for name in ("lasted_s", "fcm_silent_s", "ledger_silent_s", "last_devices_s")),
            *(_seconds(run[name]) for name in ("first_not_ready_s", "all_ready_again_s")),
            str(run["sent_twice"]),
            "agree" if run["balanced"] else "; ".join(run["faults"]) or "not balanced",
        )
        yield f"| {' | '.join(cells)} |"


def _seconds(value: float | None) -> str:
    return "—" if value is None else f"{value:g} s"


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
    recovery: defaultdict[str, list[float]] = defaultdict(list)
    unseen: Counter[str] = Counter()
    for run in runs:
        done.update(run["faults"])
        for fault in run["history"]:
            if fault["recovery"] is not None:
                recovery[fault["kind"]].append(fault["recovery"])
            elif not fault["fizzled"]:
                unseen[fault["kind"]] += 1
    yield f"| fault | times | recovery, median | longest | not within {RECOVERS_WITHIN:.0f} s |"
    yield "|---|---:|---:|---:|---:|"
    for kind, times in sorted(done.items(), key=lambda item: item[0].lower()):
        took = recovery[kind]
        figures = f"{median(took):.1f} s | {max(took):.1f} s" if took else "— | —"
        yield f"| {kind} | {times} | {figures} | {unseen[kind]} |"


def _asides(runs: Sequence[Told], heading: str = "## Besides") -> Iterable[str]:
    """What else a reader must know: deaths, and faults that were not done."""
    asides = [f"seed {run['seed']}: {words}" for run in runs for words in run["deaths"]]
    asides += [f"seed {run['seed']}, not done: {words.strip()}" for run in runs for words in run["faults_fizzled"]]
    asides += sorted({f"left out: {words}" for run in runs for words in run["faults_left_out"]})
    yield heading
    yield ""
    yield from (f"- {aside}" for aside in asides or ["No process ended by itself, and every fault could be done."])


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
    PAGE.write_text(page(told, PAGE.read_text()) + "\n")
