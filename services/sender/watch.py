"""Watches the campaigns that this sender holds, so that a pause or cancel is seen between slices of sending."""

import asyncio
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

import structlog
from sqlalchemy import text

from shared.db import Database
from shared.errors import UnavailableError

log = structlog.get_logger()

LOOK = 0.5
"""Seconds between looks: a pause or cancel acts within 2 s, its confirmation included."""

STOPPED = text("select id from campaign where id = any(cast(:ids as bigint[])) and status <> 'sending'")


class Watch:
    """Knows which of the held campaigns must not send any more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: Counter[int] = Counter()
        self._stopped: frozenset[int] = frozenset()

    @contextmanager
    def hold(self, campaign_id: int) -> Generator[None]:
        """Watch the campaign while the block runs."""
        self._held[campaign_id] += 1
        try:
            yield
        finally:
            self._held[campaign_id] -= 1
            if not self._held[campaign_id]:
                del self._held[campaign_id]

    def stopped(self, campaign_id: int) -> bool:
        """Whether the campaign was paused or cancelled, as of the last look."""
        return campaign_id in self._stopped

    async def run(self) -> None:
        """Look for ever; what cannot be asked stays as it was, the lease bounds it."""
        while True:
            await asyncio.sleep(LOOK)
            if not self._held:
                self._stopped = frozenset()
                continue
            try:
                async with self._database.read() as tx:
                    rows = await tx.all(STOPPED, {"ids": list(self._held)})
                self._stopped = frozenset(row.id for row in rows)
            except UnavailableError as error:
                log.warning("watch.blind", error=str(error))
