"""Writes a chunk of an import to PostgreSQL: a limited number at once, with retries while it cannot be reached."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from services.api.http.faults import AWAY
from services.api.resources import Resources
from shared.db import Writer

log = structlog.get_logger()
T = TypeVar("T")

PATIENCE = 20.0
"""Seconds that a chunk is tried again: a restart or a fail-over of PostgreSQL. Without it, one lost connection in an
hour would end an import of that hour. The body waits meanwhile; clients and balancers give up after 30 s or more."""
AGAIN = 0.5
"""Seconds between two tries."""


async def committed(found: Resources, work: Callable[[Writer], Awaitable[T]]) -> T:
    """Run a chunk's `work` in a transaction of its own; it must bear being done twice, when a commit's answer is lost.

    Raises what `AWAY` names, once patience is over or this process stops.
    """
    async with found.import_gate:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await found.database.again(work)
            except AWAY as error:
                if time.monotonic() >= until or found.draining.is_set():
                    raise
                log.warning("import.waiting", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(AGAIN)
