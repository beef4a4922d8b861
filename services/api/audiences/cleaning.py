"""Deletes in small steps what deletions leave: members of deleted lists, and old imports."""

import asyncio

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from services.api.audiences import list_store
from shared.db import Database, Writer
from shared.errors import UnavailableError

log = structlog.get_logger()

STEP = 5000
"""Members deleted in a transaction: 50 ms, so that nobody waits for them."""
PAUSE = 0.2
"""Seconds between steps while there is something: 10,000,000 members take some ten minutes, unnoticed."""
IDLE = 30.0
"""Seconds between looks while there is nothing."""
KEPT_DAYS = 7
"""Days that an import and its rejected lines, which hold user ids and targets, are kept."""

OLD_IMPORTS = text("""
    delete from import_job where id in (
        select id from import_job where touched_at < now() - make_interval(days => :days) order by id limit 1)
""")


class Cleaning:
    """The loop; any number of processes may run it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Clean up for ever; trouble is waited out."""
        while True:
            try:
                gone = await self.step()
            except (UnavailableError, SQLAlchemyError) as error:
                log.warning("cleaning.waiting", error=f"{type(error).__name__}: {error}")
                gone = 0
            await asyncio.sleep(PAUSE if gone else IDLE)

    async def step(self) -> int:
        """One step of each; how many rows went."""

        async def members(tx: Writer) -> int:
            return await list_store.empty_one(tx, STEP)

        async def imports(tx: Writer) -> int:
            return await tx.run(OLD_IMPORTS, {"days": KEPT_DAYS})

        return await self._database.again(members) + await self._database.again(imports)
