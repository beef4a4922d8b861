"""Has it all happen: campaigns in the air, one fault after the other, then everything healed and led to its end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from random import Random

from tests.chaos.checker.state import Disturbance
from tests.chaos.faults.every import faults_of
from tests.chaos.history import Happened, History
from tests.chaos.schedule import Strike, deal
from tests.chaos.stage import Stage
from tests.chaos.witnesses import Witnesses
from tests.chaos.workload import Workload, at_work

RECOVERS_WITHIN = 90.0
"""Seconds after which nobody waits for a fault's recovery any longer."""
ENDS_WITHIN = 300.0
"""Seconds from the last fault's undoing until every campaign must have ended and every queue be empty."""
SETTLED = """
    select coalesce(sum(total - pending), 0)::bigint as settled,
           count(*) filter (where status in ('sending', 'cancelling')) as open
      from campaign
"""
NOT_OVER = """
    select c.id, c.status, count(b.*) filter (where b.state <> 'finished') as batches,
           string_agg(distinct b.state, ', ') filter (where b.state <> 'finished') as states
      from campaign c left join campaign_batch b on b.campaign_id = c.id
     where c.status not in ('draft', 'completed', 'cancelled', 'failed') group by c.id order by c.id
"""


@dataclass
class Play:
    """One run on a stage."""

    stage: Stage
    workload: Workload
    history: History
    witnesses: Witnesses
    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    began_at: float = field(default_factory=time.time)
    """The same in seconds since the epoch."""

    def now(self) -> float:
        """Seconds from the beginning."""
        return time.monotonic() - self.began

    async def strike(self, strike: Strike) -> None:
        """Do a fault, undo it, and see how long the flow takes to come back."""
        told = Happened(self.now(), strike.fault.kind, strike.aimed.target, touches=tuple(sorted(strike.aimed.touches)))
        self.history.happened.append(told)
        try:
            async with strike.aimed.act(self.stage) as note:
                told.note = note
                await asyncio.sleep(strike.aimed.lasts)
        except Exception as error:  # noqa: BLE001 - a fault that cannot be done is told, and others go on
            told.fizzled = f"{type(error).__name__}: {error}"[:300]
        finally:
            self.stage.held -= strike.aimed.touches
        told.lasted = self.now() - told.at
        if not told.fizzled:
            told.recovery = await self._recovery(strike.aimed.touches)
        self.say(told.told())

    async def _recovery(self, touched: Collection[str]) -> float | None:
        """Seconds until what was touched is ready and the ledger moves, other faults meanwhile included."""
        undone = self.now()
        before = (await self.stage.rows(SETTLED))[0]["settled"]
        while self.now() < undone + RECOVERS_WITHIN:
            now = (await self.stage.rows(SETTLED))[0]
            moves = now["settled"] > before or not now["open"]
            if moves and await self.stage.ready(touched):
                return self.now() - undone
            await asyncio.sleep(0.25)
        return None

    def disturbances(self) -> list[Disturbance]:
        """What was disturbed when, by any fault."""
        return [
            Disturbance(name.split()[-1], self.began_at + fault.at, self.began_at + fault.at + fault.lasted)
            for fault in self.history.happened
            for name in fault.touches
        ]

    async def keep_alive(self) -> None:
        """Start again what ended by itself, as an orchestrator would, and note that it did."""
        while True:
            for name, service in self.stage.stack.services.items():
                process = service.process
                if name not in self.stage.held and not process.running:
                    words = f"{self.now():.1f} s: {name} ended with code {process.exit_code} though nobody asked it to"
                    self.history.deaths.append(words)
                    self.say(words)
                    await self.stage.start(name)
            await asyncio.sleep(0.5)

    async def faults(self, seed: int, seconds: float) -> None:
        """Strike as dealt; a fault whose target is in another's hands waits for it, and the next one is not kept."""
        running: set[asyncio.Task[None]] = set()
        waiting = deal(
            seed, seconds, faults_of(clustered=self.stage.cluster is not None, replica=self.stage.stack.replica)
        )
        while self.now() < seconds:
            due = (strike for strike in waiting if strike.at <= self.now())
            strike = next((strike for strike in due if not strike.aimed.touches & self.stage.held), None)
            if strike is None:
                await asyncio.sleep(0.1)
                continue
            waiting.remove(strike)
            self.stage.held |= strike.aimed.touches
            task = asyncio.create_task(self.strike(strike), name=strike.fault.kind)
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running)

    async def to_the_end(self) -> list[str]:
        """Wait for every campaign's end and empty queues; what is left of them after `ENDS_WITHIN`, in sentences."""
        deadline = self.now() + ENDS_WITHIN
        while True:
            await self.workload.finish()
            left = await self.stage.rows(NOT_OVER)
            if not left or self.now() > deadline:
                break
            await asyncio.sleep(0.5)
        return [
            f"campaign {row['id']} is still {row['status']} {ENDS_WITHIN:.0f} s after the last fault: "
            f"{row['batches']} open batches ({row['states']})"
            for row in left
        ]


@contextlib.asynccontextmanager
async def _beside(work: AsyncIterator[None] | asyncio.Task[None]) -> AsyncIterator[None]:
    assert isinstance(work, asyncio.Task)
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def play(stage: Stage, seed: int, seconds: float, say: Callable[[str], None]) -> tuple[Play, list[str]]:
    """Play a seed; returns the play and what has not ended."""
    workload = Workload(stage, Random(f"workload {seed}"))
    await workload.prepare()
    async with Witnesses(stage) as witnesses:
        running = Play(stage, workload, History(), witnesses, say)
        async with _beside(asyncio.create_task(running.keep_alive(), name="keep alive")):
            async with at_work(workload):
                await running.faults(seed, seconds)
            say(f"{running.now():7.1f} s  no more faults: all is healed, campaigns go to their end")
            left = await running.to_the_end()
            await witnesses.rest()
    return running, left
