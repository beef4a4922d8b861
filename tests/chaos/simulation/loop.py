"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer. No sockets, no sleeping.

It knows processes (`process`): a handle runs in the context of the process that made it, so a process that is dead
never runs again, and one that is stopped finds everything waiting when it goes on, as after SIGCONT.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast


class Gate(Protocol):
    """A process as the loop sees it."""

    running: bool
    killed: bool

    def hold(self, handle: asyncio.Handle) -> None:
        """Take a handle that may not run now: keep it for later, or drop it."""


PROCESS: contextvars.ContextVar[Gate | None] = contextvars.ContextVar("PROCESS", default=None)
"""The process that the running handle belongs to; None: the world around them (broker, FCM, ledger, operator)."""

MOST_TURNS = 3_000_000
"""Handles that one schedule may run: a hundred times what it needs; beyond it something runs without time passing."""


TURNS_TO_END = 100
"""Turns of the loop that cancelled tasks get to end."""


class EndlessError(RuntimeError):
    """Raised when a schedule runs on and on, or has nothing left that could ever happen."""


class Numbered(asyncio.Task[Any]):
    """A task that hashes as its number: sets of tasks, asyncio's own among them, have one order in every play."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self._number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        """Not where it lies in memory."""
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Seconds since the schedule began are its `time()`."""

    _ready: Any
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.turns = 0
        self.disposing = False
        self.dropped: list[asyncio.Handle] = []
        """What dead processes would have done: a task whose next step is dropped cannot even be cancelled."""
        self.tasks: list[asyncio.Task[Any]] = []
        self._owners: dict[asyncio.Task[Any], Gate | None] = {}
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    def in_world(self, delay: float, callback: Callable[..., object], *args: object) -> None:
        """Call back after `delay` seconds, whatever becomes of the process that asks."""
        self.call_at(self._now + delay, callback, *args, context=WORLD)

    def dispose(self) -> list[str]:
        """End every task that is left, effects and all, and close; returns errors that nobody has looked at."""
        self.disposing = True
        left = [task for task in self.tasks if not task.done()]
        self._ready.extend(self.dropped)
        self.dropped.clear()
        for turn in range(TURNS_TO_END):
            going = [task for task in self.tasks if not task.done()]
            if not going:
                break
            if turn % 10 == 0:
                for task in going:
                    task.cancel()
            self.call_soon(self.stop, context=WORLD)
            self.run_forever()
        for task in self.tasks:
            cast("Any", task)._log_destroy_pending = False
        errors = [
            (task, task.exception())
            for task in self.tasks
            if task.done() and task not in left and not task.cancelled() and task._log_traceback
        ]
        unseen = [f"{task.get_name()}: {error!r}" for task, error in errors if not _was_killed(self._owners[task])]
        self.tasks.clear()
        self._owners.clear()
        self.close()
        return unseen

    def _make_task(self, _loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Keep every task: one that nobody holds would be collected at a moment of the collector's choice."""
        task: asyncio.Task[Any] = Numbered(len(self.tasks), coro, loop=self, **options)
        self.tasks.append(task)
        context = options.get("context")
        self._owners[task] = PROCESS.get() if context is None else context.get(PROCESS)
        return task

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0].cancelled():
            self._drop()
        if not ready:
            if not scheduled:
                raise EndlessError("nothing is left that could ever happen")
            self._now = max(self._now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now:
            ready.append(self._drop())
        turns = len(ready)
        self.turns += turns
        if self.turns > MOST_TURNS:
            raise EndlessError(f"{MOST_TURNS} turns and no end")
        for _ in range(turns):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is None or process.running or self.disposing:
                handle._run()
            else:
                process.hold(handle)

    def _drop(self) -> asyncio.TimerHandle:
        handle = heapq.heappop(self._scheduled)
        cast("Any", handle)._scheduled = False
        return handle

    def _write_to_self(self) -> None:
        """Nobody else's thread ever wakes this loop."""

    def _process_events(self, _events: object) -> None:
        """There is nothing outside that events could come from."""


WORLD = contextvars.Context()
"""The context of everything that belongs to no process."""


def _was_killed(process: Gate | None) -> bool:
    """Whether it had no time to look at its errors."""
    return process is not None and process.killed
