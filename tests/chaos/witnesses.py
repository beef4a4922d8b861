"""Who looks on while it happens: a queue bound to the events, the size of every process, two pulses, lost leases.

Witnesses touch nothing that a fault could touch, and their own clients live through all of them.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types

from shared.topology import EVENTS
from tests.chaos.stage import AWAY, Stage

SUBSCRIBER = "events.chaos"
"""A subscriber's queue: durable, so that what is told while nobody listens is not lost."""
BEAT = 0.1
LOOK = 1.0
PULSE = "create table chaos_pulse as select 0 as beat"
BEAT_OF_LEDGER = "update chaos_pulse set beat = beat + 1"
"""A commit to disk, as every claim is one."""
NOBODY = "nobody"
LOST = (
    """
    create table chaos_lost as
        select campaign_id, batch_no, coalesce(holder, '') as holder, since as claimed, since as lost
          from campaign_batch where false
    """,
    """
    create function chaos_lost() returns trigger language plpgsql security definer as $$
    begin
        insert into chaos_lost values (new.campaign_id, new.batch_no, coalesce(old.holder, ''), old.since, now());
        return null;
    end $$
    """,
    """
    create trigger chaos_lost after update of lost on campaign_batch
        for each row when (new.lost > old.lost) execute function chaos_lost()
    """,
)
"""Whose lease was lost, from when on it was held, and when that was found: the ledger keeps only how many."""
READ_LOST = """
    select campaign_id, batch_no, holder, extract(epoch from claimed)::float8 as claimed,
           extract(epoch from lost)::float8 as lost
      from chaos_lost order by lost
"""


@dataclass(frozen=True, slots=True)
class Stall:
    """From when until when a server took to answer, in seconds since the epoch."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class LostLease:
    """A lease that was lost: over which batch, by which process (its pid, where nobody saw it), from when until when.

    Times are seconds since the epoch.
    """

    batch: str
    holder: str
    claimed: float
    lost: float


@dataclass
class Witnesses:
    """An async context: inside it they look on."""

    stage: Stage
    memory: dict[str, int] = field(default_factory=dict)
    """The most bytes that each process held."""
    stalls: list[Stall] = field(default_factory=list)
    """The emulator's: what came meanwhile waited outside."""
    commits: list[Stall] = field(default_factory=list)
    """The ledger's: what was booked meanwhile started late."""
    pids: dict[str, str] = field(default_factory=dict)
    """Processes by their pids."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        async with self.stage.channel() as channel:
            queue = await channel.declare_queue(SUBSCRIBER, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind(EVENTS, "campaign.*")
        for statement in (PULSE, *LOST):
            await self.stage.rows(statement)
        looks = (self._weigh(), self._feel_the_emulator(), self._feel_the_ledger())
        self._tasks = [asyncio.create_task(look) for look in looks]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rest()

    async def rest(self) -> None:
        """Look no more."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def heard(self) -> dict[int, dict[int, set[str]]]:
        """What the subscriber was told: campaign, its sequence number, and every text that came under it."""
        told: dict[int, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        async with self._reading() as bodies:
            async for body in bodies:
                event = json.loads(body)
                told[event["campaign_id"]][event["campaign_seq"]].add(body.decode())
        return told

    async def lost(self) -> list[LostLease]:
        """Every lease that was lost."""
        found = []
        for row in await self.stage.rows(READ_LOST):
            pid = row["holder"].split(":")[1]
            batch = f"batch {row['batch_no']} of campaign {row['campaign_id']}"
            found.append(LostLease(batch, self.pids.get(pid, pid), row["claimed"], row["lost"]))
        return found

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self.stage.channel() as channel:
            queue = await channel.get_queue(SUBSCRIBER)

            async def bodies() -> AsyncIterator[bytes]:
                while (message := await queue.get(no_ack=True, fail=False)) is not None:
                    yield message.body

            yield bodies()

    async def _weigh(self) -> None:
        while True:
            for name, process in self.stage.stack.processes.items():
                if not process.running:
                    continue
                self.pids[str(process.pid)] = name
                if name == "postgres":
                    continue  # the sizes of its children overlap: what they share is its buffers
                try:
                    size = int(psutil.Process(process.pid).memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
                self.memory[name] = max(self.memory.get(name, 0), size)
            await asyncio.sleep(LOOK)

    async def _feel_the_ledger(self) -> None:
        began = time.time()
        while True:
            try:
                async with self.stage.ledger() as connection:
                    while True:
                        await connection.execute(BEAT_OF_LEDGER, timeout=60)
                        self.commits.append(Stall(began, time.time()))
                        await asyncio.sleep(BEAT)
                        began = time.time()
            except AWAY:
                await asyncio.sleep(BEAT)

    async def _feel_the_emulator(self) -> None:
        while True:
            began = time.time()
            try:
                await self.stage.fcm.rate(label=NOBODY)
            except httpx.TransportError:
                continue  # the emulator cuts connections at times, this one too
            finally:
                await asyncio.sleep(BEAT)
            self.stalls.append(Stall(began, time.time() - BEAT))
