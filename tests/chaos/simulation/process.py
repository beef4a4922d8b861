"""A simulated process: tasks and connections that live and die together."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from tests.chaos.simulation.loop import PROCESS, VirtualLoop


class Life(StrEnum):
    """Where a process is in its life."""

    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"


class Process:
    """One life of a process; what is started again is another `Process`."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.life = Life.RUNNING
        self.running = True
        self.killed = False
        self._held: list[asyncio.Handle] = []
        self._on_death: list[Callable[[], None]] = []
        self._on_stop: list[Callable[[float], None]] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    @property
    def dead(self) -> bool:
        """Whether it has ended, by a crash or in order."""
        return self.life is Life.DEAD

    @property
    def context(self) -> contextvars.Context:
        """A context of its own for each thing that happens to it from outside."""
        return self._context.copy()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task in it."""
        return self.loop.create_task(work, context=self.context)

    def when_dead(self, callback: Callable[[], None]) -> None:
        """Call back in the world when it ends: its connections drop then."""
        self._on_death.append(callback)

    def when_stopped(self, callback: Callable[[float], None]) -> None:
        """Call back whenever it is stopped, with the seconds that it will be."""
        self._on_stop.append(callback)

    def end(self, *, killed: bool = True) -> None:
        """Never run again, from this very moment: the handle that runs now is the last."""
        if self.dead:
            return
        self.killed = killed
        self.life, self.running = Life.DEAD, False
        self.loop.dropped.extend(self._held)
        self._held.clear()
        for callback in self._on_death:
            self.loop.in_world(0.0, callback)

    def stop(self, seconds: float) -> None:
        """SIGSTOP now, SIGCONT `seconds` later."""
        if self.life is Life.RUNNING:
            self.life, self.running = Life.STOPPED, False
            for callback in self._on_stop:
                callback(seconds)
            self.loop.in_world(seconds, self.resume)

    def resume(self) -> None:
        """SIGCONT: what waited runs, in the order in which it became due."""
        if self.life is Life.STOPPED:
            self.life, self.running = Life.RUNNING, True
            held, self._held = self._held, []
            self.loop._ready.extend(held)

    def hold(self, handle: asyncio.Handle) -> None:
        """See `loop.Gate`."""
        (self.loop.dropped if self.dead else self._held).append(handle)
