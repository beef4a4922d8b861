"""What flows through a running stack between two looks: devices a second, CPU by process, memory at its highest."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import psutil  # type: ignore[import-untyped]  # it ships no types

from deploy.local.stack import Stack
from tests.benchmarks.report import cpu

ANSWERED = """
    select coalesce(sum(size), 0) from campaign_batch
     where campaign_id = any($1::bigint[]) and state in ('waiting', 'reported', 'finished')
"""
"""Devices whose senders have told the ledger what became of them."""
FROM, TO = 0.05, 0.95
"""Shares of the devices between which is measured: neither the start nor the last batches' wait for their answers."""
LOOK = 0.1
LONGEST = 3600.0


async def flow(
    stack: Stack,
    connection: asyncpg.Connection,
    campaign_ids: Sequence[int],
    devices: int,
    *,
    memory_of: Collection[str] = (),
) -> dict[str, Any]:
    """Watch campaigns to so many devices together until all are answered."""
    watched = {name: psutil.Process(stack.processes[name].pid) for name in memory_of}
    highest = dict.fromkeys(watched, 0)
    first: tuple[float, int, dict[str, float]] | None = None
    last: tuple[float, int, dict[str, float]] | None = None
    answered, deadline = 0, time.monotonic() + LONGEST
    while answered < devices:
        if time.monotonic() > deadline:
            raise AssertionError(f"{answered} of {devices} devices are answered after {LONGEST:.0f} s: see the logs.")
        answered = int(await connection.fetchval(ANSWERED, campaign_ids))
        if last is None and answered > devices * FROM:
            look = (time.monotonic(), answered, stack.cpu_seconds())
            first = first or look
            if answered >= devices * TO:
                last = look
        for name, process in watched.items():
            highest[name] = max(highest[name], process.memory_info().rss)
        await asyncio.sleep(LOOK)
    assert first is not None
    assert last is not None
    messages, seconds = last[1] - first[1], last[0] - first[0]
    if messages <= 0:
        raise AssertionError(f"{devices} devices are too few: they were all answered between two looks.")
    return {
        "messages": messages,
        "seconds": round(seconds, 2),
        "per_second": round(messages / seconds),
        **({"memory_mb": {name: round(rss / 1e6, 1) for name, rss in highest.items()}} if highest else {}),
        **cpu(first[2], last[2], messages),
    }


def together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several runs' figures as one: messages over seconds, CPU over messages, the highest memory; each run's rate."""
    messages, seconds = sum(run["messages"] for run in runs), sum(run["seconds"] for run in runs)
    used = {name: sum(run["cpu_seconds"][name] for run in runs) for name in runs[0]["cpu_seconds"]}
    highest = {name: max(run["memory_mb"][name] for run in runs) for name in runs[0].get("memory_mb", {})}
    return {
        "messages": messages,
        "seconds": round(seconds, 2),
        "per_second": round(messages / seconds),
        "rates": [run["per_second"] for run in runs],
        **({"memory_mb": highest} if highest else {}),
        **cpu({}, used, messages),
    }
