"""PostgreSQL killed, its connections ended, its rows locked."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import Random

from deploy.local.errors import StartError
from tests.chaos.faults import Act, Aimed, Fault
from tests.chaos.stage import AWAY, Stage

TABLES = ("campaign", "campaign_batch", "campaign_batch_member", "campaign_event", "device", "outbox", "project")
TERMINATE = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type = 'client backend'
"""
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
    """Let nobody write to a table: whoever must hangs in the middle of a transaction."""

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


def _server(kind: str, act: Act, shortest: float, longest: float) -> Fault:
    return Fault(kind, lambda rng: Aimed("postgres", frozenset({"postgres"}), rng.uniform(shortest, longest), act))


def _lock(rng: Random) -> Aimed:
    table = rng.choice(TABLES)
    return Aimed(table, frozenset({"postgres"}), rng.uniform(2.0, 10.0), locked(table))


FAULTS = (
    _server("PostgreSQL kill -9", killed, 0.5, 5.0),
    _server("PostgreSQL connections terminated", disconnected, 0.0, 0.0),
    Fault("PostgreSQL table locked", _lock),
)
