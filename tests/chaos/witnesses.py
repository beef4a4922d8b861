"""Who looks on while it happens: a queue bound to the events, the size of every process, the emulator's pulse.

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
from tests.chaos.stage import Stage

SUBSCRIBER = "events.chaos"
"""A subscriber's queue: durable, so that what is told while nobody listens is not lost."""
BEAT = 0.1
LOOK = 1.0
QUIET = 2.0
"""Seconds without a message after which the subscriber's queue counts as read."""
NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Stall:
    """From when until when the emulator did not answer, in seconds since the epoch: what came waited outside."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ended - self.began


@dataclass
class Witnesses:
    """An async context: inside it they look on."""

    stage: Stage
    memory: dict[str, int] = field(default_factory=dict)
    """The most bytes that each process held."""
    stalls: list[Stall] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        async with self.stage.channel() as channel:
            queue = await channel.declare_queue(SUBSCRIBER, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind(EVENTS, "campaign.*")
        self._tasks = [asyncio.create_task(self._weigh()), asyncio.create_task(self._feel_the_pulse())]
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
                if name == "postgres" or not process.running:
                    continue  # the sizes of its children overlap: what they share is its buffers
                try:
                    size = int(psutil.Process(process.pid).memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
                self.memory[name] = max(self.memory.get(name, 0), size)
            await asyncio.sleep(LOOK)

    async def _feel_the_pulse(self) -> None:
        while True:
            began = time.time()
            try:
                await self.stage.fcm.rate(label=NOBODY)
            except httpx.TransportError:
                continue  # the emulator cuts connections at times, this one too
            finally:
                await asyncio.sleep(BEAT)
            self.stalls.append(Stall(began, time.time() - BEAT))
