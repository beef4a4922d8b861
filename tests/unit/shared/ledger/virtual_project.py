"""A project's row and PostgreSQL's clock in memory, so that the real `take_turn` runs for hours within a moment."""

import heapq
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import TextClause

from shared.db import Writer
from shared.ledger import projects
from shared.ledger.projects import Turn, Wait
from shared.ledger.times import Times
from shared.topology import Lane

NO_RAMP = Times(ramp=0)


class VirtualProject(Writer):
    """Stands in for a transaction: it knows the statements of `shared.ledger.projects` and nothing else."""

    def __init__(self, rate: float, *, now: float = 1_000_000.0) -> None:
        self.now = now
        self.row: dict[str, Any] = {
            "rate": rate,
            **dict.fromkeys(("tat", "tat_high", "tat_normal", "tat_low", "paused_until", "ramp_from", "cut_at"), 0.0),
            "cut_rate": None,
            "circuit_reason": None,
            "circuit_probe_at": 0.0,
            "circuit_failures": 0,
            "stopped_platforms": {},
        }

    async def first(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> Any:  # noqa: ARG002 - as it is
        """The row under its lock."""
        assert statement is projects.LOCK
        return SimpleNamespace(**self.row, now=self.now)

    async def run(self, statement: TextClause, values: Mapping[str, Any] | None = None) -> int:
        """Write what the statement writes."""
        row, values = self.row, values or {}
        if statement is projects.BOOK:
            row |= {"tat": values["tat"], "ramp_from": values["ramp_from"], "circuit_probe_at": values["probe_at"]}
            row |= {f"tat_{lane}": values[str(lane)] for lane in Lane}
            row["stopped_platforms"] = json.loads(values["platforms"])
        elif statement is projects.PAUSE:
            row["paused_until"] = max(row["paused_until"], values["until"])
        elif statement is projects.CUT:
            row |= {"cut_rate": values["cut_rate"], "cut_at": values["cut_at"]}
        elif statement is projects.SET_CIRCUIT:
            row |= {f"circuit_{name}": values[name] for name in ("reason", "probe_at", "failures")}
        else:
            assert statement is projects.NOTE
        return 1


@dataclass
class Flow:
    """What senders booked: per lane, and each booking's start, length and size."""

    sent: Counter[Lane] = field(default_factory=Counter)
    bookings: list[tuple[float, float, int]] = field(default_factory=list)
    waits: dict[Lane, list[float]] = field(default_factory=lambda: {lane: [] for lane in Lane})
    probes: list[float] = field(default_factory=list)

    def most_in(self, seconds: float) -> float:
        """The most messages in any window of so many seconds that begins with a booking."""
        return max(
            sum(
                size * max(0.0, min(start + length, begin + seconds) - max(start, begin)) / length
                for start, length, size in self.bookings
            )
            for begin, _, _ in self.bookings
        )


async def saturate(
    project: VirtualProject,
    seconds: float,
    *,
    lanes: Collection[Lane] = tuple(Lane),
    workers: int = 12,
    size: int = 500,
    times: Times = NO_RAMP,
    claim: float = 0.004,
) -> Flow:
    """Let each lane's workers ask again and again: wait as told, send what was booked, ask for the next."""
    flow, end = Flow(), project.now + seconds
    asks = [(project.now + 0.01 * n, n, lane) for n, lane in enumerate([*lanes] * workers)]
    heapq.heapify(asks)
    while asks and asks[0][0] < end:
        project.now, worker, lane = heapq.heappop(asks)
        turn = await projects.take_turn(project, "p", lane=lane, messages=size, times=times)
        if isinstance(turn, Wait):
            heapq.heappush(asks, (project.now + turn.seconds + claim, worker, lane))
            continue
        assert isinstance(turn, Turn)
        flow.waits[lane].append(turn.wait)
        if turn.probe:
            flow.probes.append(project.now)
            heapq.heappush(asks, (project.now + claim, worker, lane))
            continue
        # What was granted: at a slow rate a lease has no time for the whole batch.
        start, length = project.now + turn.wait, turn.messages / turn.rate
        flow.sent[lane] += turn.messages
        flow.bookings.append((start, length, turn.messages))
        heapq.heappush(asks, (start + length + claim, worker, lane))
    project.now = end
    return flow
