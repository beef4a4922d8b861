"""Heartbeats: every process updates a row of its own every few seconds.

For people: nothing is decided by it. A process that dies leaves its row, whose age shows it; one that stops in order
deletes its row.
"""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.db import Database
from shared.errors import UnavailableError
from shared.version import VERSION

log = structlog.get_logger()

EVERY = 5.0
"""Seconds between beats: a dead process is seen after three; a hundred processes write 20 rows a second."""

BEAT = text("""
    insert into heartbeat as known (instance, service, version, host, started_at, every, in_flight, rate)
    values (:instance, :service, :version, :host, :started_at, :every, :in_flight, :rate)
    on conflict (instance) do update
       set seen_at = clock_timestamp(), in_flight = excluded.in_flight, rate = excluded.rate
""")
LEAVE = text("delete from heartbeat where instance = :instance")


class Heartbeat:
    """A loop for `lifecycle`: `in_flight` counts work in progress, `done` what was done since the start."""

    def __init__(
        self,
        database: Database,
        service: str,
        *,
        in_flight: Callable[[], int],
        done: Callable[[], float],
        every: float = EVERY,
    ) -> None:
        self._database = database
        self._in_flight = in_flight
        self._done = done
        self._every = every
        host = socket.gethostname()
        self._who = {
            "instance": f"{service}:{host}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
            "service": service,
            "version": VERSION,
            "host": host,
            "started_at": datetime.now(UTC),
            "every": every,
        }
        self._last = (time.monotonic(), 0.0)

    async def run(self) -> None:
        """Beat until cancelled; a beat that fails is made up by the next one."""
        while True:
            try:
                await self.beat()
            except (UnavailableError, SQLAlchemyError) as error:
                log.warning("heartbeat.missed", error=str(error))
            await asyncio.sleep(self._every)

    async def beat(self) -> None:
        """Write one heartbeat."""
        now, done = time.monotonic(), self._done()
        before, had = self._last
        rate = (done - had) / (now - before) if now > before else 0.0
        self._last = (now, done)
        async with self._database.write() as tx:
            await tx.run(BEAT, {**self._who, "in_flight": self._in_flight(), "rate": round(max(0.0, rate), 1)})

    async def stop(self) -> None:
        """Delete the row: this process stops in order."""
        try:
            async with asyncio.timeout(1), self._database.write() as tx:
                await tx.run(LEAVE, {"instance": self._who["instance"]})
        except (UnavailableError, SQLAlchemyError, TimeoutError) as error:
            log.warning("heartbeat.left_behind", error=str(error))
