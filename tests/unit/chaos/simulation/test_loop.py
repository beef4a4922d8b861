"""Virtual time, and processes that die and stop on it."""

import asyncio
import time
from collections.abc import Generator

import pytest

from tests.chaos.simulation.loop import EndlessError, VirtualLoop
from tests.chaos.simulation.process import Process


@pytest.fixture
def loop() -> Generator[VirtualLoop]:
    """A loop that is closed afterwards."""
    loop = VirtualLoop()
    yield loop
    if not loop.is_closed():
        loop.dispose()


def test_an_hour_of_sleep_takes_no_time(loop: VirtualLoop) -> None:
    """Nothing waits for a clock on the wall."""
    began = time.perf_counter()
    loop.run_until_complete(asyncio.sleep(3600.0))
    assert loop.time() == 3600.0
    assert time.perf_counter() - began < 1.0


def test_timers_fire_in_the_order_of_their_times(loop: VirtualLoop) -> None:
    """Whatever the order they were set in."""
    rung: list[tuple[float, int]] = []
    for delay in (5, 1, 3):
        loop.call_later(delay, lambda number: rung.append((loop.time(), number)), delay)
    loop.run_until_complete(asyncio.sleep(10.0))
    assert rung == [(1.0, 1), (3.0, 3), (5.0, 5)]


def test_a_set_of_tasks_has_one_order_wherever_they_lie() -> None:
    """A group that is cancelled goes through such a set: who ends first must follow from the seed alone."""
    orders = set()
    litter: list[object] = []
    for play in range(20):
        loop = VirtualLoop()
        ended: list[int] = []

        async def member(number: int, ended: list[int] = ended) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(number)

        async def group(play: int = play) -> None:
            async with asyncio.TaskGroup() as tasks:
                for number in range(9):
                    tasks.create_task(member(number))
                    litter.extend(bytearray(8 * number) for _ in range(play))

        loop.call_later(1.0, loop.create_task(group()).cancel)
        loop.run_until_complete(asyncio.sleep(2.0))
        assert loop.dispose() == []
        orders.add(tuple(ended))
    assert len(orders) == 1


def test_timeouts_and_locks_are_asyncios_own(loop: VirtualLoop) -> None:
    """The services' code runs as it is."""

    async def work() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert loop.run_until_complete(work()) == 2.5


def test_what_waits_for_nothing_is_found_out(loop: VirtualLoop) -> None:
    """A real loop would wait for ever."""

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(EndlessError):
        loop.run_until_complete(wait())


def test_a_dead_process_never_runs_again(loop: VirtualLoop) -> None:
    """Neither its tasks nor its timers, nor what its tasks would do on their way out."""
    process = Process(loop, "p")
    done: list[str] = []

    async def work() -> None:
        try:
            done.append("before")
            await asyncio.sleep(1.0)
            done.append("after")
        finally:
            done.append("cleaned up")

    process.spawn(work())
    loop.in_world(0.5, process.end)
    loop.run_until_complete(asyncio.sleep(10.0))
    assert done == ["before"]


def test_a_stopped_process_goes_on_where_it_was(loop: VirtualLoop) -> None:
    """Its timers are late by then; the world has gone on."""
    process = Process(loop, "p")
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0)
            ticks.append(loop.time())

    process.spawn(tick())
    loop.in_world(2.5, process.stop, 10.0)
    loop.run_until_complete(asyncio.sleep(15.0))
    assert ticks == [1.0, 2.0, 12.5, 13.5, 14.5]
    process.end()


@pytest.mark.parametrize("killed", [True, False])
def test_an_error_that_nobody_looked_at_is_told_unless_its_process_was_killed(killed: bool) -> None:
    """Killed, it had no time to look."""
    loop = VirtualLoop()
    process = Process(loop, "p")

    async def fails() -> None:
        raise OSError("cut")

    process.spawn(fails()).set_name("a lane")
    loop.in_world(1.0, lambda: process.end(killed=killed))
    loop.run_until_complete(asyncio.sleep(2.0))
    assert loop.dispose() == ([] if killed else ["a lane: OSError('cut')"])


def test_tasks_belong_to_the_process_that_starts_them(loop: VirtualLoop) -> None:
    """Down to the grandchildren."""
    process = Process(loop, "p")
    done: list[str] = []

    async def grandchild() -> None:
        await asyncio.sleep(1.0)
        done.append("grandchild")

    async def child() -> None:
        await asyncio.gather(grandchild(), asyncio.create_task(grandchild()))

    process.spawn(child())
    loop.in_world(0.5, process.end)
    loop.run_until_complete(asyncio.sleep(5.0))
    assert done == []


def test_errors_that_nobody_looks_at_are_told(loop: VirtualLoop) -> None:
    """They would be lost in a log."""

    async def fail() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        asyncio.create_task(fail(), name="forgotten")  # noqa: RUF006 - the loop keeps it
        await asyncio.sleep(1.0)

    loop.run_until_complete(work())
    assert loop.dispose() == ["forgotten: ZeroDivisionError()"]
