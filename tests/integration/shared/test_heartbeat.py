"""Heartbeats in the database."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text

from shared.db import Database
from shared.heartbeat import Heartbeat
from tests.support.eventually import eventually

ROWS = text("select service, in_flight, rate, seen_at from heartbeat")


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """The ledger."""
    database = Database(database_url, name="test", pool=2)
    yield database
    await database.close()


async def test_a_process_beats_and_takes_its_row_along_when_it_stops(database: Database) -> None:
    """In flight is what it is now, the rate what was done since the beat before."""
    done = [0]
    beating = Heartbeat(database, "planner", in_flight=lambda: done[0], done=lambda: done[0], every=0.05)
    loop = asyncio.create_task(beating.run())

    async def seen() -> bool:
        done[0] += 100
        async with database.read() as tx:
            rows = await tx.all(ROWS)
        return any(row.service == "planner" and row.in_flight > 0 and row.rate > 0 for row in rows)

    await eventually(seen)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await beating.stop()
    async with database.read() as tx:
        assert await tx.all(ROWS) == []


async def test_a_database_that_is_away_misses_a_beat_and_stops_nobody() -> None:
    """The next one is tried all the same."""
    away = Database("postgresql://nobody@127.0.0.1:1/none", name="test", pool=1)
    beating = Heartbeat(away, "planner", in_flight=lambda: 0, done=lambda: 0, every=0.01)
    loop = asyncio.create_task(beating.run())
    await asyncio.wait({loop}, timeout=0.2)
    assert not loop.done()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    await beating.stop()
    await away.close()
