"""A process's boundary: every call to the ledger or the broker crosses it, and may be the last thing that it does.

A call is a request that travels, an effect in the world, and an answer that travels back; the process may crash or be
stopped before or after the effect, and the connection may break so that the effect did not happen, or did and nobody
was told.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.chaos.simulation.process import Process
from tests.chaos.simulation.weather import Fate, Weather

T = TypeVar("T")
Trouble = Callable[[str], Exception]
"""Makes the error that a broken connection means to the caller."""


class Boundary:
    """The boundary of one process: every call that leaves it."""

    def __init__(self, process: Process, weather: Weather) -> None:
        self.process = process
        self.weather = weather

    async def call(self, what: str, effect: Callable[[], T], trouble: Trouble) -> T:
        """Have `effect` happen in the world; raises what it raises, or `trouble` when the connection broke."""
        process, weather = self.process, self.weather
        if process.loop.disposing:
            raise asyncio.CancelledError
        fate = weather.fate(process.name, what)
        there, back = weather.latency(), weather.latency()
        if fate is Fate.WELL:
            if not there and not back and not process.dead:
                result = effect()
                weather.history.add("did", process.name, what, result)
                return result
        elif fate in (Fate.STALL_BEFORE, Fate.STALL_AFTER):
            seconds = weather.stall()
            if fate is Fate.STALL_BEFORE:
                there += seconds
            process.stop(seconds)
        elif fate is Fate.CRASH_BEFORE:
            process.end()
        answer: T = await Crossing(self, fate, effect, trouble, what).make(there, back)
        return answer


class Crossing:
    """One call on its way."""

    __slots__ = ("_answer", "_back", "_boundary", "_effect", "_fate", "_trouble", "_what")

    def __init__(self, boundary: Boundary, fate: Fate, effect: Callable[[], Any], trouble: Trouble, what: str) -> None:
        self._boundary = boundary
        self._fate = fate
        self._effect = effect
        self._trouble = trouble
        self._what = what
        self._answer: asyncio.Future[Any] = boundary.process.loop.create_future()
        self._back = 0.0

    async def make(self, there: float, back: float) -> Any:
        """Travel there and back."""
        self._back = back
        self._boundary.process.loop.in_world(there, self._arrive)
        return await self._answer

    def _arrive(self) -> None:
        """The request is there, unless its process died meanwhile and took it along."""
        process = self._boundary.process
        if process.dead and (self._fate is Fate.CRASH_BEFORE or self._boundary.weather.rng.random() < 0.5):
            return
        loop = process.loop
        history = self._boundary.weather.history
        if self._fate is Fate.FAIL_BEFORE:
            loop.in_world(self._back, self._tell_error, self._trouble(f"{self._what}: connection lost before"))
            return
        try:
            result = self._effect()
        except Exception as error:  # noqa: BLE001 - the world's answer may be an error, and it travels like any other
            history.add("refused", process.name, self._what, repr(error))
            loop.in_world(self._back, self._tell_error, error)
            return
        history.add("did", process.name, self._what, result)
        if self._fate is Fate.CRASH_AFTER:
            process.end()
        elif self._fate is Fate.FAIL_AFTER:
            loop.in_world(self._back, self._tell_error, self._trouble(f"{self._what}: connection lost after"))
        else:
            loop.in_world(self._back, self._tell, result)

    def _tell(self, result: Any) -> None:
        if not self._answer.done():
            self._answer.set_result(result)

    def _tell_error(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that awaits nothing: a store's call on a ledger in memory."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError(f"{work!r} waits for something: a transaction in memory must not")
