"""Maintenance: deletes rows past their retention in small steps; any number of replicas may run it."""

import asyncio
import random

import structlog

from shared.db import Database
from shared.errors import UnavailableError
from shared.ledger import retention
from shared.ledger.retention import Retention

log = structlog.get_logger()

BREATH = 0.2
"""Seconds between two steps: a million devices' ledger takes 10 s, and a running campaign a tenth of the disk."""


class Maintenance:
    """A round every `keep_for.interval` seconds; row locks keep replicas apart."""

    def __init__(self, database: Database, keep_for: Retention, *, breath: float = BREATH) -> None:
        self._database = database
        self._keep_for = keep_for
        self._breath = breath

    async def run(self) -> None:
        """Run rounds until cancelled; an infrastructure failure skips a round."""
        while True:
            # Not at the start, and not all replicas at once.
            await asyncio.sleep(self._keep_for.interval * random.uniform(0.5, 1.5))
            try:
                await self.round()
            except UnavailableError as error:
                log.warning("maintenance.waiting", error=str(error))

    async def round(self) -> None:
        """Delete all that is too old now, each step in a transaction of its own."""
        steps: dict[int, int] = {}
        while (campaign_id := await self._ledger_step()) is not None:
            steps[campaign_id] = steps.get(campaign_id, 0) + 1
            await asyncio.sleep(self._breath)
        for campaign_id, count in steps.items():
            log.info("ledger.deleted", campaign_id=campaign_id, steps=count)
        more = True
        while more:
            more = await self._database.again(lambda tx: retention.delete_old_rows(tx, self._keep_for))
            await asyncio.sleep(self._breath)

    async def _ledger_step(self) -> int | None:
        return await self._database.again(lambda tx: retention.delete_old_ledger(tx, self._keep_for))
