"""PostgreSQL killed, restarted, full; its connections ended or used up, its rows locked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from deploy.local.errors import StartError
from tests.chaos import disk
from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import AWAY, Stage

TABLES = ("campaign", "campaign_batch", "campaign_batch_member", "campaign_event", "device", "outbox", "project")
TERMINATE = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type = 'client backend'
"""
STOPS_WITHIN = 20.0
"""Seconds of a fast shutdown: its checkpoint takes them."""
TOGETHER = 20
"""Connections that are opened at once."""
TERMINATE_OTHERS = f"{TERMINATE} and usename <> current_user and pid <> all($1::int[])"
_TRIES = 20
"""Starts: the children of a killed server hold its memory for a moment longer."""


@asynccontextmanager
async def killed(stage: Stage) -> AsyncGenerator[str]:
    """`kill -9`; its next start recovers from the log."""
    process = stage.process("postgres")
    await asyncio.to_thread(process.kill)
    try:
        yield ""
    finally:
        await started(stage)


@asynccontextmanager
async def restarted(stage: Stage) -> AsyncGenerator[str]:
    """Shut it down in order (fast: whoever is connected is cut off); then start it."""
    drained = await asyncio.to_thread(stage.process("postgres").stop, STOPS_WITHIN)
    try:
        yield "" if drained else "killed: its shutdown took too long"
    finally:
        await started(stage)


async def started(stage: Stage) -> None:
    """Start it on its data, and wait until it answers."""
    process = stage.process("postgres")
    for attempt in range(_TRIES):
        try:
            await asyncio.to_thread(process.start)
            await asyncio.to_thread(process.wait_ready)
            break
        except StartError:
            if attempt == _TRIES - 1:
                raise
            await asyncio.sleep(0.5)


@asynccontextmanager
async def disconnected(stage: Stage) -> AsyncGenerator[str]:
    """End every client's connection, whatever it is in the middle of."""
    async with stage.ledger() as connection:
        ended = await connection.fetchval(TERMINATE)
    yield f"{ended} connections"


def locked(table: str) -> Act:
    """Lock a table against writes: a transaction that writes to it hangs."""

    @asynccontextmanager
    async def act(stage: Stage) -> AsyncGenerator[str]:
        async with stage.ledger() as connection:
            try:
                async with connection.transaction():
                    await connection.execute(f"lock table {table} in share mode", timeout=20)
                    yield ""
            except AWAY:
                pass  # the server went away meanwhile, and the lock with it

    return act


@asynccontextmanager
async def full(stage: Stage) -> AsyncGenerator[str]:
    """Leave no room on the disk of the tables: what needs another page of any gets 53100."""
    there = stage.stack.disk
    assert there is not None  # where there is none the fault is left out
    try:
        yield f"{await asyncio.to_thread(there.fill) / 1e6:.0f} MB"
    finally:
        await asyncio.to_thread(there.free)


@asynccontextmanager
async def used_up(stage: Stage) -> AsyncGenerator[str]:
    """Take every slot that the server has for clients, those of the services too: who comes now gets 53300."""
    async with AsyncExitStack() as held:
        taken = await _take(stage, held)
        async with stage.ledger() as connection:
            await connection.fetchval(TERMINATE_OTHERS, taken.pids)
        again = await _take(stage, held)
        yield f"{len(taken.pids) + len(again.pids)} connections"


class _Taken:
    """Connections that the fault holds."""

    def __init__(self) -> None:
        self.pids: list[int] = []


async def _take(stage: Stage, held: AsyncExitStack) -> _Taken:
    taken = _Taken()

    async def one() -> bool:
        try:
            connection = await asyncpg.connect(stage.stack.database_url, timeout=5)
        except AWAY:
            return False
        held.callback(connection.terminate)
        taken.pids.append(connection.get_server_pid())
        return True

    while all(await asyncio.gather(*(one() for _ in range(TOGETHER)))):
        pass
    return taken


def _server(kind: str, act: Act, shortest: float, longest: float) -> Fault:
    return Fault(kind, lambda rng: Aimed("postgres", frozenset({"postgres"}), rng.uniform(shortest, longest), act))


def _lock(rng: Random) -> Aimed:
    table = rng.choice(TABLES)
    return Aimed(table, frozenset({"postgres"}), rng.uniform(2.0, 10.0), locked(table))


FULL = _server("PostgreSQL disk full", full, 2.0, 6.0)
FAULTS = (
    _server("PostgreSQL kill -9", killed, 0.5, 5.0),
    _server("PostgreSQL restarted", restarted, 0.0, 4.0),
    *((FULL,) if disk.possible() else ()),
    _server("PostgreSQL connections used up", used_up, 2.0, 5.0),
    _server("PostgreSQL connections terminated", disconnected, 0.0, 0.0),
    Fault("PostgreSQL table locked", _lock),
)
LEFT_OUT = () if disk.possible() else ("PostgreSQL disk full: it needs root, and mounts in a namespace of its own",)
